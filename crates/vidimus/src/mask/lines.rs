//! Many texts at once: JSON lines in, JSON lines out, each with the id it came with.

use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Read, Write};

use anyhow::Context as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use vidimus_mask::{ClassSet, Form, Framing, MaskError, Masker, Memory, Scan, Scope, StreamScope, Tally};

/// Bytes of one input line.
const MAX_LINE: u64 = 64 << 20;

/// What is wrong with the input. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InputError {
    /// Not the JSON that is expected.
    #[error("line {line} of standard input is not {expected}: wrong at byte {at}; nothing of this line was written")]
    Form {
        /// The line, from 1.
        line: u64,
        /// What was expected.
        expected: &'static str,
        /// The byte of the line, from 1.
        at: usize,
    },
    /// A document larger than is taken at once.
    #[error("standard input has more than 256 MiB, which is what --format json takes; use --format auto")]
    TooLarge,
    /// More than is taken at once.
    #[error("line {line} of standard input is too long: at most 64 MiB are taken at once")]
    TooLong {
        /// The line, from 1.
        line: u64,
    },
}

/// A text to mask.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

const TEXT: &str = "a JSON object {\"id\",\"text\"}";

/// A text in pieces.
#[derive(Deserialize)]
struct Chunks<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    chunks: Vec<Cow<'a, str>>,
}

const CHUNKS: &str = "a JSON object {\"id\",\"chunks\":[…]}";

#[derive(Serialize)]
struct Masked<'a> {
    id: &'a RawValue,
    text: Cow<'a, str>,
}

#[derive(Serialize)]
struct Detected<'a> {
    id: &'a RawValue,
    findings: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    class: &'a str,
    start: usize,
    end: usize,
    score: f64,
}

/// Answers each text with its masked form. A text that is no whole form is masked as a stream of one piece.
pub(super) fn mask(
    masker: &Masker,
    form: Option<Form>,
    framing: Framing,
    input: &mut BufReader<impl Read>,
    out: &mut impl Write,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut memory = Memory::default();
    let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
    each(input, out, |line, number, out| {
        let Text { id, text } = parse(line, number, TEXT)?;
        let bytes = Bytes::from(text.into_owned());
        let masked = match form {
            Some(form) => masker.payload(&bytes, form, &scope, &mut memory, tally)?.unwrap_or(bytes),
            None => streamed(masker, framing, [&*bytes], &mut memory, tally)?.into(),
        };
        // What is masked is ASCII and begins and ends where characters do.
        answer(out, &Masked { id, text: String::from_utf8_lossy(&masked) })
    })
}

/// Answers each text, fed piece by piece, with its masked form.
pub(super) fn chunks(
    masker: &Masker,
    framing: Framing,
    input: &mut BufReader<impl Read>,
    out: &mut impl Write,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut memory = Memory::default();
    each(input, out, |line, number, out| {
        let Chunks { id, chunks } = parse(line, number, CHUNKS)?;
        let masked = streamed(masker, framing, chunks.iter().map(|chunk| chunk.as_bytes()), &mut memory, tally)?;
        answer(out, &Masked { id, text: String::from_utf8_lossy(&masked) })
    })
}

fn streamed<'p>(
    masker: &Masker,
    framing: Framing,
    pieces: impl IntoIterator<Item = &'p [u8]>,
    memory: &mut Memory,
    tally: &mut Tally,
) -> Result<Vec<u8>, MaskError> {
    let mut stream = masker.stream(framing, StreamScope::default());
    let mut masked = Vec::new();
    for piece in pieces {
        stream.push(piece, memory, tally, &mut masked)?;
    }
    stream.finish(memory, tally, &mut masked)?;
    Ok(masked)
}

/// Answers each text with what is found in it.
pub(super) fn detect(
    masker: &Masker,
    min_score: f64,
    input: &mut BufReader<impl Read>,
    out: &mut impl Write,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let (engine, mut scan) = (masker.engine(), Scan::default());
    each(input, out, |line, number, out| {
        let Text { id, text } = parse(line, number, TEXT)?;
        let found = masker.findings(text.as_bytes(), &[], &mut scan).into_iter();
        let found = found.map(|finding| (finding, f64::from(finding.score) / 100.0));
        let mut findings = Vec::new();
        for (finding, score) in found.filter(|(_, score)| *score >= min_score) {
            *tally.masked.entry(finding.class).or_default() += 1;
            findings.push(Found { class: engine.name(finding.class), start: finding.start, end: finding.end, score });
        }
        answer(out, &Detected { id, findings })
    })
}

/// Calls `handle` for each line that is not empty, with its number. Answers are written before more input is waited for.
fn each<R: Read, W: Write>(
    input: &mut BufReader<R>,
    out: &mut W,
    mut handle: impl FnMut(&[u8], u64, &mut W) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if !input.buffer().contains(&b'\n') {
            out.flush()?;
        }
        let read = input.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line);
        if read.context("standard input cannot be read")? == 0 {
            break;
        }
        if u64::try_from(line.len()).map_or(true, |length| length > MAX_LINE) {
            return Err(InputError::TooLong { line: number }.into());
        }
        let line = line.trim_ascii_end();
        if !line.is_empty() {
            handle(line, number, out)?;
        }
    }
    Ok(())
}

/// An error tells the place alone: what serde says may quote the value.
fn parse<'a, T: Deserialize<'a>>(line: &'a [u8], number: u64, expected: &'static str) -> Result<T, InputError> {
    serde_json::from_slice(line).map_err(|error| InputError::Form { line: number, expected, at: error.column() })
}

fn answer(out: &mut impl Write, value: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    Ok(out.write_all(b"\n")?)
}
