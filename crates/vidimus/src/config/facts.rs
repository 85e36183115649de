//! `[targets.NAME.facts]`: which arguments are commands, SQL and paths.

use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;
use vidimus_guard::{Dialect, Guard, Path, Rewrite, Settings};

use super::document::Document;
use super::keys;
use super::table::Table;

/// Reads it; without one, arguments are known by their names.
pub(super) fn of_target<'a>(
    document: &'a Document,
    heading: String,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
    rewrites: &Arc<[Rewrite]>,
) -> Option<Guard> {
    let rewrites = Arc::clone(rewrites);
    let Some((place, table)) = found else {
        return Some(Guard::new(Settings { rewrites, ..Settings::default() }));
    };
    let table = Table::new(document, &keys::TARGET_FACTS, heading, place, table);
    let argument = |text: &str| text.parse::<Path>().map_err(|error| format!("{error}, not like `{text}`"));
    let shell = table.list("shell", argument);
    let sql = table.list("sql", argument);
    let dialect = match table.value("dialect") {
        Some(_) => table.parsed("dialect", |text| text.parse::<Dialect>().map_err(|error| error.to_string())),
        None => Some(Dialect::Any),
    };
    let roots = table.list("roots", root);
    table.finish();
    Some(Guard::new(Settings { shell: shell?, sql: sql?, dialect: dialect?, roots: roots?, rewrites }))
}

fn root(text: &str) -> Result<String, String> {
    let is_plain = text.starts_with('/') && !text.split('/').any(|part| matches!(part, "." | ".."));
    if is_plain { Ok(text.to_owned()) } else { Err("a root is a directory like `/srv/files`, without `..`".to_owned()) }
}
