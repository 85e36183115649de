//! Facts of one call: derived of any arguments without a panic, the same each time, and the same of one fact alone as of all.

#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vidimus_core::json::{Document, Limits};
use vidimus_core::{Fact, FactSet};
use vidimus_guard::{Dialect, Guard, Settings};

static GUARDS: LazyLock<[Guard; 2]> = LazyLock::new(|| {
    [Dialect::Any, Dialect::PostgreSql].map(|dialect| {
        let paths = |path: &str| vec![path.parse().expect("a path")];
        let (shell, sql) = (paths("$.run[*]"), paths("$.text"));
        Guard::new(Settings { roots: vec!["/srv".to_owned()], shell, sql, dialect, ..Settings::default() })
    })
});

fuzz_target!(|data: &[u8]| {
    let Ok(document) = Document::parse(Bytes::copy_from_slice(data), &Limits::default()) else { return };
    for guard in &*GUARDS {
        let all = guard.facts(Some(document.root()), Fact::ALL.into_iter().collect());
        assert_eq!(guard.facts(Some(document.root()), Fact::ALL.into_iter().collect()), all, "the same each time");
        let one = |fact| guard.facts(Some(document.root()), FactSet::from_iter([fact]));
        assert_eq!(one(Fact::Shell).shell, all.shell);
        assert_eq!(one(Fact::Sql).sql, all.sql);
    }
});
