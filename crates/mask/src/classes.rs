//! The built-in classes, a table per region.

mod contact;
mod payment;
mod secrets;
mod united_states;

use crate::class::ClassSpec;

/// All of them; their order is the order of [`crate::class::ClassId`].
pub(crate) fn all() -> impl Iterator<Item = &'static ClassSpec> {
    [contact::CLASSES, payment::CLASSES, united_states::CLASSES, secrets::CLASSES].into_iter().flatten()
}
