//! `cargo bench -p vidimus-mask`: MB per CPU-second of one thread on corpora made from a seed, beside what bounds it
//! (`memchr`, a pass that only tells JSON tokens apart). A benchmark, not a test: it always ends with status 0.

#![expect(
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a program for developers; its figures are small"
)]

mod corpora;

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use vidimus_core::json::{Document, Limits};
use vidimus_mask::{ClassSet, End, Form, Masker, Memory, Scan, Scope, Selection, Settings, Tally};

/// Bytes of each corpus.
const CORPUS_BYTES: usize = 2 << 20;

/// Passes over a corpus; the median counts. `--passes N` asks for more, for a profiler.
const PASSES: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let only = arguments.iter().skip_while(|word| *word != "--only").nth(1);
    let passes = match arguments.iter().skip_while(|word| *word != "--passes").nth(1) {
        Some(passes) => passes.parse::<usize>()?.max(1),
        None => PASSES,
    };
    let rate = |bytes: usize, pass: &mut dyn FnMut()| rate(passes, bytes, pass);
    let corpora = corpora::all(CORPUS_BYTES);
    let masker = |classes: &[&str]| -> Result<(Masker, f64), Box<dyn Error>> {
        let begun = Instant::now();
        let selection = Selection::new(classes.iter().copied());
        let masker = Masker::new(&Settings::new(selection, [0; 32]))?;
        Ok((masker, begun.elapsed().as_secs_f64() * 1000.0))
    };
    let (default, default_ms) = masker(&["default"])?;
    let (secrets, secrets_ms) = masker(&["default", "secrets"])?;
    println!(
        "engines: default {:.1} MB in {default_ms:.0} ms, with secrets {:.1} MB in {secrets_ms:.0} ms",
        megabytes(default.engine().memory()),
        megabytes(secrets.engine().memory())
    );
    println!(
        "{:<14}{:>10}{:>12}{:>10}{:>10}{:>10}{:>14}",
        "MB/CPU-s", "memchr", "JSON parse", "scan", "default", "secrets", "found per MB"
    );
    for corpus in corpora.iter().filter(|corpus| only.is_none_or(|only| corpus.name.contains(only.as_str()))) {
        let bytes: usize = corpus.documents.iter().map(String::len).sum();
        let ceiling = rate(bytes, &mut || {
            let count: usize =
                corpus.documents.iter().map(|text| memchr::memchr_iter(b'@', text.as_bytes()).count()).sum();
            black_box(count);
        })?;
        let documents: Vec<bytes::Bytes> =
            corpus.documents.iter().map(|text| bytes::Bytes::from(text.clone())).collect();
        let parse = if corpus.json {
            let mut parse =
                || documents.iter().for_each(|text| drop(black_box(Document::parse(text.clone(), &Limits::default()))));
            format!("{:.0}", rate(bytes, &mut parse)?)
        } else {
            "–".to_owned()
        };
        let mut scan = Scan::default();
        let scanned = rate(bytes, &mut || {
            for text in &corpus.documents {
                default.engine().scan(text.as_bytes(), &[], End::Final, &mut scan);
                black_box(scan.findings());
            }
        })?;
        let mut found = 0;
        let mut rates = Vec::new();
        for masker in [&default, &secrets] {
            rates.push(rate(bytes, &mut || {
                let (mut memory, mut tally) = (Memory::default(), Tally::default());
                let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
                let form = if corpus.json { Form::Json } else { Form::Text };
                for document in &documents {
                    let masked = masker.payload(document, form, &scope, &mut memory, &mut tally);
                    drop(black_box(masked));
                }
                found = tally.masked.values().sum::<u64>();
            })?);
        }
        println!(
            "{:<14}{ceiling:>10.0}{parse:>12}{scanned:>10.0}{:>10.0}{:>10.0}{:>14.0}",
            corpus.name,
            rates[0],
            rates[1],
            found as f64 / megabytes(bytes)
        );
    }
    Ok(())
}

/// The median rate of some passes over `bytes`, in MB per CPU-second of this thread.
fn rate(passes: usize, bytes: usize, pass: &mut dyn FnMut()) -> Result<f64, Box<dyn Error>> {
    pass();
    let mut rates = Vec::new();
    for _ in 0..passes {
        let before = cpu_seconds()?;
        pass();
        rates.push(megabytes(bytes) / (cpu_seconds()? - before).max(1e-9));
    }
    rates.sort_by(f64::total_cmp);
    Ok(rates[passes / 2])
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// CPU time of this thread: the first figure of Linux's `schedstat`, in nanoseconds.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    // The figure is brought up to date when the thread gives up the processor.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("schedstat is empty")?.parse::<f64>()? / 1e9)
}
