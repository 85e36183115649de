//! Statements, what is told of each, and what is not parsed because databases do not agree on it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::*;

fn any(text: &str) -> SqlFacts {
    facts(text, Dialect::Any)
}

fn words(names: &BTreeSet<String>) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

#[test]
fn what_statements_do() {
    for (text, kinds, reads, writes) in [
        ("SELECT * FROM a JOIN s.b USING (x)", &["select"][..], &["a", "s.b"][..], &[][..]),
        ("INSERT INTO a SELECT * FROM b", &["insert"], &["b"], &["a"]),
        ("INSERT INTO a VALUES (1) ON CONFLICT (x) DO UPDATE SET x = 1", &["insert", "update"], &[], &["a"]),
        ("UPDATE a SET x = (SELECT 1 FROM b) WHERE id = 1", &["update"], &["b"], &["a"]),
        ("DELETE FROM a USING b WHERE a.id = b.id", &["delete"], &["b"], &["a"]),
        ("WITH d AS (DELETE FROM a WHERE x = 1 RETURNING *) SELECT * FROM d", &["delete", "select"], &[], &["a"]),
        ("WITH x AS (SELECT 1) INSERT INTO a SELECT * FROM x", &["insert"], &[], &["a"]),
        (
            "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE",
            &["delete", "insert", "update"],
            &["b"],
            &["a"],
        ),
        ("TRUNCATE TABLE a", &["delete"], &[], &["a"]),
        ("CREATE TABLE a (x int)", &["ddl"], &[], &["a"]),
        ("CREATE TABLE a AS SELECT * FROM b", &["ddl"], &["b"], &["a"]),
        ("SELECT * INTO a FROM b", &["ddl", "select"], &["b"], &["a"]),
        ("DROP TABLE a, b", &["ddl"], &[], &["a", "b"]),
        ("GRANT ALL ON a TO b", &["admin"], &[], &[]),
        ("SET ROLE postgres", &["admin"], &[], &[]),
        ("CALL p()", &["admin", "code"], &[], &[]),
        ("BEGIN", &["other"], &[], &[]),
        ("EXPLAIN DELETE FROM a", &["select"], &["a"], &[]),
        ("EXPLAIN ANALYZE DELETE FROM a WHERE x = 1", &["delete", "select"], &[], &["a"]),
        ("EXPLAIN (ANALYZE, VERBOSE) DELETE FROM a WHERE x = 1", &["delete", "select"], &[], &["a"]),
        ("COPY a TO STDOUT", &["select"], &["a"], &[]),
        ("COPY a TO PROGRAM 'sh'", &["admin", "code"], &["a"], &[]),
        ("SELECT * FROM a FOR UPDATE", &["other", "select"], &["a"], &[]),
        ("SELECT PG_Sleep /* now */ (5)", &["code", "select"], &[], &[]),
        ("SELECT pg_catalog.\"pg_read_file\"('x')", &["code", "select"], &[], &[]),
        ("SELECT * FROM pg_read_file('x')", &["code", "select"], &["pg_read_file"], &[]),
        ("SELECT sleep FROM a", &["select"], &["a"], &[]),
    ] {
        let facts = any(text);
        assert!(facts.parsed, "{text}: {facts:?}");
        let seen = (words(&facts.kinds), words(&facts.reads), words(&facts.writes));
        assert_eq!(seen, (kinds.to_vec(), reads.to_vec(), writes.to_vec()), "{text}");
    }
}

#[test]
fn names_given_by_with_are_no_tables_where_they_hold() {
    for (text, reads) in [
        ("WITH x AS (SELECT * FROM a) SELECT * FROM x, b", &["a", "b"][..]),
        ("WITH x AS (SELECT * FROM x) SELECT * FROM x", &["x"]),
        ("WITH x AS (SELECT 1), y AS (SELECT * FROM x) SELECT * FROM y", &[]),
        ("WITH y AS (SELECT * FROM x), x AS (SELECT 1) SELECT * FROM y", &["x"]),
        ("WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT * FROM x) SELECT * FROM x", &[]),
        ("SELECT * FROM x, (WITH x AS (SELECT 1) SELECT * FROM x) y", &["x"]),
        ("WITH x AS (SELECT 1) SELECT * FROM s.x", &["s.x"]),
    ] {
        assert_eq!(words(&any(text).reads), reads, "{text}");
    }
}

#[test]
fn what_leaves_no_row_out_is_unbounded() {
    for condition in [
        "",
        "WHERE 1 = 1",
        "WHERE true",
        "WHERE id = id",
        "WHERE (1) = (1) OR id = 5",
        "WHERE id = 5 OR NOT false",
        "WHERE id IS NULL OR id IS NOT NULL",
        "WHERE id LIKE '%'",
        "WHERE 'a' = 'a' AND 2 > 1",
        "WHERE id IN (id)",
        "WHERE EXISTS (SELECT 1)",
        "WHERE length('x') = 1",
        "WHERE NOT (id <> id)",
        "WHERE id = 1 OR id <> 1",
        "WHERE id BETWEEN id AND 5",
        "WHERE NOT 1 = 2",
        "WHERE id >= id",
    ] {
        for statement in ["DELETE FROM t", "UPDATE t SET a = 1"] {
            let facts = any(&format!("{statement} {condition}"));
            assert!(facts.parsed && facts.unbounded, "{statement} {condition}: {facts:?}");
        }
    }
    for condition in [
        "WHERE id = 1",
        "WHERE id = $1",
        "WHERE id IN (SELECT id FROM x)",
        "WHERE a = b",
        "WHERE false",
        "WHERE id LIKE 'a%'",
        "WHERE seen IS NOT NULL",
    ] {
        let facts = any(&format!("DELETE FROM t {condition}"));
        assert!(facts.parsed && !facts.unbounded, "{condition}: {facts:?}");
    }
    assert!(any("TRUNCATE t").unbounded && !any("EXPLAIN DELETE FROM t").unbounded);
}

#[test]
fn how_many_rows_a_query_may_give() {
    for (text, limit) in [
        ("SELECT * FROM t LIMIT 10", Some(10)),
        ("SELECT * FROM t FETCH FIRST 5 ROWS ONLY", Some(5)),
        ("SELECT TOP 3 * FROM t", Some(3)),
        ("SELECT 1 LIMIT 2; SELECT 1 LIMIT 7", Some(7)),
        ("SELECT 1 LIMIT 2; SELECT 1", None),
        ("SELECT * FROM t LIMIT ALL", None),
        ("SELECT * FROM t LIMIT 5 + 5", None),
        ("SELECT * FROM (SELECT 1 LIMIT 1) x", None),
        ("DELETE FROM t", None),
    ] {
        assert_eq!(any(text).limit, limit, "{text}");
    }
}

#[test]
fn what_databases_read_differently_is_not_parsed() {
    for text in [
        "SELECT '\\'' ; DROP TABLE t; -- '",
        "SELECT 1 # ; DROP TABLE t",
        "SELECT 1--1\n; DROP TABLE t",
        "SELECT 1 /* /* */ ; DROP TABLE t */",
        "SELECT 1 /*!50000 ; DROP TABLE t */",
        "SELECT 1 AS [']; DROP TABLE t; --']",
        "SELECT 1 AS `'`; DROP TABLE t; --'",
        "SELECT $$; DROP TABLE t; $$",
        "SELECT q'['; DROP TABLE t; --]'",
        "SELECT U&\"pg_read\\005Ffile\"('x')",
        "SELECT u&'x'",
        "SELECT 1 --\rDROP TABLE t",
        "SELECT\u{A0}1",
        "SELECT\u{B}1",
        "SELECT 1\0",
        "SELECT 'x",
        "SELECT 1 /* x",
        "SELECT 1 FROM",
    ] {
        assert!(!any(text).parsed, "{text:?}");
    }
    for (text, dialect) in [
        ("SELECT $q$it's; DROP TABLE t$q$ AS a", Dialect::PostgreSql),
        ("SELECT 1 /* /* x */ y */", Dialect::PostgreSql),
        ("SELECT 'C:\\' AS a", Dialect::PostgreSql),
        ("SELECT E'it\\'s' AS a", Dialect::PostgreSql),
        ("SELECT 'it\\'s' AS a", Dialect::MySql),
        ("SELECT 1 # a comment", Dialect::MySql),
        ("SELECT [a b] FROM t", Dialect::MsSql),
        ("SELECT ARRAY['a', 'b'] @> x FROM t", Dialect::Any),
        ("SELECT x[1], 'don''t' FROM t -- done", Dialect::Any),
        ("SELECT * FROM t WHERE a = $1", Dialect::Any),
    ] {
        let facts = facts(text, dialect);
        assert!(facts.parsed && words(&facts.kinds) == ["select"], "{text:?}: {facts:?}");
    }
}

#[test]
fn only_what_a_database_would_run_is_sql() {
    let is_sql = |text: &str| recognition::is_sql("query", text);
    for text in [
        "select 1",
        "  ( SELECT 2)",
        "-- x\nDROP TABLE t",
        "/* a */ delete from t",
        "/*!50000 drop table t */",
        "; update t set a = 1",
        "with a as (select 1) select 1",
        "explain analyze delete from t",
        "DO $$ BEGIN END $$",
        "truncate users",
        "exec xp_cmdshell 'x'",
        "xp_cmdshell 'dir'",
        "copy t to program 'x'",
        "call p()",
        "grant all on t to u",
        "alter system set a = 1",
        "create role x",
        "PREPARE x AS DELETE FROM t",
        "REINDEX TABLE t",
        "lock table t",
        "declare c cursor for select 1",
        "REFRESH MATERIALIZED VIEW x",
        "import foreign schema x from server y into z",
        "reassign owned by a to b",
        "handler t open",
        "optimize table t",
        "\u{FEFF}select 1",
        "set role admin",
        "vacuum",
        "attach 'x' as y",
        "pragma foo",
    ] {
        assert!(is_sql(text), "{text}");
    }
    for text in [
        "",
        "update on the project",
        "selected works",
        "create a report on sales",
        "drop me a note",
        "who deleted the file",
        "show me the weather",
        "delete old entries please",
        "explain quantum physics simply",
        "with regards to the meeting",
        "call mom about the gift today",
        "insert coin here",
        "{ user(id: 1) { name } }",
        "status:open label:bug",
    ] {
        assert!(!is_sql(text), "{text}");
    }
    assert!(recognition::is_sql("sql", "anything") && !recognition::is_sql("text", "select 1"));
}

#[test]
fn what_takes_long_or_deep_is_not_parsed_at_length() {
    let nested = |open: &str, middle: &str, close: &str, times: usize| {
        format!("SELECT {}{middle}{}", open.repeat(times), close.repeat(times))
    };
    let mut texts = Vec::new();
    for times in [8, 12, 16, 20, 50, 1_000, 50_000] {
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("* FROM (", "t", ")"),
            ("* FROM (SELECT ", "1", ")"),
            ("(SELECT ", "1", ")"),
            ("f(", "1", ")"),
            ("CASE WHEN ", "1", " THEN 1 END"),
            ("NOT ", "1", ""),
            ("- ", "1", ""),
            ("1 + ", "1", ""),
            ("a AND ", "1", ""),
            ("a, ", "1", ""),
            ("", "a", " IS NULL"),
            ("", "a", "::int"),
            ("", "a", "[1]"),
            ("[", "1", "]"),
            ("{a: ", "1", "}"),
            ("(1, ", "1", ")"),
            ("CAST(", "1", " AS int)"),
            ("EXISTS (SELECT ", "1", ")"),
            ("1 IN (", "1", ")"),
            ("INTERVAL ", "'1'", ""),
            ("ARRAY[", "1", "]"),
            ("x -> ", "1", ""),
            ("1 UNION SELECT ", "1", ""),
            ("1 UNION (SELECT ", "1", ")"),
            ("* FROM a JOIN (b JOIN ", "c", ")"),
            ("* FROM ((a) JOIN ", "c", ")"),
            ("CAST(1 AS ARRAY<", "int", ">)"),
            ("CAST(1 AS STRUCT<a ", "int", ">)"),
            ("DATE ", "'1'", ""),
            ("a BETWEEN ", "1", " AND 1"),
            ("f(x => ", "1", ")"),
            ("LATERAL ", "1", ""),
            ("1; SELECT ", "1", ""),
            ("((1) ", "1", ")"),
            ("(a.b(", "1", "))"),
            ("(SELECT 1 FROM (", "t", "))"),
            ("\"a\".", "b", ""),
            ("'a' ", "'b'", ""),
            ("IF(", "1", ",2,3)"),
            ("SUBSTRING(", "1", " FROM 1)"),
            ("POSITION(", "1", " IN 1)"),
            ("TRIM(", "1", ")"),
            ("EXTRACT(DAY FROM ", "1", ")"),
        ] {
            let text = nested(open, middle, close, times);
            if text.len() <= MAX_TEXT {
                texts.push(text);
            }
        }
        texts.push(format!("WITH {} SELECT 1", vec!["a AS (SELECT 1)"; times].join(", ")));
        texts.push(format!("{}SELECT 1{}", "WITH a AS (".repeat(times), ") SELECT 1".repeat(times)));
        texts.push(format!("{}SELECT 1", "EXPLAIN ".repeat(times)));
        texts.push(format!("{}SELECT 1", "PREPARE a AS ".repeat(times)));
        texts.push(format!("{}SELECT 1; {}", "BEGIN ".repeat(times), "END ".repeat(times)));
        texts.push(format!("{}SELECT 1; {}", "IF 1 THEN ".repeat(times), "END IF; ".repeat(times)));
        texts.push(format!("DELETE FROM t WHERE {}1", "NOT (".repeat(times)));
        texts.push(format!("CREATE TABLE t (a {}int{})", "ARRAY<".repeat(times), ">".repeat(times)));
        texts.push(format!(
            "SELECT * FROM t MATCH_RECOGNIZE (PATTERN ({}a{}) DEFINE a AS 1)",
            "(".repeat(times),
            ")".repeat(times)
        ));
    }
    for text in texts {
        for dialect in
            [Dialect::Any, Dialect::PostgreSql, Dialect::MySql, Dialect::MsSql, Dialect::BigQuery, Dialect::DuckDb]
        {
            let start = Instant::now();
            let text = text.as_str();
            facts(text, dialect);
            let took = start.elapsed();
            let start: String = text.chars().take(60).collect();
            assert!(took < Duration::from_secs(2), "{start}, {} bytes, {}: {took:?}", text.len(), dialect.name());
        }
    }
}
