//! What statements of SQL would do, for adapters of databases: read once, however often they are run.

use std::sync::Arc;

use vidimus_core::{Operation, SqlFacts, SqlKind, SqlKinds, StatementChanges};
pub use vidimus_sql::Capped;
use vidimus_sql::{Discarded, Effect};

/// Makes of statements what policies want of them: an adapter's, which knows how they are sent.
pub trait Restate: Send + Sync {
    /// The operation with these changes: what is sent, what is recorded of that, and what it would do. It is decided on anew.
    /// Else why it cannot be, for its caller; so also where nothing would change.
    fn restated(&self, changes: StatementChanges) -> Result<Operation, String>;
}

/// What the statements in one text would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statements {
    /// The kinds of what they do. What is not understood is [`SqlKind::Other`].
    pub kinds: SqlKinds,
    /// What policies read of them.
    pub facts: Arc<SqlFacts>,
    /// Whether they are one, and it is a query that only reads.
    pub is_query: bool,
    /// Whether prepared statements may stand for something else after them.
    pub renames_statements: bool,
    /// Whether cursors may stand for something else after them, or have moved.
    pub moves_cursors: bool,
    /// A setting that they change, under which what follows would be read otherwise than it is meant.
    pub misreads: Option<&'static str>,
}

impl Statements {
    /// Whether they are one, which only reads, as far as its text tells, and does so when it is run: not a cursor's or a
    /// prepared statement's.
    pub fn only_reads(&self) -> bool {
        let only = [SqlKind::Select].into_iter().collect();
        let is_only = self.facts.parsed && self.facts.statements == 1 && self.kinds == only;
        is_only && !self.moves_cursors && !self.renames_statements
    }

    /// The text with its rows limited, where that can be done for sure and it has more.
    pub fn capped(text: &str, most: u64) -> Option<Capped> {
        vidimus_sql::capped(text, most)
    }

    /// Reads a text as PostgreSQL does, with `standard_conforming_strings` and in UTF-8.
    pub fn of_postgres(text: &str) -> Self {
        let Ok(script) = vidimus_sql::parse(text) else {
            let kinds = [SqlKind::Other].into_iter().collect();
            let facts = Arc::new(SqlFacts { parsed: false, ..SqlFacts::none() });
            return Self {
                kinds,
                facts,
                is_query: false,
                renames_statements: true,
                moves_cursors: true,
                misreads: None,
            };
        };
        let is_query = script.statements().count() == 1 && script.statements().all(|only| only.is_query());
        let (mut kinds, mut facts) = (SqlKinds::default(), SqlFacts::none());
        let (mut renames_statements, mut moves_cursors, mut misreads) = (false, false, None);
        for statement in script.statements() {
            statement.kinds().into_iter().for_each(|kind| kinds.insert(kind.into()));
            let own = statement.facts();
            // A rule makes a setting of what is written there.
            let sets = own.writes.iter().any(|table| table.rsplit('.').next() == Some("pg_settings"));
            misreads = misreads.or(sets.then_some("settings by pg_settings"));
            facts.add(&own);
            // `DO` and `CALL` may prepare, deallocate, declare and close whatever they like.
            let runs_code = !statement.is_plain() && statement.kinds().contains(&vidimus_sql::Kind::Code);
            renames_statements |= runs_code;
            moves_cursors |= runs_code;
            for effect in statement.effects() {
                // A message prepares anything, so `EXECUTE` runs anything.
                let is_any = matches!(effect, Effect::Execute(_) | Effect::Discard(Discarded::All));
                renames_statements |= is_any || matches!(effect, Effect::Prepare(_) | Effect::Deallocate(_));
                moves_cursors |= is_any || matches!(effect, Effect::Declare(_) | Effect::Fetch(_) | Effect::Close(_));
                misreads = misreads.or(misread(&effect));
            }
        }
        Self { kinds, facts: Arc::new(facts), is_query, renames_statements, moves_cursors, misreads }
    }
}

/// Letters and digits of the longest name of an encoding: `shiftjis2004`, `muleinternal` (PostgreSQL reads no others in it).
const LONGEST_ENCODING: usize = 12;

/// The setting that must stay as it is, if an effect changes one or may.
fn misread(effect: &Effect) -> Option<&'static str> {
    let Effect::Set { name, value, .. } = effect else { return None };
    let only = |value: &Option<Vec<String>>| match value.as_deref() {
        Some([only]) => Some(only.to_ascii_lowercase()),
        _ => None,
    };
    match name.as_deref() {
        // Which one is not known: what is too long for an encoding, and so for `off`, can be neither.
        None => {
            let letters = |text: String| text.chars().filter(char::is_ascii_alphanumeric).count();
            only(value).is_none_or(|value| letters(value) <= LONGEST_ENCODING).then_some("a setting that is not named")
        }
        Some("standard_conforming_strings") => {
            let is_on = only(value).is_some_and(|value| matches!(value.as_str(), "on" | "true" | "yes" | "1"));
            (!is_on).then_some("standard_conforming_strings")
        }
        Some("client_encoding" | "names") => {
            let is_utf8 = only(value).is_some_and(|value| matches!(value.as_str(), "utf8" | "utf-8" | "unicode"));
            (!is_utf8).then_some("client_encoding")
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        Statements::of_postgres(text).kinds.iter().map(SqlKind::name).collect()
    }

    #[test]
    fn kinds_are_those_of_all_statements() {
        assert_eq!(kinds("begin; select 1; commit"), ["transaction", "select"]);
        assert_eq!(kinds("copy t from stdin"), ["insert"]);
        assert_eq!(kinds("copy (select 1) to stdout"), ["select"]);
        assert_eq!(kinds("selec 1"), ["other"]);
        assert!(kinds("do $$ begin end $$").contains(&"code"));
        assert!(kinds("").is_empty());
        assert!(!Statements::of_postgres("selec 1").facts.parsed);
    }

    #[test]
    fn code_may_give_names_to_other_statements_and_cursors() {
        let of = |text: &str| {
            let read = Statements::of_postgres(text);
            (read.renames_statements, read.moves_cursors)
        };
        assert_eq!(of("do $$ begin execute 'deallocate s'; end $$"), (true, true));
        assert_eq!(of("call p()"), (true, true));
        assert_eq!(of("execute s"), (true, true));
        assert_eq!(of("prepare s as select 1"), (true, false));
        assert_eq!(of("fetch c"), (false, true));
        assert_eq!(of("select set_config('a.b', 'c', true)"), (false, false));
    }

    #[test]
    fn settings_under_which_texts_are_misread_are_told() {
        let misreads = |text: &str| Statements::of_postgres(text).misreads;
        for fine in [
            "set client_encoding to 'UTF8'",
            "set names 'utf-8'",
            "set standard_conforming_strings = on",
            "set x.y = 1",
        ] {
            assert_eq!(misreads(fine), None, "{fine}");
        }
        for (text, setting) in [
            ("set client_encoding to latin1", "client_encoding"),
            ("SET NAMES 'SJIS'", "client_encoding"),
            ("select 1; set standard_conforming_strings = off", "standard_conforming_strings"),
            ("set U&\"standard\\005Fconforming_strings\" = 'off'", "standard_conforming_strings"),
            ("select set_config('client_encoding', 'latin1', false)", "client_encoding"),
        ] {
            assert_eq!(misreads(text), Some(setting), "{text}");
        }
        assert!(misreads("select set_config(a, b, false) from t").is_some());
        assert!(
            misreads("update pg_settings set setting = 'off' where name = 'standard_conforming_strings'").is_some()
        );
        assert!(
            misreads("with x as (update pg_catalog.pg_settings set setting = 'off' returning 1) select 1").is_some()
        );
        // Also where there are more names than are told.
        let many = (0..2_000).map(|n| format!("t{n}")).collect::<Vec<_>>().join(", ");
        assert!(
            misreads(&format!("with x as (update pg_settings set setting = 'off') select 1 from {many}")).is_some()
        );
        assert!(misreads("select set_config(a, 'L-A-T-I-N-1', false) from t").is_some());
        assert!(misreads("select set_config(a, 'view, foreign-table', false) from t").is_none());
    }

    #[test]
    fn names_that_may_change_are_told() {
        let changes = |text: &str| {
            let read = Statements::of_postgres(text);
            (read.renames_statements, read.moves_cursors)
        };
        assert_eq!(changes("select 'deallocate all'"), (false, false));
        assert_eq!(changes("prepare p as select 1"), (true, false));
        assert_eq!(changes("declare c cursor for select 1"), (false, true));
        assert_eq!(changes("discard all"), (true, true));
        assert_eq!(changes("execute p"), (true, true));
        assert_eq!(changes("?"), (true, true));
    }
}
