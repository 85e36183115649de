//! The built-in classes, a table per region.

mod canada;
mod contact;
mod crypto;
mod network;
mod payment;
mod secrets;
mod united_kingdom;
mod united_states;

use crate::class::ClassSpec;

/// All of them; their order is the order of [`crate::class::ClassId`].
pub(crate) fn all() -> impl Iterator<Item = &'static ClassSpec> {
    [
        contact::CLASSES,
        payment::CLASSES,
        network::CLASSES,
        crypto::CLASSES,
        united_states::CLASSES,
        united_kingdom::CLASSES,
        canada::CLASSES,
        secrets::CLASSES,
    ]
    .into_iter()
    .flatten()
}
