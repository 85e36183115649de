//! The program as it is called: what it prints, where, and how it ends.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

fn vidimus(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vidimus")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The status and standard output; standard error in the message when the status is another.
fn ended(arguments: &[&str], status: i32) -> String {
    let output = vidimus(arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

#[test]
fn the_demonstration_comes_out_as_it_must_and_leaves_a_log_that_holds() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = path(directory.path(), "evidence");
    // Twice: the second starts from what the first left.
    for _ in 0..2 {
        let shown = ended(&["demo", "--once", "--data-dir", &data_dir], 0);
        assert!(shown.contains("Refunds above 500 need finance"), "{shown}");
        assert!(shown.contains("Unknown tool: delete_customer") && !shown.contains("WRONG"), "{shown}");
        assert!(shown.contains("hashes prove it"), "{shown}");
    }
    let configuration = path(directory.path(), "evidence.demo/vidimus.toml");
    let checked = ended(&["check", "--config", &configuration], 0);
    assert!(checked.contains("ok: 2 policy files") && !checked.contains("warning"), "{checked}");

    let tested = ended(&["policy", "test", "--config", &configuration], 0);
    assert!(tested.contains("12 cases, all hold"), "{tested}");

    let checkpoint = std::fs::read_to_string(directory.path().join("evidence/log/checkpoint")).unwrap();
    assert!(checkpoint.starts_with("vidimus/demo\n"), "{checkpoint}");
    let secret = std::fs::read(directory.path().join("evidence.demo/crm-secret")).unwrap();
    for entry in walk(&directory.path().join("evidence")) {
        let bytes = std::fs::read(&entry).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", entry.display());
    }
}

/// The files below a directory, sockets left out.
fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files.extend(walk(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files
}

#[test]
fn the_status_says_whose_fault_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().display().to_string();
    std::fs::write(directory.path().join("vidimus.toml"), "[gateway]\nlisten = 8080\n").unwrap();
    let configuration = path(directory.path(), "vidimus.toml");
    for (arguments, status, said) in [
        (vec!["frobnicate"], 2, "unrecognized subcommand"),
        (vec!["check", "--config", "/nonexistent.toml"], 2, "cannot read the configuration /nonexistent.toml"),
        (vec!["check", "--config", &configuration], 2, "vidimus.toml:2:10: `listen` in [gateway]"),
        (vec!["serve", "--config", &configuration], 2, "no [targets]"),
        (vec!["log", "prove", "0199a1b2", "--data-dir", &data_dir], 2, "sessions show SESSION"),
        (vec!["tools", "crm", "--data-dir", &data_dir], 1, "no gateway answers"),
        (vec!["sessions", "list", "--config", &configuration], 2, "no `key` in [gateway]"),
        (vec!["sessions", "list", "--data-dir", &data_dir], 1, "no gateway answers"),
        (vec!["log", "verify", "--data-dir", &data_dir, "--key", "k"], 2, "cannot read k"),
        (vec!["log", "verify", "--data-dir", &data_dir, "--checkpoint", "c"], 1, "cannot read c"),
    ] {
        let output = vidimus(&arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
        assert!(error.contains(said) && output.stdout.is_empty(), "{arguments:?}: {error}");
    }
    assert!(ended(&["version"], 0).starts_with("vidimus "));
    assert!(ended(&["--help"], 0).contains("Exit status:"));
}

#[test]
fn what_check_finds_keeps_serve_from_starting_in_the_same_words() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| std::fs::write(directory.path().join(name), text).unwrap();
    let configuration = path(directory.path(), "vidimus.toml");
    file(
        "vidimus.toml",
        br#"
        [gateway]
        key = { file = "kek" }
        listen = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        [identity.oidc.corp]
        issuer = "https://login.example.com"
        audience = "vidimus"
        [policy]
        dir = "policies"
        [targets.crm]
        protocol = "mcp"
        url = "http://127.0.0.1:9/mcp"
        "#,
    );
    std::fs::create_dir(directory.path().join("policies")).unwrap();
    let refused = || {
        let checked = ended(&["check", "--config", &configuration], 2);
        let problem = checked.lines().find_map(|line| line.strip_prefix("error: ")).unwrap().to_owned();
        let served = vidimus(&["serve", "--config", &configuration]);
        let error = text(&served.stderr);
        assert_eq!(served.status.code(), Some(2), "{error}");
        assert!(error.contains(&format!("vidimus: {problem}\n")), "{problem}\n{error}");
        problem
    };
    assert_eq!(refused().matches("No such file").count(), 1, "the cause is told once");
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).unwrap();
    file("kek", &key);
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(directory.path().join("kek"), mode(0o640)).unwrap();
    assert!(refused().contains("may be read by others"));
    std::fs::set_permissions(directory.path().join("kek"), mode(0o600)).unwrap();
    file("policies/a.cedar", br#"permit (principal in Group::"crp/support", action, resource);"#);
    assert!(refused().contains("did you mean `corp`?"));
    file("policies/a.cedar", b"permit (");
    assert!(refused().starts_with("a.cedar:1:"));
}

/// A configuration of two targets, one with known tools, and policies for it.
fn with_policies(directory: &Path) -> String {
    let file = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
    std::fs::create_dir(directory.join("policies")).unwrap();
    file(
        "policies/a.cedar",
        r#"@id("connect") permit (principal in Group::"corp/support", action == Action::"connect", resource);
@id("reads") permit (principal, action in Action::"tools/call", resource == Target::"crm") when { context.tool.readOnlyHint };
@id("refunds") permit (principal, action == Action::"crm/refund", resource);
@id("large") @message("Ask finance.") forbid (principal, action == Action::"crm/refund", resource)
when { context.arguments.amount > 500 };
@id("hours") forbid (principal is Workload, action == Action::"crm/refund", resource)
when { context.time > datetime("2026-01-01") };
"#,
    );
    let schema = r#"{"type":"object","properties":{"amount":{"type":"integer"}},"required":["amount"]}"#;
    file(
        "crm.tools.json",
        &format!(
            r#"{{"tools":[{{"name":"refund","inputSchema":{schema}}},{{"name":"list","inputSchema":{{"type":"object"}},"annotations":{{"readOnlyHint":true}}}}]}}"#
        ),
    );
    file(
        "vidimus.toml",
        r#"
        [gateway]
        key = { file = "kek" }
        listen = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        [identity.oidc.corp]
        issuer = "https://login.example.com"
        audience = "vidimus"
        [policy]
        dir = "policies"
        [targets.crm]
        protocol = "mcp"
        url = "http://127.0.0.1:9/mcp"
        tools = "crm.tools.json"
        [targets.other]
        protocol = "mcp"
        url = "http://127.0.0.1:9/mcp"
        "#,
    );
    path(directory, "vidimus.toml")
}

#[test]
fn cases_say_what_does_not_hold_and_where_and_what_no_case_decides() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = with_policies(directory.path());
    let cases = |text: &str| std::fs::write(directory.path().join("policies/a.test.toml"), text).unwrap();
    let run = |status| ended(&["policy", "test", "--config", &configuration], status);
    let none = vidimus(&["policy", "test", "--config", &configuration]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("there are no cases: write some to"), "{}", text(&none.stderr));

    let people = "[principals.ann]\nid = \"corp|ann\"\ngroups = [\"corp/support\"]\n";
    let refund = |amount: u32, rest: &str| {
        format!(
            "{people}[[case]]\nname = \"refund\"\nprincipal = \"ann\"\ntarget = \"crm\"\ntool = \"refund\"\narguments = {{ amount = {amount} }}\n{rest}\n"
        )
    };
    cases(&refund(500, "expect = \"allow\"\nby = [\"refunds\"]"));
    let holds = run(0);
    assert!(holds.contains("ok: 1 case, all hold"), "{holds}");
    // `connect` was decided on the way, and the others were not.
    for undecided in ["reads (a.cedar:2:1)", "large (a.cedar:4:1)", "hours (a.cedar:6:1)"] {
        assert!(holds.contains(&format!("no case is decided by {undecided}")), "{holds}");
    }
    assert!(!holds.contains("decided by connect") && !holds.contains("decided by refunds"), "{holds}");

    for (amount, rest) in [
        (501, "expect = \"allow\""),
        (501, "expect = \"deny\"\nby = [\"refunds\"]"),
        (501, "expect = \"deny\"\nmessage = \"Ask somebody\""),
        (500, "expect = \"allow\"\nby = []"),
    ] {
        cases(&refund(amount, rest));
        let failed = run(1);
        assert!(
            failed.contains("FAIL a.test.toml:4: refund") && failed.contains("1 of 1 case does not hold"),
            "{failed}"
        );
    }
    cases(&refund(501, "expect = \"allow\""));
    assert!(run(1).contains("decided  deny of crm/refund by large, saying \"Ask finance.\""));
    let json: serde_json::Value =
        serde_json::from_str(&ended(&["policy", "test", "--config", &configuration, "--json"], 1)).unwrap();
    assert_eq!(json["cases"][0]["decided"]["by"], serde_json::json!(["large"]));
    assert_eq!((&json["ok"], &json["failed"]), (&serde_json::json!(false), &serde_json::json!(1)));

    for (text, said) in [
        (refund(1, "expect = \"maybe\""), "a.test.toml:10: "),
        (
            refund(1, "expect = \"allow\"\nby = [\"refund\"]"),
            "a.test.toml:11: there is no policy `refund`; did you mean `refunds`?",
        ),
        (refund(1, "expect = \"allow\"").replace("\"ann\"\n", "\"amn\"\n"), "did you mean `ann`?"),
        (refund(1, "expect = \"allow\"").replace("\"crm\"", "\"crn\""), "did you mean `crm`?"),
        (
            refund(1, "expect = \"allow\"").replace("target = \"crm\"\n", ""),
            "there are several targets, so say which: crm, other",
        ),
        (
            refund(1, "expect = \"allow\"").replace("tool = \"refund\"", "tool = \"refnd\""),
            "target crm has no tool `refnd`; did you mean `refund`?",
        ),
        (refund(1, "expect = \"allow\"\naction = \"connect\""), "give one of tool, resource, prompt, action, reveal"),
        (refund(1, "expect = \"allow\"\nannotations = { readOnlyHint = true }"), "are those of its definition"),
        (refund(1, "expect = \"allow\"").replace("corp|ann", "ann"), "`ann` is no principal: write ISSUER|SUBJECT"),
    ] {
        cases(&text);
        let output = vidimus(&["policy", "test", "--config", &configuration]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        let error = self::text(&output.stderr);
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn the_library_of_policies_decides_as_its_cases_say() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/library");
    let directory = tempfile::tempdir().unwrap();
    let configuration = path(directory.path(), "vidimus.toml");
    let text = format!(
        r#"
        [gateway]
        key = {{ file = "kek" }}
        listen = "127.0.0.1:0"
        [identity.oidc.corp]
        issuer = "https://login.example.com"
        audience = "vidimus"
        [policy]
        dir = "{}"
        [approvals.destructive]
        [rewrites.cap-rows]
        argument = "$.sql"
        max_rows = 1000
        [targets.files]
        protocol = "mcp"
        url = "http://127.0.0.1:9/mcp"
        facts = {{ roots = ["/srv/files"] }}
        "#,
        library.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let tested = ended(&["policy", "test", "--config", &configuration], 0);
    assert!(tested.contains("all hold") && !tested.contains("no case is decided by"), "{tested}");
    let question = ["policy", "explain", "--config", &configuration, "--principal", "corp|ann", "--tool", "run"];
    let arguments = ["--group", "corp/people", "--arguments", r#"{"command": "rm -rf x"}"#];
    let told = ended(&[&question[..], &arguments].concat(), 1);
    let shell = told.lines().find_map(|line| line.strip_prefix("  shell: ")).unwrap();
    let shell: serde_json::Value = serde_json::from_str(shell).unwrap();
    assert_eq!(shell, serde_json::json!({ "parsed": true, "programs": ["rm"], "dangerous": true }));
    assert!(told.contains("  hidden: false\n"), "{told}");
    for entry in std::fs::read_dir(&library).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let base = name.strip_suffix(".cedar").unwrap_or(&name).to_owned();
        assert!(
            library.join(format!("{}.test.toml", base.trim_end_matches(".test.toml"))).exists(),
            "{name} has no cases"
        );
    }
}

#[test]
fn an_explanation_says_what_each_policy_says() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = with_policies(directory.path());
    let explain = |arguments: &[&str], status| {
        let common = ["policy", "explain", "--config", &configuration, "--target", "crm"];
        ended(&[&common, arguments].concat(), status)
    };
    let ann = ["--principal", "corp|ann", "--group", "corp/support"];
    let told = explain(&[&ann[..], &["--tool", "refund", "--arguments", r#"{"amount": 600}"#]].concat(), 1);
    assert!(told.starts_with("deny: crm/refund on crm by corp|ann\n  Ask finance.\n  lists show the tool\n"), "{told}");
    let line = |policy: &str| told.lines().find(|line| line.contains(policy)).unwrap().to_owned();
    assert!(line("large").starts_with('*') && line("large").ends_with("holds"), "{told}");
    assert!(line("refunds").starts_with(' ') && line("reads").ends_with("does not hold"), "{told}");

    // An argument that cannot be read denies, and it is said why.
    let told = explain(&[&ann[..], &["--tool", "refund", "--arguments", r#"{"amount": "600"}"#]].concat(), 1);
    assert!(told.contains("fails: the argument `amount` must be"), "{told}");
    let workload = ["--principal", "corp|ci", "--workload", "--group", "corp/support", "--tool", "refund"];
    let refund = |time| [&workload[..], &["--arguments", r#"{"amount": 6}"#, "--time", time]].concat();
    explain(&refund("2025-06-01T00:00:00Z"), 0);
    explain(&refund("2026-06-01T00:00:00Z"), 1);
    let stranger = explain(&["--principal", "corp|eve", "--tool", "list", "--json"], 1);
    let stranger: serde_json::Value = serde_json::from_str(&stranger).unwrap();
    assert_eq!((&stranger["action"], &stranger["by"]), (&"connect".into(), &serde_json::json!([])), "{stranger}");
    explain(&[&ann[..], &["--reveal", "CREDIT_CARD"]].concat(), 1);
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_vidimus"))
        .args(["reference", "cli"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn a_reader_that_has_seen_enough_does_not_choose_how_a_command_ends() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = path(directory.path(), "vidimus.toml");
    std::fs::write(&configuration, "[gateway]\n").unwrap();
    for (arguments, status) in [(vec!["version"], 0), (vec!["check", "--config", &configuration], 2)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
        let ended = command.args(&arguments).stdout(writer).stderr(std::process::Stdio::null()).status().unwrap();
        assert_eq!(ended.code(), Some(status), "{arguments:?}");
    }
}
