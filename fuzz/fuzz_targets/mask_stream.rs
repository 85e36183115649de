//! Masking a text in pieces: where it is cut does not matter, and plain text comes out as if it had never been cut.

#![no_main]

#[path = "mask_shared/mod.rs"]
mod shared;

use libfuzzer_sys::fuzz_target;
use vidimus_mask::{ClassSet, Framing, Masker, Memory, StreamScope, Tally};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let masker = shared::masker();
    let whole = masker.text(rest, &[], &ClassSet::EMPTY, &mut Memory::default(), &mut Tally::default());
    assert_eq!(lossy(&in_pieces(masker, Framing::Text, rest, usize::from(*first))), lossy(&whole));
    for framing in [Framing::Auto, Framing::Lines, Framing::EventStream, Framing::Terminal] {
        let (mut memory, mut tally, mut at_once) = (Memory::default(), Tally::default(), Vec::new());
        let mut stream = masker.stream(framing, StreamScope::default());
        stream.push(rest, &mut memory, &mut tally, &mut at_once).expect("it is masked");
        stream.finish(&mut memory, &mut tally, &mut at_once).expect("it is masked");
        assert_eq!(lossy(&in_pieces(masker, framing, rest, usize::from(*first))), lossy(&at_once), "{framing:?}");
    }
});

/// Pieces of growing length, the first of which is `seed` bytes at most.
fn in_pieces(masker: &Masker, framing: Framing, text: &[u8], seed: usize) -> Vec<u8> {
    let (mut memory, mut tally, mut out) = (Memory::default(), Tally::default(), Vec::new());
    let mut stream = masker.stream(framing, StreamScope::default());
    let mut rest = text;
    let mut length = seed % 32;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(length.min(rest.len()));
        stream.push(piece, &mut memory, &mut tally, &mut out).expect("it is masked");
        if length % 5 == 3 {
            stream.idle(&mut memory, &mut tally, &mut out).expect("it is masked");
        }
        rest = more;
        length = (length * 7 + seed) % 41 + 1;
    }
    stream.finish(&mut memory, &mut tally, &mut out).expect("it is masked");
    out
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
