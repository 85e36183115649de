//! `vidimus mask` as it is called: what comes out, what is told, and that nothing of a broken line is shown.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_vidimus"))
        .arg("mask")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // What refuses its options does not read.
    let _ = writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output; standard error must say nothing.
fn masked(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Standard error of what ends with status 2.
fn refused(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    error
}

#[test]
fn a_text_is_masked_and_the_rest_of_it_is_as_it_was() {
    assert_eq!(masked(&[], "card 4111 1111 1111 1111.\r\n\té"), "card <CREDIT_CARD>.\r\n\té");
    assert_eq!(masked(&[], ""), "");
    let arguments = ["--operator", "CREDIT_CARD=keep_last(4)", "--allow", "EMAIL_ADDRESS=*@corp.org"];
    let input = "4111111111111111 jane@corp.org jane@corp.net";
    assert_eq!(masked(&arguments, input), "************1111 jane@corp.org <EMAIL_ADDRESS>");
    assert_eq!(masked(&["--class", "BADGE=EMP-[0-9]{5}"], "EMP-12345"), "<BADGE>");
}

#[test]
fn what_a_program_wrote_to_a_terminal_is_read_as_it_shows() {
    let (shown, expected) =
        ("card \u{1b}[31m4111 1111\u{1b}[0m 1111 1111\r\n$ ", "card \u{1b}[31m<CREDIT_CARD>\u{1b}[0m\r\n$ ");
    assert_eq!(masked(&["--format", "terminal"], shown), expected);
    let line = |text: &str| serde_json::json!({"id": 1, "text": text}).to_string() + "\n";
    assert_eq!(masked(&["--lines", "--format", "terminal"], &line(shown)), line(expected));
}

#[test]
fn a_value_is_found_where_it_stands_however_it_is_spelled() {
    let line = serde_json::json!({"id": 1, "text": "to jane&#64;example.com"}).to_string();
    let found: serde_json::Value =
        serde_json::from_str(&masked(&["--detect", "--classes", "EMAIL_ADDRESS"], &line)).unwrap();
    assert_eq!((&found["findings"][0]["start"], &found["findings"][0]["end"]), (&3.into(), &23.into()));
}

#[test]
fn numbers_wait_for_context_unless_told_otherwise() {
    let input = "123456788 and ssn 123456788";
    assert_eq!(masked(&["--classes", "US_SSN"], input), "123456788 and ssn <US_SSN>");
    for arguments in [["--classes", "US_SSN", "--without-context"].as_slice(), &["--classes", "all"]] {
        assert!(!masked(arguments, input).contains("123456788"), "{arguments:?}");
    }
}

#[test]
fn lines_are_answered_with_their_ids_and_masked_as_what_they_are() {
    let input = r#"{"id":"a","text":"{\"note\":\"x\\n4111111111111111\",\"ssn\":\"?\"}"}

        {"text":"jane@corp.org","more":[1],"id":{"b":1.0}}
    "#;
    let arguments = ["--lines", "--field", "ssn=US_SSN", "--stats"];
    let output = run(&arguments, input);
    let lines = "{\"id\":\"a\",\"text\":\"{\\\"note\\\":\\\"x\\\\n<CREDIT_CARD>\\\",\\\"ssn\\\":\\\"<US_SSN>\\\"}\"}\n\
                 {\"id\":{\"b\":1.0},\"text\":\"<EMAIL_ADDRESS>\"}\n";
    assert_eq!(text(&output.stdout), lines);
    let counted = text(&output.stderr);
    for class in ["CREDIT_CARD", "US_SSN", "EMAIL_ADDRESS"] {
        assert!(counted.lines().any(|line| line.split_whitespace().eq([class, "1"])), "{counted}");
    }
}

#[test]
fn findings_are_told_in_bytes() {
    let input = r#"{"id":7,"text":"é 123456788, jane@corp.org"}"#;
    let found = masked(&["--detect", "--classes", "US_SSN"], input);
    assert!(found.starts_with(r#"{"id":7,"findings":[{"class":"US_SSN","start":3,"end":12,"score":0."#), "{found}");
    assert!(!masked(&["--detect"], input).contains("US_SSN"));
    assert_eq!(
        masked(&["--detect", "--classes", "US_SSN", "--min-score", "0.9"], input),
        "{\"id\":7,\"findings\":[]}\n"
    );
}

#[test]
fn pieces_come_out_as_the_whole() {
    let input = r#"{"id":1,"chunks":["","4111 1111 1","111 1111 and jane@co","rp.org"]}"#;
    assert_eq!(masked(&["--chunks"], input), "{\"id\":1,\"text\":\"<CREDIT_CARD> and <EMAIL_ADDRESS>\"}\n");
}

#[test]
fn a_broken_line_ends_it_with_its_number_and_nothing_of_it() {
    let good = r#"{"id":1,"text":"a"}"#;
    for broken in [
        r#"{"id":2,"text":"4111111111111111""#,
        r#"{"id":2,"text":4111111111111111}"#,
        r#"{"id":2,"text":"\ud8004111111111111111"}"#,
        r#"{"text":"4111111111111111"}"#,
        r#""4111111111111111""#,
        "4111111111111111",
    ] {
        for mode in ["--lines", "--detect"] {
            let output = run(&[mode, "--classes", "CREDIT_CARD"], &format!("{good}\n{broken}\n{good}\n"));
            let error = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{broken}");
            assert!(error.contains("line 2 of standard input") && !error.contains("4111"), "{error}");
            assert_eq!(text(&output.stdout).lines().count(), 1, "what was whole is answered");
        }
    }
    assert!(refused(&["--chunks"], r#"{"id":1,"chunks":[1]}"#).contains("line 1 of standard input"));
}

#[test]
fn wrong_options_are_refused_with_what_to_write() {
    for (arguments, said) in [
        (["--classes", "US_SNN"].as_slice(), "did you mean"),
        (&["--operator", "US_SSN=hash"], "keep_last(N)"),
        (&["--operator", "US_SSN"], "CLASS=OPERATOR"),
        (&["--operator", "NOPE=redact"], "NOPE"),
        (&["--operator", "US_SSN=hmac"], "--key-file"),
        (&["--field", "$.a[?@.b]=US_SSN"], "character 5"),
        (&["--field", "ssn"], "RULE=CLASS"),
        (&["--allow", "*"], "entry 1 of the allow-list"),
        (&["--class", "BADGE=[0-9]+"], "{1,20}"),
        (&["--class", "US_SSN=abc"], "built-in"),
        (&["--min-score", "0.5"], "--detect"),
        (&["--detect", "--min-score", "50"], "0 to 1"),
        (&["--lines", "--detect"], "cannot be used with"),
        (&["--json"], "--list"),
    ] {
        // Few classes, where the case says nothing of them: the engine is compiled before field rules are read.
        let few: &[&str] = if arguments.contains(&"--classes") { &[] } else { &["--classes", "US_SSN"] };
        let error = refused(&[arguments, few].concat(), "");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[test]
fn a_keyed_hash_takes_a_key_that_only_its_owner_reads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let name = path.display().to_string();
    let arguments = ["--classes", "US_SSN", "--operator", "US_SSN=hmac", "--key-file", &name];
    std::fs::write(&path, "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f1").unwrap();
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(&path, mode(0o644)).unwrap();
    assert!(refused(&arguments, "").contains("chmod 600"));
    std::fs::set_permissions(&path, mode(0o600)).unwrap();
    let hashed = masked(&arguments, "078-05-1121 078-05-1122 078-05-1121");
    let marks: Vec<&str> = hashed.split(' ').collect();
    assert!(matches!(*marks, [one, other, again] if one == again && one != other), "{hashed}");
    assert!(hashed.starts_with("<US_SSN:") && !hashed.contains("1121"), "{hashed}");
}

#[test]
fn the_list_shows_every_class_and_each_example_is_found() {
    let table = masked(&["--list", "--operator", "US_SSN=keep_last(4)"], "");
    let row = table.lines().find(|line| line.starts_with("US_SSN ")).unwrap();
    assert!(row.contains("keep_last(4)") && row.contains("personal"), "{row}");
    let list: serde_json::Value = serde_json::from_str(&masked(&["--list", "--json"], "")).unwrap();
    let classes = list.as_array().unwrap();
    assert!(classes.len() >= table.lines().count() - 1 && !classes.is_empty());
    let lines =
        classes.iter().map(|class| serde_json::json!({"id": class["class"], "text": class["example"]}).to_string());
    let found = masked(&["--detect", "--classes", "all"], &lines.collect::<Vec<_>>().join("\n"));
    for (line, class) in found.lines().zip(classes) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let any = line["findings"].as_array().unwrap().iter().any(|finding| finding["class"] == class["class"]);
        assert!(any, "{class}");
    }
}

#[test]
fn what_is_certain_comes_out_while_more_is_awaited() {
    for (arguments, input, wanted) in [
        (["--format", "text", "--classes", "CREDIT_CARD"].as_slice(), "prompt> card 4111 1111", "prompt> card "),
        (
            &["--lines", "--classes", "CREDIT_CARD"],
            "{\"id\":1,\"text\":\"a\"}\n{\"id\":2,",
            "{\"id\":1,\"text\":\"a\"}\n",
        ),
    ] {
        let mut child = start(arguments);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        let mut shown = vec![0; wanted.len()];
        child.stdout.take().unwrap().read_exact(&mut shown).unwrap();
        assert_eq!(text(&shown), wanted);
        drop(stdin);
        child.wait().unwrap();
    }
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    let mut child = start(&["--classes", "CREDIT_CARD"]);
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // Until the pipe is gone.
    while stdin.write_all(&[b' '; 4_096]).is_ok() {}
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}
