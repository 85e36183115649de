//! Every split gives what no split gives, and nothing waits without bound.

use proptest::prelude::*;
use std::sync::LazyLock;

use super::*;
use crate::classes;
use crate::masker::Settings;
use crate::selection::Selection;

fn masker(selection: Selection) -> Masker {
    Masker::new(&Settings::new(selection, [7; 32])).unwrap()
}

static DEFAULT: LazyLock<Masker> = LazyLock::new(|| masker(Selection::new(["default", "secrets"])));
static ALL: LazyLock<Masker> = LazyLock::new(|| masker(Selection::new(["all"]).without_context()));

/// What came out, and what was counted.
type Outcome = (String, Tally);

fn whole(masker: &Masker, text: &[u8]) -> Outcome {
    let (mut memory, mut tally) = (Memory::default(), Tally::default());
    let out = masker.text(text, &[], &ClassSet::EMPTY, &mut memory, &mut tally);
    (String::from_utf8_lossy(&out).into_owned(), tally)
}

fn pieces<'p>(masker: &Masker, framing: Framing, pieces: impl IntoIterator<Item = &'p [u8]>) -> Outcome {
    let (mut memory, mut tally, mut out) = (Memory::default(), Tally::default(), Vec::new());
    let mut stream = masker.stream(framing, StreamScope::default());
    for piece in pieces {
        stream.push(piece, &mut memory, &mut tally, &mut out);
    }
    stream.finish(&mut memory, &mut tally, &mut out);
    (String::from_utf8_lossy(&out).into_owned(), tally)
}

/// Splits where the numbers say.
fn split_at<'t>(text: &'t [u8], sizes: &[usize]) -> Vec<&'t [u8]> {
    let (mut rest, mut pieces) = (text, Vec::new());
    for size in sizes.iter().cycle() {
        let (piece, more) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    pieces
}

/// A text with what classes find, and what nearly is, in odd company.
fn text() -> impl Strategy<Value = String> {
    let examples: Vec<String> = classes::all().map(|class| class.example.to_owned()).collect();
    let words: Vec<&str> = classes::all().flat_map(|class| class.context).copied().collect();
    let glue = [
        " ",
        "  ",
        "\n",
        "\\n",
        "\\t",
        ",",
        ": ",
        "=",
        "\"",
        "-",
        ".",
        "/",
        "@",
        "<",
        "**",
        "<US_SSN>",
        "<US_SSN_12",
        "_3>",
        "ssn",
        "card number",
        "passport",
        "x",
        "7",
        "é",
        "\r\n",
        "a.b",
        "12",
        "-----",
        "'",
        "(",
        ")",
        "+",
        ";",
        "https://",
        "token",
    ];
    let example = (0..examples.len()).prop_map(move |at| examples[at].clone());
    let part = prop_oneof![
        3 => example.clone(),
        3 => (0..glue.len()).prop_map(move |at| glue[at].to_owned()),
        1 => (example, any::<prop::sample::Index>()).prop_map(|(text, at)| {
            let at = at.index(text.len());
            text.get(at..).unwrap_or_default().to_owned()
        }),
        1 => prop::sample::select(words).prop_map(|word| format!("{word} ")),
        1 => "[0-9A-Za-z.-]{1,20}",
    ];
    prop::collection::vec(part, 1..20).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_split_of_a_text_gives_what_no_split_gives(text in text(), sizes in prop::collection::vec(1_usize..40, 1..6)) {
        for masker in [&*DEFAULT, &*ALL] {
            let expected = whole(masker, text.as_bytes());
            prop_assert_eq!(&expected, &pieces(masker, Framing::Text, split_at(text.as_bytes(), &sizes)));
            prop_assert_eq!(&expected, &pieces(masker, Framing::Text, text.as_bytes().chunks(1)));
        }
    }
}

/// What has come out before the end.
fn early(masker: &Masker, framing: Framing, text: &str) -> String {
    let (mut memory, mut tally, mut out) = (Memory::default(), Tally::default(), Vec::new());
    let mut stream = masker.stream(framing, StreamScope::default());
    for piece in text.as_bytes().chunks(1) {
        stream.push(piece, &mut memory, &mut tally, &mut out);
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn what_can_be_no_part_of_a_value_goes_out_at_once() {
    assert_eq!(
        early(&DEFAULT, Framing::Text, "the build is done: 3 warnings, see jane.doe"),
        "the build is done: 3 warnings, see "
    );
    assert_eq!(early(&DEFAULT, Framing::Text, "card 4111 1111 11"), "card ");
    assert_eq!(early(&DEFAULT, Framing::Text, "card 4111 1111 1111 1111, "), "card <CREDIT_CARD>, ");
}

/// Feeds `count` pieces: bytes scanned, and the most that waited.
fn cost(masker: &Masker, piece: &[u8], count: usize) -> (usize, usize) {
    let (mut memory, mut tally, mut out) = (Memory::default(), Tally::default(), Vec::new());
    let mut stream = masker.stream(Framing::Text, StreamScope::default());
    let mut most = 0;
    for _ in 0..count {
        stream.push(piece, &mut memory, &mut tally, &mut out);
        most = most.max(stream.pending());
        out.clear();
    }
    let Framed::Text(text) = &stream.framed;
    (text.scanned, most)
}

#[test]
fn neither_time_nor_memory_grows_beyond_the_text() {
    for endless in
        ["7", "7-", "@", "a@", "-----BEGIN ", "<US_SSN", "*", "eyJ", "A", "a.b@c.de.", "4111-", "1.1.1.1.", "\\n"]
    {
        for (copies, bytes) in [(1, 1 << 14), (7, 1 << 15), (1000, 1 << 18)] {
            let piece = endless.repeat(copies);
            let count = bytes / piece.len();
            let (once, waited) = cost(&ALL, piece.as_bytes(), count);
            let (twice, _) = cost(&ALL, piece.as_bytes(), 2 * count);
            let case = format!("{endless:?} in pieces of {}: {waited} wait, scanned {once}, {twice}", piece.len());
            assert!(once <= 18 * count * piece.len() + text::MAX_PENDING, "{case}");
            assert!(twice <= 2 * once + 4 * text::MAX_PENDING, "{case}");
            assert!(waited <= text::MAX_PENDING * 17 / 16 + piece.len(), "{case}");
        }
    }
}
