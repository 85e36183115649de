//! A query with fewer rows: a limit is added, or the one that is there is lowered.
//!
//! Done to the text, in one place that the tree of the query names; then the new text is read again, and must be the same
//! query but for its limit. Left as it is, which the caller takes for a refusal: what is not understood, more than one
//! statement, whatever does more than read, and a limit that is no plain number.

use sqlparser::ast::{Expr, LimitClause, Offset, OffsetRows, Query, SetExpr, Statement, TopQuantity, Value};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

use super::statements::{SELECT, limit_of};
use super::{Dialect, MAX_DEPTH, facts};

/// The text with its rows limited to `most`; none where that cannot be done for sure, or is so already.
pub(crate) fn capped(text: &str, dialect: Dialect, most: u64) -> Option<String> {
    let known = facts(text, dialect);
    let is_one_query = known.parsed && known.statements == 1 && known.kinds.iter().all(|kind| kind == SELECT);
    if !is_one_query {
        return None;
    }
    let (query, tokens) = read(text, dialect)?;
    if query.for_clause.is_some() || limit_of(&query).is_some_and(|limit| limit <= most) {
        return None;
    }
    let whole = unlimited(&query)?;
    let is_good = |capped: &String| {
        let Some((again, _)) = read(capped, dialect) else { return false };
        limit_of(&again) == Some(most) && unlimited(&again).as_ref() == Some(&whole)
    };
    candidates(text, (&query, &tokens), dialect, most).into_iter().find(is_good)
}

/// A text's only statement, if it is a query, and its tokens.
fn read(text: &str, dialect: Dialect) -> Option<(Query, Vec<TokenWithSpan>)> {
    let grammar = dialect.grammar();
    let tokens = Tokenizer::new(&*grammar, text).with_unescape(true).tokenize_with_location().ok()?;
    let parser = Parser::new(&*grammar).with_recursion_limit(MAX_DEPTH).with_tokens_with_locations(tokens.clone());
    let mut statements = { parser }.parse_statements().ok()?;
    match (statements.pop(), statements.is_empty()) {
        (Some(Statement::Query(query)), true) => Some((*query, tokens)),
        _ => None,
    }
}

/// A query without its limit; none where it has one that is not to be replaced.
fn unlimited(query: &Query) -> Option<Query> {
    let mut query = query.clone();
    query.limit_clause = match query.limit_clause.take() {
        Some(LimitClause::LimitOffset { limit_by, .. }) if !limit_by.is_empty() => return None,
        Some(LimitClause::LimitOffset { offset: None, .. }) | None => None,
        Some(LimitClause::LimitOffset { offset, limit_by, .. }) => {
            Some(LimitClause::LimitOffset { limit: None, offset, limit_by })
        }
        Some(LimitClause::OffsetCommaLimit { offset, .. }) => {
            let offset = Some(Offset { value: offset, rows: OffsetRows::None });
            Some(LimitClause::LimitOffset { limit: None, offset, limit_by: Vec::new() })
        }
    };
    if query.fetch.take().is_some_and(|fetch| fetch.percent || fetch.with_ties) {
        return None;
    }
    if let SetExpr::Select(select) = &mut *query.body
        && select.top.take().is_some_and(|top| top.percent || top.with_ties)
    {
        return None;
    }
    Some(query)
}

/// Texts that may be the query with the limit.
fn candidates(text: &str, (query, tokens): (&Query, &[TokenWithSpan]), dialect: Dialect, most: u64) -> Vec<String> {
    let limit = match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) => limit.as_ref(),
        Some(LimitClause::OffsetCommaLimit { limit, .. }) => Some(limit),
        None => None,
    };
    let fetch = query.fetch.as_ref().map(|fetch| fetch.quantity.as_ref());
    let top = match &*query.body {
        SetExpr::Select(select) => select.top.as_ref().map(|top| top.quantity.as_ref()),
        _ => None,
    };
    let place = match (limit, fetch, top) {
        (None, None, None) => return added(text, query, tokens, dialect, most),
        (Some(limit), None, None) | (None, Some(Some(limit)), None) => number(limit),
        (None, None, Some(Some(TopQuantity::Expr(quantity)))) => number(quantity),
        (None, None, Some(Some(TopQuantity::Constant(_)))) => following(tokens, Keyword::TOP),
        // Two limits, or none that is a number.
        _ => None,
    };
    place.and_then(|place| replaced(text, place, &most.to_string())).into_iter().collect()
}

/// Texts with a limit where there was none.
fn added(text: &str, query: &Query, tokens: &[TokenWithSpan], dialect: Dialect, most: u64) -> Vec<String> {
    let significant =
        |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::SemiColon | Token::EOF);
    let end = tokens.iter().rev().find(significant).map(|last| Span::new(last.span.end, last.span.end));
    let at_end = |words: String| end.and_then(|end| replaced(text, end, &words));
    match dialect {
        Dialect::MsSql => {
            let SetExpr::Select(select) = &*query.body else { return Vec::new() };
            let after = if select.distinct.is_some() { Keyword::DISTINCT } else { Keyword::SELECT };
            let begin = select.select_token.0.span.start;
            let mut from = tokens.iter().skip_while(|token| token.span.start < begin);
            let end = from.find(|token| is_word(token, after)).map(|word| word.span.end);
            end.and_then(|end| replaced(text, Span::new(end, end), &format!(" TOP ({most})"))).into_iter().collect()
        }
        Dialect::Oracle => at_end(format!(" FETCH FIRST {most} ROWS ONLY")).into_iter().collect(),
        _ => {
            // `LIMIT ALL` is no limit.
            let all = last_limit_all(tokens).and_then(|all| replaced(text, all, &most.to_string()));
            all.into_iter().chain(at_end(format!(" LIMIT {most}"))).collect()
        }
    }
}

fn is_word(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

/// Where the `ALL` of the last `LIMIT ALL` is.
fn last_limit_all(tokens: &[TokenWithSpan]) -> Option<Span> {
    let words: Vec<_> = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let pairs = words.iter().zip(words.iter().skip(1)).rev();
    let mut pairs = pairs.filter(|(limit, all)| is_word(limit, Keyword::LIMIT) && is_word(all, Keyword::ALL));
    pairs.next().map(|(_, all)| all.span)
}

/// Where the number after the first such word is.
fn following(tokens: &[TokenWithSpan], keyword: Keyword) -> Option<Span> {
    let mut words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
    words.find(|token| is_word(token, keyword))?;
    words.next().filter(|token| matches!(token.token, Token::Number(..))).map(|token| token.span)
}

/// Where a plain number is.
fn number(expression: &Expr) -> Option<Span> {
    match expression {
        Expr::Value(value) if matches!(value.value, Value::Number(..)) => Some(value.span),
        Expr::Nested(inner) => number(inner),
        _ => None,
    }
}

/// The text with these words in a place.
fn replaced(text: &str, place: Span, words: &str) -> Option<String> {
    let (before, after) = (text.get(..offset(text, place.start)?)?, text.get(offset(text, place.end)?..)?);
    Some(format!("{before}{words}{after}"))
}

/// The byte that a place is at: lines end with line feeds, columns count characters, both from 1.
fn offset(text: &str, Location { line, column }: Location) -> Option<usize> {
    let lines_before = usize::try_from(line.checked_sub(1)?).ok()?;
    let begin: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
    let rest = text.get(begin..)?;
    let characters = usize::try_from(column.checked_sub(1)?).ok()?;
    let within = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(characters)?;
    begin.checked_add(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PG: Dialect = Dialect::PostgreSql;

    #[test]
    fn limits_are_added_and_lowered() {
        for (dialect, text, expected) in [
            (PG, "select * from t", "select * from t LIMIT 10"),
            (PG, "select * from t -- all\n;", "select * from t LIMIT 10 -- all\n;"),
            (PG, "select * from t /* limit 5 */ ; -- x", "select * from t LIMIT 10 /* limit 5 */ ; -- x"),
            (PG, "SELECT 'limit 5', \"ü\" FROM\n t\n LIMIT 5000", "SELECT 'limit 5', \"ü\" FROM\n t\n LIMIT 10"),
            (PG, "select * from t limit (99) offset 7", "select * from t limit (10) offset 7"),
            (PG, "select * from t offset 7 limit 99", "select * from t offset 7 limit 10"),
            (PG, "select * from t offset 7", "select * from t offset 7 LIMIT 10"),
            (PG, "select * from t limit ALL", "select * from t limit 10"),
            (PG, "select * from t LIMIT /* x */ all offset 3", "select * from t LIMIT /* x */ 10 offset 3"),
            (PG, "select * from t fetch first 99 rows only", "select * from t fetch first 10 rows only"),
            (PG, "select * from (select * from u limit 5) x", "select * from (select * from u limit 5) x LIMIT 10"),
            (PG, "select * from (select * from u limit all) x", "select * from (select * from u limit all) x LIMIT 10"),
            (PG, "select 1 union all select 2", "select 1 union all select 2 LIMIT 10"),
            (PG, "(select 1 limit 99) union (select 2)", "(select 1 limit 99) union (select 2) LIMIT 10"),
            (PG, "(select * from t limit 99)", "(select * from t limit 99) LIMIT 10"),
            (
                PG,
                "with a as (select 1 limit 99) select * from a",
                "with a as (select 1 limit 99) select * from a LIMIT 10",
            ),
            (PG, "values (1), (2)", "values (1), (2) LIMIT 10"),
            (Dialect::MySql, "select * from t limit 5, 99", "select * from t limit 5, 10"),
            (Dialect::Any, "select a from t where b = 'ü' limit 99", "select a from t where b = 'ü' limit 10"),
            (Dialect::Sqlite, "select a from [limit 5]", "select a from [limit 5] LIMIT 10"),
            (Dialect::Oracle, "select a from t", "select a from t FETCH FIRST 10 ROWS ONLY"),
            (
                Dialect::MsSql,
                "with a as (select 1 x) select * from a",
                "with a as (select 1 x) select TOP (10) * from a",
            ),
            (Dialect::MsSql, "select top 99 * from t", "select top 10 * from t"),
            (Dialect::MsSql, "select distinct top (99) a from t", "select distinct top (10) a from t"),
            (
                Dialect::MsSql,
                "select a from t order by a offset 1 rows fetch next 99 rows only",
                "select a from t order by a offset 1 rows fetch next 10 rows only",
            ),
        ] {
            assert_eq!(capped(text, dialect, 10).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_limited_already_or_cannot_be_for_sure_is_left() {
        for (dialect, text) in [
            (PG, "select * from t limit 10"),
            (PG, "select * from t fetch first row only"),
            (PG, "select * from t limit $1"),
            (PG, "select * from t limit 10 + 1000"),
            (PG, "select * from t limit '99'"),
            (PG, "select * from t limit (select 99)"),
            (PG, "select * from t fetch first 99 rows with ties"),
            (PG, "select * from t limit 99 fetch first 5 rows only"),
            (PG, "select 1; select * from t"),
            (PG, "select * into x from t"),
            (PG, "with d as (delete from t returning *) select * from d"),
            (PG, "select * from t for update"),
            (PG, "select pg_read_file('/etc/passwd')"),
            (PG, "delete from t"),
            (PG, "table t"),
            (PG, "explain analyze select * from t"),
            (PG, "select * from t where a = 'open"),
            (PG, "select * from t /* open"),
            (PG, ""),
            (PG, "--"),
            (Dialect::Any, "select * from t --x\n"),
            (Dialect::Any, "select '\\'' from t"),
            (Dialect::ClickHouse, "select * from t limit 5 by a"),
            (Dialect::MsSql, "select 1 union select 2"),
            (Dialect::MsSql, "select top (5) percent * from t"),
            (Dialect::MsSql, "select * from t for json auto"),
            (Dialect::MySql, "select * from t /*! limit 5 */"),
        ] {
            assert_eq!(capped(text, dialect, 10), None, "{text}");
        }
    }
}
