//! What a tool is due by its pin, and texts in parts.

use super::*;

fn entry(accepted: Option<&str>, pending: Option<&str>, (is_gone, left_out): (bool, u64)) -> Entry {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let pin = Pin { version: 1, accepted: owned(accepted), pending: owned(pending), is_gone, ..Pin::default() };
    Entry { pin, left_out, ..Entry::default() }
}

#[test]
fn a_step_is_due_when_the_pin_does_not_say_what_is_seen() {
    assert_eq!(due(&Entry::default(), "a"), Some(PinStep::Recorded));
    for (accepted, pending, untold, seen, expected, held) in [
        (Some("a"), None, (false, 0), "a", None, Standing::Accepted),
        (Some("a"), None, (false, 0), "b", Some(PinStep::Changed), Standing::Changed("a".into())),
        (Some("a"), Some("b"), (false, 0), "b", None, Standing::Changed("a".into())),
        (Some("a"), Some("b"), (false, 0), "c", Some(PinStep::Changed), Standing::Changed("a".into())),
        (Some("a"), Some("b"), (false, 0), "a", Some(PinStep::Restored), Standing::Accepted),
        (Some("a"), None, (true, 0), "a", Some(PinStep::Restored), Standing::Accepted),
        (Some("a"), None, (true, 0), "b", Some(PinStep::Changed), Standing::Changed("a".into())),
        // What was left out is told as soon as it may be, and until then nothing of the tool is believed.
        (Some("a"), None, (false, 2), "a", Some(PinStep::Restored), Standing::Changed("a".into())),
        (Some("a"), Some("b"), (false, 2), "b", Some(PinStep::Changed), Standing::Changed("a".into())),
        (None, Some("a"), (false, 0), "a", None, Standing::New),
        (None, Some("a"), (false, 0), "b", Some(PinStep::Changed), Standing::New),
    ] {
        let entry = entry(accepted, pending, untold);
        assert_eq!((due(&entry, seen), standing(&entry, seen)), (expected, held), "{entry:?}");
    }
}

#[test]
fn what_is_left_out_counts_once_for_each_definition_in_a_row() {
    let mut entry = entry(Some("a"), None, (false, 0));
    for seen in ["b", "b", "a", "b", "b"] {
        entry.leave_out(seen);
    }
    assert_eq!(entry.left_out, 3);
}

#[test]
fn a_long_text_comes_in_parts_that_an_event_holds() {
    let text = "\u{20ac}\"\\".repeat(PART_BYTES);
    let parts = parts(&text);
    assert_eq!(parts.concat(), text);
    assert!(parts.len() > 4 && parts.iter().all(|part| !part.is_empty() && part.len() <= PART_BYTES));
    // What JSON escapes once is escaped once more in the event.
    assert!(parts.iter().all(|part| serde_json::to_string(part).unwrap().len() < 60_000));
    assert_eq!(super::parts(""), [""]);
}
