//! How fast strict JSON is parsed here: `cargo run --release -p vidimus-core --example json_throughput`.
//!
//! Three documents: a typical tool call of 1 KiB, a string of 64 KiB, and an object with 100,000 keys, whose time shows
//! that the search for duplicate keys is not quadratic.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vidimus_core::json::{Document, JsonError, Limits};

const AT_LEAST: Duration = Duration::from_millis(500);

fn main() -> Result<(), JsonError> {
    let mut call = String::from(
        r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"_meta":{"progressToken":"p-1"},"name":"find","arguments":{"#,
    );
    let mut field = 0;
    while call.len() < 990 {
        let _ = write!(call, r#""field_{field}":"a value of some words, number {field}","amount_{field}":{field},"#);
        field += 1;
    }
    call.push_str(r#""last":[true,false,null]}}}"#);
    let long = format!("\"{}\"", "The quick brown fox jumps over the lazy dog. ".repeat(1_457));
    let keys: Vec<_> = (0..100_000).map(|key| format!("\"key {key}\":1")).collect();
    for (name, text) in [("call", call), ("string", long), ("keys", format!("{{{}}}", keys.join(",")))] {
        let bytes = Bytes::from(text);
        let (mut rounds, started) = (0_u32, Instant::now());
        while started.elapsed() < AT_LEAST {
            for _ in 0..10 {
                black_box(Document::parse(black_box(bytes.clone()), &Limits::default())?);
                rounds += 1;
            }
        }
        let each = started.elapsed() / rounds;
        let megabytes = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX)) / 1e6;
        println!("{name}: {} bytes, {each:?} each, {:.0} MB/s", bytes.len(), megabytes / each.as_secs_f64());
    }
    Ok(())
}
