//! How much there is.

use vidimus_core::SizeFacts;
use vidimus_core::json::Value;

/// The size of arguments; those of none are all zero.
pub(crate) fn of(arguments: Option<Value<'_>>) -> SizeFacts {
    let mut size = SizeFacts { bytes: 0, depth: 0, members: 0 };
    let Some(arguments) = arguments else { return size };
    size.bytes = u64::try_from(arguments.raw().len()).unwrap_or(u64::MAX);
    let mut waiting = vec![(arguments, 1)];
    while let Some((value, depth)) = waiting.pop() {
        if !(value.is_object() || value.is_array()) {
            continue;
        }
        size.depth = size.depth.max(depth);
        for inner in value.elements().chain(value.entries().map(|(_, member)| member)) {
            size.members = size.members.saturating_add(1);
            waiting.push((inner, depth.saturating_add(1)));
        }
    }
    size
}
