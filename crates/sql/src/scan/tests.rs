//! Tokens as PostgreSQL 18 has them (documentation, "Lexical Structure"; `scan.l`).

use super::*;

/// Tokens as `kind value`, or what is wrong.
fn read(text: &str) -> Result<Vec<(TokenKind, String)>, ParseError> {
    let tokens = tokens(text, Options::default())?;
    Ok(tokens
        .into_iter()
        .map(|token| (token.kind, token.value.unwrap_or_else(|| text[token.start..token.end].to_owned())))
        .collect())
}

fn values(text: &str) -> Vec<String> {
    read(text).unwrap_or_else(|error| panic!("{text}: {error}")).into_iter().map(|(_, value)| value).collect()
}

#[test]
fn names_are_folded_decoded_and_cut() {
    assert_eq!(values("Foo \"Foo\" \"a\"\"b\" Éa _x$1"), ["foo", "Foo", "a\"b", "Éa", "_x$1"]);
    assert_eq!(values(r#"U&"pg_read\005Ffile" u&"d!0061t!+000061" UESCAPE '!' x"#), ["pg_read_file", "data", "x"]);
    assert_eq!(values(r#"U&"a\\b" U & "a""#), ["a\\b", "u", "&", "a"]);
    let long = "é".repeat(40);
    assert_eq!(values(&long), ["é".repeat(31)], "63 bytes, characters whole");
    assert_eq!(values(&format!("\"{long}\"")), ["é".repeat(31)]);
    assert_eq!(values("select\u{a0}1"), ["select\u{a0}1"], "no white space to PostgreSQL");
}

#[test]
fn strings_end_where_they_end() {
    assert_eq!(values(r"'a\' 'b'"), ["a\\", "b"], "a backslash is a character");
    assert_eq!(values(r"E'a\'' e'\x41\101\u0041\U0001F600\n'"), ["a'", "AAA😀\n"]);
    assert_eq!(values(r"E'\uD83D\uDE00' E'\q''' "), ["😀", "q'"]);
    assert_eq!(values("'a' \n 'b' 'c'"), ["ab", "c"]);
    assert_eq!(values("'a' -- x\n'b'"), ["ab"]);
    assert_eq!(values("'a' /* \n */ 'b'"), ["a", "b"]);
    assert_eq!(values("E'\\x4'\n'1'"), ["\u{4}1"], "no escape goes on in another piece");
    assert_eq!(values("$$a'b$$ $x$ $$ $y$ $x$ $1"), ["a'b", " $$ $y$ ", "$1"]);
    assert_eq!(values("a$$b$$ $é$c$é$"), ["a$$b$$", "c"], "a dollar in a name begins nothing");
    assert_eq!(values(r"U&'d\0061t\+000061' U&'a!0062' uescape '!'"), ["data", "ab"]);
    assert_eq!(values("N'x' B'01' X'1F'"), ["N", "x", "B'01'", "X'1F'"]);
}

#[test]
fn backslashes_escape_where_the_setting_says_so() {
    let options = Options { standard_conforming_strings: false };
    let read =
        |text| tokens(text, options).map(|tokens| tokens.iter().filter_map(|t| t.value.clone()).collect::<Vec<_>>());
    assert_eq!(read(r"'a\'b' c").as_deref(), Ok(&["a'b".to_owned(), "c".to_owned()][..]));
    assert!(read("U&'a'").is_err());
}

#[test]
fn comments_nest_and_operators_end() {
    assert_eq!(values("1/*/* */ 2 */+--x\r3"), ["1", "+", "3"]);
    assert_eq!(
        values("a<-1 a@-1 a*-1 a||--x\n b"),
        ["a", "<", "-", "1", "a", "@-", "1", "a", "*", "-", "1", "a", "||", "b"]
    );
    assert_eq!(values("a::b := => <> != -> ?|"), ["a", "::", "b", ":=", "=>", "<>", "!=", "->", "?|"]);
}

#[test]
fn numbers_are_whole_words() {
    assert_eq!(
        values("1 .5 1. 1e-3 0x1F 0o7 0b_1 1_000 t.1"),
        ["1", ".5", "1.", "1e-3", "31", "7", "1", "1000", "t", ".1"]
    );
    assert_eq!(read("2147483648").unwrap()[0].0, TokenKind::Number);
    for text in ["1a", "1from", "0x", "0b2", "1e", "1.5x", "$1a", "1__0", "$99999999999", "0xfrom", "1..2"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn what_does_not_end_or_means_nothing_is_refused() {
    for text in [
        "'a",
        "E'a\\'",
        "\"a",
        "\"\"",
        "/* /* */",
        "$a$ $b$",
        "$a",
        "a\0b",
        "{",
        "\\",
        "E'\\u12'",
        "E'\\uD800'",
        "E'\\0'",
        "E'\\xff'",
        "U&'\\12'",
        "U&'\\D800'",
        "U&'a' UESCAPE 'a'",
        "U&'a' UESCAPE '!!'",
        "U&'a' UESCAPE",
        "U&\"\\0000\"",
        "B'01",
        "E'\\U00110000'",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read(&format!("a {} b", "@".repeat(64))).is_err());
}
