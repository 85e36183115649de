//! One text of SQL, its first byte the dialect: what is limited to ten rows is the same query, of at most ten, that reads the
//! same tables and does nothing more; and it is not changed again.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vidimus_core::json::{Document, Limits};
use vidimus_guard::{Change, Dialect, Guard, Rewrite, RewriteOf, Settings, sql_facts};

const ROWS: u64 = 10;

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let dialects: Vec<_> = Dialect::ALL.into_iter().chain([Dialect::Any]).collect();
    let dialect = dialects[usize::from(*first) % dialects.len()];
    let before = sql_facts(text, dialect);
    let rewrite = Rewrite { name: "rows".into(), of: RewriteOf::Argument("$.q".parse().expect("a path"), Change::MaxRows(ROWS)) };
    let guard = Guard::new(Settings { rewrites: [rewrite].into(), dialect, ..Settings::default() });
    let capped = |text: &str| {
        let message = serde_json::json!({ "q": text }).to_string();
        let document = Document::parse(Bytes::from(message), &Limits::default()).expect("JSON of a text");
        let rewritten = guard.rewritten(&document, &[], &["rows"]).expect("one rewrite of one argument");
        let rewritten: serde_json::Value = serde_json::from_slice(&rewritten).expect("JSON");
        rewritten["q"].as_str().expect("a text").to_owned()
    };
    let after = capped(text);
    if after == text {
        return;
    }
    let facts = sql_facts(&after, dialect);
    assert!(before.parsed && facts.parsed, "{text:?} → {after:?}");
    assert_eq!((facts.statements, facts.limit), (1, Some(ROWS)), "{text:?} → {after:?}");
    assert_eq!((&facts.kinds, &facts.reads), (&before.kinds, &before.reads), "{text:?} → {after:?}");
    assert_eq!((&facts.writes, &facts.functions), (&before.writes, &before.functions), "{text:?} → {after:?}");
    assert_eq!(capped(&after), after, "changed again");
});
