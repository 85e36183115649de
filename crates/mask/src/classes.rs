//! The built-in classes, a table per region.

mod africa;
mod asia_east;
mod asia_south_east;
mod canada;
mod contact;
mod crypto;
mod europe_north;
mod europe_south;
mod europe_west;
mod germany;
mod india;
mod latin_america;
mod network;
mod oceania;
mod payment;
mod secrets;
#[cfg(test)]
mod tests;
mod turkey;
mod united_kingdom;
mod united_states;

use crate::class::ClassSpec;

/// A table per region, in the order of [`crate::class::ClassId`].
const TABLES: &[&[ClassSpec]] = &[
    contact::CLASSES,
    payment::CLASSES,
    network::CLASSES,
    crypto::CLASSES,
    united_states::CLASSES,
    united_kingdom::CLASSES,
    canada::CLASSES,
    germany::CLASSES,
    europe_north::CLASSES,
    europe_west::CLASSES,
    europe_south::CLASSES,
    turkey::CLASSES,
    africa::CLASSES,
    india::CLASSES,
    asia_east::CLASSES,
    asia_south_east::CLASSES,
    oceania::CLASSES,
    latin_america::CLASSES,
];

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static ClassSpec> {
    TABLES.iter().copied().chain(secrets::TABLES).flatten()
}

/// Whether a key begins in a text that may go on in what follows it.
pub(crate) fn begins_key(text: &[u8]) -> bool {
    secrets::begins_key(text)
}
