//! A query with fewer rows: a limit is added at its end, or the number of the one that is there is replaced.
//!
//! One place of the text is changed. The new text is read again: it must be the old one's tokens with that one difference, and
//! one query with that limit. Left as it is: what is more than one statement, whatever does more than read, `WITH TIES`, and a
//! limit that is no plain number and not `ALL`.

use std::ops::Range;

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use crate::facts::limit_clause;
use crate::kind::statement;
use crate::scan::{Options, Token, TokenKind, tokens};
use crate::tree::Cursor;
use crate::{Script, Statement, parse};

/// A text whose rows are limited, and what of the text it was made of has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capped {
    /// The text.
    pub text: String,
    /// Which bytes of the other one were replaced; none where something was put in.
    pub replaced: Range<usize>,
    /// How many bytes stand there now, all of them ASCII.
    pub written: usize,
}

/// The text with its rows limited to `most`; none where that cannot be done for sure, or is so already. `most` is at most what
/// an `int4` holds.
pub fn capped(text: &str, most: u64) -> Option<Capped> {
    let script = parse(text).ok()?;
    let (replaced, words) = match limit_of(&script)? {
        Limit::None => {
            let before = tokens(text, Options::default()).ok()?;
            let last = before.iter().rev().find(|token| written(text, token) != ";")?;
            (last.end..last.end, format!(" LIMIT {most}"))
        }
        Limit::Number(Some(number), _) if number <= most => return None,
        Limit::Number(_, place) => (place, most.to_string()),
        Limit::Other => return None,
    };
    let (before, after) = (text.get(..replaced.start)?, text.get(replaced.end..)?);
    let capped = Capped { text: format!("{before}{words}{after}"), written: words.len(), replaced };
    is_that(text, &capped, most).then_some(capped)
}

/// What limits the only query of a text.
enum Limit {
    None,
    /// This number, here; none where it is beyond `int4`, or `ALL`.
    Number(Option<u64>, Range<usize>),
    /// Something that only the server can tell.
    Other,
}

/// The limit of a text that is one query; none where it is something else.
fn limit_of(script: &Script) -> Option<Limit> {
    let mut statements = script.statements();
    let only = statements.next().filter(Statement::is_query)?;
    if statements.next().is_some() {
        return None;
    }
    let Some(clause) = statement(only.node).and_then(limit_clause) else { return Some(Limit::None) };
    let value = clause.child(S::select_limit_value).or_else(|| clause.child(S::select_fetch_first_value));
    Some(match value {
        _ if clause.has(S::TIES) => Limit::Other,
        // `FETCH FIRST ROW ONLY`
        None => Limit::Other,
        Some(value) if value.has(S::ALL) => Limit::Number(None, value.range()),
        Some(value) => plain(value),
    })
}

fn plain(value: Cursor<'_>) -> Limit {
    if value.only(S::Iconst).is_some() {
        return value.value().parse().map_or(Limit::Other, |number| Limit::Number(Some(number), value.range()));
    }
    let is_whole = value.written().bytes().all(|byte| byte.is_ascii_digit());
    if value.only(S::FCONST).is_some() && is_whole { Limit::Number(None, value.range()) } else { Limit::Other }
}

/// Whether a text is the other one but for a limit, which is this one.
fn is_that(text: &str, capped: &Capped, most: u64) -> bool {
    let (Ok(before), Ok(after)) = (tokens(text, Options::default()), tokens(&capped.text, Options::default())) else {
        return false;
    };
    let (start, end) = (capped.replaced.start, capped.replaced.end);
    let said = |text, token: &Token| (token.kind, token.value.clone(), written(text, token).to_owned());
    let stays = |token: &&Token| token.end <= start || token.start >= end;
    let number = (TokenKind::Integer, Some(most.to_string()), most.to_string());
    let limit = (TokenKind::Word, Some("limit".to_owned()), "LIMIT".to_owned());
    let put = if start == end { vec![limit, number] } else { vec![number] };
    let (head, tail): (Vec<_>, Vec<_>) = before.iter().filter(stays).partition(|token| token.end <= start);
    let all = |part: &[&Token]| part.iter().map(|token| said(text, token)).collect::<Vec<_>>();
    let expected = [all(&head), put, all(&tail)].concat();
    let found: Vec<_> = after.iter().map(|token| said(capped.text.as_str(), token)).collect();
    let is_limited = || {
        let script = parse(&capped.text).ok()?;
        let is_number = matches!(limit_of(&script)?, Limit::Number(number, _) if number == Some(most));
        Some(is_number && script.statements().all(|only| only.facts().limit == Some(most)))
    };
    found == expected && is_limited() == Some(true)
}

fn written<'a>(text: &'a str, token: &Token) -> &'a str {
    text.get(token.start..token.end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_are_added_and_lowered() {
        for (text, expected) in [
            ("select * from t", "select * from t LIMIT 10"),
            ("select * from t -- all\n;", "select * from t LIMIT 10 -- all\n;"),
            ("select * from t --", "select * from t LIMIT 10 --"),
            ("select * from t /* limit 5 */ ; -- x", "select * from t LIMIT 10 /* limit 5 */ ; -- x"),
            ("SELECT 'limit 5', \"ü\" FROM\n t\n LIMIT 5000", "SELECT 'limit 5', \"ü\" FROM\n t\n LIMIT 10"),
            ("select $$ limit $$ from t limit 0xFF", "select $$ limit $$ from t limit 10"),
            ("select * from t limit 99999999999", "select * from t limit 10"),
            ("select * from t offset 7 limit 99", "select * from t offset 7 limit 10"),
            ("select * from t limit 99 offset $1", "select * from t limit 10 offset $1"),
            ("select * from t offset 7", "select * from t offset 7 LIMIT 10"),
            ("select * from t limit ALL", "select * from t limit 10"),
            ("select * from t LIMIT /* x */ all offset 3", "select * from t LIMIT /* x */ 10 offset 3"),
            ("select * from t fetch first 99 rows only", "select * from t fetch first 10 rows only"),
            ("select * from t for read only", "select * from t for read only LIMIT 10"),
            ("select * from (select * from u limit 5) x", "select * from (select * from u limit 5) x LIMIT 10"),
            ("select 1 union all select 2", "select 1 union all select 2 LIMIT 10"),
            ("(select 1 limit 99) union (select 2)", "(select 1 limit 99) union (select 2) LIMIT 10"),
            ("with a as (select 1 limit 99) select * from a", "with a as (select 1 limit 99) select * from a LIMIT 10"),
            ("values (1), (2)", "values (1), (2) LIMIT 10"),
            ("table t", "table t LIMIT 10"),
            ("select 1 as \"limit\"", "select 1 as \"limit\" LIMIT 10"),
            (";;select 1;;", ";;select 1 LIMIT 10;;"),
            ("select E'\\' -- ' from t", "select E'\\' -- ' from t LIMIT 10"),
        ] {
            assert_eq!(capped(text, 10).map(|capped| capped.text).as_deref(), Some(expected), "{text}");
        }
        // In parentheses, the limit that is there is replaced.
        assert_eq!(capped("(select * from t limit 99)", 10).unwrap().text, "(select * from t limit 10)");
        assert_eq!(capped("(select 1 limit 5) limit 99", 10).unwrap().text, "(select 1 limit 5) limit 10");
    }

    #[test]
    fn what_is_limited_already_or_cannot_be_for_sure_is_left() {
        for text in [
            "select * from t limit 10",
            "select * from t fetch first row only",
            "select * from t limit $1",
            "select * from t limit 10 + 1000",
            "select * from t limit (99)",
            "select * from t limit 99.5",
            "select * from t limit 1e9",
            "select * from t limit -1",
            "select * from t limit null",
            "select * from t limit '99'",
            "select * from t limit (select 99)",
            "select * from t limit 99::bigint",
            "select * from t fetch first 99 rows with ties",
            "select 1; select * from t",
            "select * into x from t",
            "with d as (delete from t returning *) select * from d",
            "select * from t for update",
            "select pg_read_file('/etc/passwd')",
            "delete from t returning *",
            "insert into t values (1) returning *",
            "explain analyze select * from t",
            "copy (select * from t) to stdout",
            "declare c cursor for select 1",
            "fetch all from c",
            "select * from t where a = 'open",
            "select * from t /* open",
            "",
            "--",
        ] {
            assert_eq!(capped(text, 10), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_capped_has_the_tokens_of_what_it_was_made_of(
            pieces in prop::collection::vec(prop::sample::select(&[
                "select", "1", "'a'", "$1", ",", "from", "t", "(", ")", "limit", "all", "99", "5", "offset", "--x", "\n",
                "/*", "*/", "fetch first", "rows only", "union", "for update", ";", "values", "with a as", "$$", "'",
            ][..]), 1..14)
        ) {
            let text = format!("select {}", pieces.join(" "));
            if let Some(capped) = capped(&text, 10) {
                let script = parse(&capped.text).unwrap();
                prop_assert_eq!(script.statements().count(), 1);
                let only = script.statements().next().unwrap();
                prop_assert_eq!((only.facts().limit, only.is_query()), (Some(10), true));
                let mut undone = capped.text.clone();
                let end = capped.replaced.start + capped.written;
                undone.replace_range(capped.replaced.start..end, &text[capped.replaced.clone()]);
                prop_assert_eq!(undone, text);
            }
        }
    }
}
