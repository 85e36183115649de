//! Whatever arguments hold: facts are had in time, without panics, and an attack stays one however it is dressed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use vidimus_core::json::{Document, Limits};
use vidimus_core::{Fact, Facts};
use vidimus_guard::{Dialect, Guard, Settings, sql_facts};

fn facts(arguments: &Value) -> Facts {
    let document = Document::parse(Bytes::from(arguments.to_string()), &Limits::default()).unwrap();
    let settings = Settings { roots: vec!["/srv".to_owned()], ..Settings::default() };
    Guard::new(settings).facts(Some(document.root()), Fact::ALL.into_iter().collect())
}

/// Pieces of what is looked for, and anything.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "http",
        ":",
        "//",
        "@",
        "127.0.0.1",
        "[::1]",
        "%2e",
        "%252f",
        "..",
        "/",
        "\\",
        "&#46;",
        "\u{200B}",
        "\u{202E}",
        "$(",
        "${",
        ")",
        "}",
        "`",
        "'",
        "\"",
        "rm",
        " -rf ",
        "|",
        "&&",
        ";",
        "<<EOF\n",
        "EOF\n",
        "if ",
        "then ",
        "fi",
        "case x in ",
        "esac",
        "SELECT ",
        "FROM t",
        "WHERE ",
        "1=1",
        "--",
        "/*",
        "*/",
        "$$",
        "U&",
        "(",
        ",",
        "DELETE ",
        "~",
        "C:",
        "\0",
        "\n",
        "é",
        "[",
        "]",
        "*",
        "?",
        "{a,b}",
        "sh -c ",
        "sudo ",
        "xargs ",
        "env -S ",
        "WITH x AS (",
        "UNION ",
        "$'\\x41'",
        "0x7f",
        "1e9",
    ]);
    let piece = prop_oneof![8 => pieces.prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_panics(text in text(), key in prop::sample::select(vec!["command", "sql", "query", "path", "url", "x", "args"])) {
        let found = facts(&json!({ key: text, "inner": [{ key: [&text, 1, null] }], &text: true }));
        prop_assert!(found.sql.is_some() && found.shell.is_some() && found.size.is_some());
        for dialect in Dialect::ALL {
            sql_facts(&text, dialect);
        }
    }

    #[test]
    fn an_address_stays_private_in_every_spelling(
        address in prop::sample::select(vec![[127, 0, 0, 1], [10, 1, 2, 3], [169, 254, 169, 254], [192, 168, 0, 9]]),
        form in 0..6_usize,
        encoded in prop::collection::vec(any::<bool>(), 40),
    ) {
        let [a, b, c, d]: [u32; 4] = address;
        let host = match form {
            0 => format!("{a}.{b}.{c}.{d}"),
            1 => format!("{}", (a << 24) | (b << 16) | (c << 8) | d),
            2 => format!("0x{a:x}.0{b:o}.{}", (c << 8) | d),
            3 => format!("[::ffff:{a}.{b}.{c}.{d}]"),
            4 => format!("user:x@{a}.{b}.{c}.{d}:8080"),
            _ => format!("{a}.{b}.{c}.{d}.nip.io"),
        };
        let url = format!("http://{host}/x");
        let dressed: String = url
            .chars()
            .zip(encoded.iter().chain(std::iter::repeat(&false)))
            .map(|(character, is_encoded)| if *is_encoded { format!("%{:02X}", u32::from(character)) } else { character.to_string() })
            .collect();
        prop_assert!(facts(&json!({ "text": format!("see {dressed} now") })).urls.unwrap().private, "{dressed}");
    }

    #[test]
    fn a_command_stays_dangerous_in_every_spelling(quotes in prop::collection::vec(0..5_u8, 2), around in 0..8_usize) {
        let name: String = "rm"
            .chars()
            .zip(&quotes)
            .map(|(letter, quote)| match quote {
                0 => format!("'{letter}'"),
                1 => format!("\"{letter}\""),
                2 => format!("\\{letter}"),
                3 => format!("$'\\x{:x}'", u32::from(letter)),
                _ => letter.to_string(),
            })
            .collect();
        let plain = format!("{name} -rf x");
        let command = match around {
            0 => format!("true && {plain}"),
            1 => format!("echo `{}`", plain.replace('\\', "\\\\")),
            2 => format!("( {plain} ) > y"),
            3 => format!("sudo -n env A=1 {plain}"),
            4 => format!("if true; then {plain}; fi"),
            5 => format!("cat <<X\n$({plain})\nX\n"),
            6 => format!("for i in a b; do {plain}; done | cat"),
            _ => format!("x=\"$({plain})\""),
        };
        let shell = facts(&json!({ "command": command })).shell.unwrap();
        prop_assert!(shell.dangerous || !shell.parsed, "{command}: {shell:?}");
    }

    #[test]
    fn a_statement_stays_what_it_is_in_every_spelling(
        upper in prop::collection::vec(any::<bool>(), 30),
        space in prop::sample::select(vec![" ", "\n", "\t ", " /* a */ ", " -- a\n"]),
        before in prop::sample::select(vec!["", "SELECT 1; ", ";", "/* x */ ", "WITH a AS (SELECT 1) "]),
    ) {
        let statement: String = "delete from t where 1 = 1"
            .chars()
            .zip(&upper)
            .map(|(letter, is_upper)| if *is_upper { letter.to_ascii_uppercase() } else { letter })
            .collect();
        let statement = format!("{before}{}", statement.replace(' ', space));
        for key in ["sql", "query"] {
            let sql = facts(&json!({ key: statement })).sql.unwrap();
            let is_seen = !sql.parsed || (sql.unbounded && sql.kinds.contains("delete") && sql.writes.contains("t"));
            prop_assert!(is_seen && (sql.parsed || before == ";"), "{statement}: {sql:?}");
        }
    }
}

#[test]
fn time_grows_with_size_alone() {
    for piece in [
        "http:",
        "http://",
        "http:[",
        "@",
        "//@",
        "%25",
        "%2",
        "&#",
        "../",
        "..%2f",
        "a:",
        "1.",
        "127.0.0.1 ",
        "\u{200B}",
        "\u{202A}",
        "[",
        "$",
        "$(",
        "`",
        "'",
        "\\",
        "{",
        "{a,",
        "~",
        "--",
        "/*",
        "(",
        "a.b.",
        "::",
        "x://a@",
        "é",
        "://é",
        "file:",
        "C:/",
        "-",
        "é.",
    ] {
        let text = piece.repeat((32 << 10) / piece.len());
        let arguments = json!({ "url": text, "path": text, "command": text, "sql": text, "query": text });
        let start = Instant::now();
        facts(&arguments);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(5), "{piece:?}: {took:?}");
    }
}
