//! Masking one text: it stays text, masking it again changes nothing, and nothing of what was masked is left in it.

#![no_main]

#[path = "mask_shared/mod.rs"]
mod shared;

use libfuzzer_sys::fuzz_target;
use vidimus_mask::{ClassSet, Memory, Tally};

fuzz_target!(|data: &[u8]| {
    let masker = shared::masker();
    let masked = masker.text(data, &[], &ClassSet::EMPTY, &mut Memory::default(), &mut Tally::default());
    assert!(str::from_utf8(data).is_err() || str::from_utf8(&masked).is_ok(), "UTF-8 stays UTF-8");
    let left = shared::left_over(masker, data, &[], &masked);
    assert_eq!(left, None, "left of a masked value");
    let mask = |text: &[u8]| {
        masker.text(text, &[], &ClassSet::EMPTY, &mut Memory::default(), &mut Tally::default()).into_owned()
    };
    let once = if shared::may_spell(data) { mask(&masked) } else { masked.into_owned() };
    assert_eq!(String::from_utf8_lossy(&mask(&once)), String::from_utf8_lossy(&once), "masked again");
});
