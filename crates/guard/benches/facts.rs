//! What facts cost: microseconds of one call, by what its arguments are and how large they are.
//!
//! Each row is of one kind of argument: facts are derived of it one by one, then all of them, and last a rewrite is applied.
//! Arguments are parsed before, as the gateway has them. By the wall clock, the middle of many runs. `cargo xtask bench guard`.

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vidimus_core::Fact;
use vidimus_core::json::{Document, Limits};
use vidimus_guard::{Change, Dialect, Guard, Rewrite, RewriteOf, Settings};

/// Bytes of the arguments, about.
const SIZES: [usize; 3] = [1 << 8, 1 << 12, 1 << 16];
/// How long one figure is measured, and how often at least.
const MEASURED: Duration = Duration::from_millis(200);
const LEAST_RUNS: usize = 5;

/// What is repeated until the arguments are large enough, within this text.
const KINDS: [(&str, &str, &str, &str); 6] = [
    ("prose", r#"{"text":""#, "the second parcel was damaged on the way, ", r#""}"#),
    ("members", r#"{"rows":["#, r#"{"id":9007199254740993,"name":"Ada","tags":["a","b"]},"#, "null]}"),
    ("urls", r#"{"pages":["#, r#""https://example.com/a%20b?next=http%3A%2F%2F10.0.0.1%2F","#, "null]}"),
    ("paths", r#"{"paths":["#, r#""/srv/data/%2e%2e/reports/2026/summary.csv","#, "null]}"),
    ("shell", r#"{"command":""#, "find . -name '*.log' | xargs grep -c error; ", r#"true"}"#),
    ("sql", r#"{"sql":"select a, count(*) from t where b in ("#, "1, 'x', ", r#"2) group by a order by 2"}"#),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "µs of one call: each fact, all of them, a rewrite (the rows of a query, or a member set)")?;
    write!(out, "{:>8}  {:>7}", "kind", "bytes")?;
    for fact in Fact::ALL.into_iter().filter(|fact| *fact != Fact::Secrets) {
        write!(out, "  {:>8}", fact.name())?;
    }
    writeln!(out, "  {:>8}  {:>8}", "all", "rewrite")?;
    let change = |name: &str, path: &str, change| -> Result<Rewrite, Box<dyn Error>> {
        Ok(Rewrite { name: name.into(), of: RewriteOf::Argument(path.parse()?, change) })
    };
    let rewrites = [change("rows", "$.sql", Change::MaxRows(10))?, change("set", "$.limit", Change::Set("10".into()))?];
    let dialect = Dialect::PostgreSql;
    let guard = Guard::new(Settings { rewrites: rewrites.into(), dialect, ..Settings::default() });
    for (kind, before, repeated, after) in KINDS {
        for size in SIZES {
            let text = format!("{before}{}{after}", repeated.repeat(size / repeated.len()));
            let document = Document::parse(Bytes::from(text), &Limits::default())?;
            write!(out, "{kind:>8}  {:>7}", document.bytes().len())?;
            let all = || Fact::ALL.into_iter().filter(|fact| *fact != Fact::Secrets);
            for wanted in all().map(|fact| vec![fact]).chain([all().collect()]) {
                let wanted = wanted.into_iter().collect();
                write!(out, "  {:>8.1}", microseconds(|| drop(guard.facts(Some(document.root()), wanted))))?;
            }
            let name = if kind == "sql" { "rows" } else { "set" };
            writeln!(out, "  {:>8.1}", microseconds(|| drop(guard.rewritten(&document, &[], &[name]))))?;
        }
    }
    Ok(())
}

/// The middle of many runs.
fn microseconds(run: impl Fn()) -> f64 {
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < LEAST_RUNS || begin.elapsed() < MEASURED {
        let begin = Instant::now();
        run();
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6
}
