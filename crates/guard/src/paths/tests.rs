//! Paths as they are written, and what is told of each.

use bytes::Bytes;
use vidimus_core::json::{Document, Limits};

use super::*;

fn facts(key: &str, text: &str) -> PathFacts {
    let arguments = serde_json::json!({ key: text }).to_string();
    let document = Document::parse(Bytes::from(arguments), &Limits::default()).unwrap();
    of(Some(document.root()), &["/srv/data".to_owned()]).unwrap()
}

#[test]
fn what_leaves_its_directory() {
    for text in [
        "..",
        "../a",
        "a/../../b",
        "a\\..\\..\\b",
        "%2e%2e/a",
        "..%c0%afa",
        "....//a",
        "a/..;/b",
        "/srv/data/../x",
        "~",
        "~/a",
        "~root/a",
        "file:///srv/../x",
        "file://host/x",
        "//host/share",
        "\\\\host\\share",
        "C:a",
        "a::$DATA",
        "a\0b",
        "/proc/self/mem",
        "/dev/sda",
        "${HOME}/a",
        "%APPDATA%/a",
        "$HOME/a",
        "／..／a",
        "．．/a",
    ] {
        assert!(facts("path", text).traversal, "{text}");
        assert!(facts("path", text).outside, "{text}");
    }
    for text in [
        "a/../b",
        "./a",
        "a..b",
        "...",
        "a/b..",
        "/srv/data/a/b/../c",
        "~$a.docx",
        "/dev/null",
        "C:/a",
        "12:30 notes.txt",
        "%41/b",
    ] {
        assert!(!facts("path", text).traversal, "{text}");
    }
}

#[test]
fn what_lies_outside_of_the_roots() {
    for (text, outside) in [
        ("/srv/data", false),
        ("/srv/data/a", false),
        ("/srv//data/./a", false),
        ("a", false),
        ("/srv/data2/a", true),
        ("/srv", true),
        ("/", true),
        ("D:/a", true),
        ("file:///srv/data/a", false),
        ("file:///etc/x", true),
    ] {
        assert_eq!(facts("path", text).outside, outside, "{text}");
        assert_eq!(facts("x", text).outside, outside && text != "/", "{text}");
    }
}

#[test]
fn what_is_sensitive() {
    for text in [
        "/etc/shadow",
        "a/.ssh/x",
        "id_rsa",
        ".env",
        "/ETC/Passwd",
        "C:\\Windows\\System32\\config\\SAM",
        "x/.aws/credentials",
        "%2essh/x",
    ] {
        assert!(facts("file", text).sensitive, "{text}");
    }
    for text in [".env.example", "id_rsa.pub", "etc/passwords", "ssh/x", "credentials"] {
        assert!(!facts("file", text).sensitive, "{text}");
    }
}

#[test]
fn patterns_that_may_be_meant_for_credentials() {
    let may = |pattern: &str| may_be_sensitive(pattern, '\u{F8FF}');
    for pattern in [
        "/etc/sha*",
        "/e??/shadow",
        "~/.s?h/id_*",
        "/etc/{shadow,x}",
        "/etc/[s]hadow",
        "x/.aws/cred*",
        "/etc/sh\u{F8FF}dow",
    ] {
        assert!(may(pattern), "{pattern}");
    }
    for pattern in ["src/*.rs", "*/*", "**/*.json", "/srv/*/x", "*", "docs/?.md"] {
        assert!(!may(pattern), "{pattern}");
    }
}

#[test]
fn only_what_looks_like_a_path_is_one() {
    for text in [
        "see ../lib for it",
        "import '../x'",
        "and/or else",
        "https://example.com/../x",
        "a ~ b / c",
        "/deploy it now",
        "/",
        "//",
        "\\",
        "1/2 of /x",
    ] {
        assert_eq!(facts("text", text), PathFacts::default(), "{text}");
    }
}
