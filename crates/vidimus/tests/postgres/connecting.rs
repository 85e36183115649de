//! `vidimus connect`: a real `psql` that reaches a database without anybody seeing the password.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;
use vidimus_testkit::certificates::Authority;
use vidimus_testkit::{Postgres, TempDir, tempdir};

use super::granted::{GRANTS, granted};
use super::{World, told};

const EMAIL: &str = "select email from people where id = 1";

/// Where Alice is: her token in a file, and a directory of her session.
struct Person<'a> {
    world: &'a World,
    dir: TempDir,
    token: String,
}

impl<'a> Person<'a> {
    fn new(world: &'a World) -> Self {
        let (dir, token) = (tempdir().unwrap(), world.issuer.token("alice"));
        std::fs::write(dir.path().join("token"), &token).unwrap();
        std::fs::create_dir(dir.path().join("run")).unwrap();
        Self { world, dir, token }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// `vidimus connect orders`, so far.
    fn connect(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
        command.args(["connect", "orders"]).args(options);
        command
            .env("VIDIMUS_URL", format!("http://127.0.0.1:{}", self.world.gateway.port))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("LC_ALL", "C.UTF-8")
            .env_remove("PGSSLROOTCERT");
        command
    }

    fn with_token(&self, program: &[&str]) -> Output {
        let mut command = self.connect(&["--token-file", &self.path("token"), "--"]);
        command.args(program).output().unwrap()
    }

    /// Whether nothing is left of a password.
    fn has_nothing(&self) -> bool {
        std::fs::read_dir(self.dir.path().join("run")).unwrap().next().is_none()
    }
}

fn psql() -> String {
    Path::new(Postgres::shared().unwrap().program("psql").get_program()).display().to_string()
}

#[test]
fn a_program_reaches_the_database_and_nobody_sees_the_password() {
    let world = World::start("");
    let person = Person::new(&world);
    let out = person.with_token(&[&psql(), "-X", "-A", "-t", "-c", EMAIL]);
    assert_eq!(told(&out), ("<EMAIL_ADDRESS>".to_owned(), String::new()), "{}", world.gateway.process.log());
    assert!(out.status.success() && person.has_nothing());

    let script =
        r#"env; tr '\0' ' ' < /proc/$PPID/cmdline; stat -c %a "$PGPASSFILE" "$(dirname "$PGPASSFILE")"; exit 7"#;
    let out = person.with_token(&["sh", "-c", script]);
    let (said, err) = told(&out);
    assert_eq!((out.status.code(), err.as_str()), (Some(7), ""));
    assert!(!said.contains(&person.token) && said.ends_with("600\n700"), "{said}");
    for variable in [&format!("PGPORT={}", world.port), "PGHOST=127.0.0.1", "PGUSER=alice", "PGDATABASE=orders"] {
        assert!(said.contains(variable), "{said}");
    }
    assert!(said.contains("PGSSLMODE=disable") && !said.contains("VIDIMUS_TOKEN="), "{said}");
    assert!(person.has_nothing());

    // Without a program it is told how.
    let shown = person.connect(&["--token-file", &person.path("token")]).output().unwrap();
    let (said, _) = told(&shown);
    assert!(said.contains("PGUSER") && said.contains("vidimus connect orders -- psql"), "{said}");
    let shown = person.connect(&["--json"]).env("VIDIMUS_TOKEN", &person.token).output().unwrap();
    let wanted = json!({ "host": "127.0.0.1", "port": world.port, "user": "alice", "database": "orders",
                         "sslmode": "disable", "password": "token" });
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&shown.stdout).unwrap(), wanted);
    let out = person.connect(&["--logins", &person.path("none"), "--", "true"]).output().unwrap();
    assert!(out.status.code() == Some(1) && told(&out).1.contains("vidimus login --url"), "{}", told(&out).1);
    let out = person.with_token(&["/no/such/program"]);
    assert!(out.status.code() == Some(1) && told(&out).1.contains("cannot start") && person.has_nothing());
}

#[test]
fn a_token_for_the_targets_endpoint_or_for_all_is_good_at_the_database() {
    let world = World::start("");
    let person = Person::new(&world);
    let base = format!("http://127.0.0.1:{}/mcp", world.gateway.port);
    for (audience, is_good) in [("", true), ("/orders", true), ("/everything", false)] {
        let audience = format!("{base}{audience}");
        let token = world.issuer.token_with(json!({ "aud": audience, "groups": ["support"], "sub": "alice" }));
        std::fs::write(person.path("token"), token).unwrap();
        let (out, err) = told(&person.with_token(&[&psql(), "-X", "-A", "-t", "-c", EMAIL]));
        assert_eq!(out == "<EMAIL_ADDRESS>", is_good, "{audience}: {out} {err}");
    }
}

#[test]
fn signals_reach_the_program_and_its_end_is_the_commands() {
    let world = World::start("");
    let person = Person::new(&world);
    let script = "trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.1; done";
    let mut command = person.connect(&["--token-file", &person.path("token"), "--", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!((line.as_str(), person.has_nothing()), ("ready\n", false));
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert!(person.has_nothing());
    assert_eq!(person.with_token(&["sh", "-c", "kill -KILL $$"]).status.code(), Some(137));
    assert!(person.has_nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_proved_and_a_certificate_checked() {
    let (world, authority) = World::secure(GRANTS);
    let (_, credential) = granted(&world, "1h").await;
    let person = Person::new(&world);
    std::fs::write(person.path("grant"), &credential).unwrap();
    std::fs::write(person.path("ca.pem"), authority.certificate()).unwrap();
    let run = |ca: &str, host: &str| {
        let (file, ca) = (person.path("grant"), person.path(ca));
        let options = ["--grant-file", &file, "--user", "alice", "--ca", &ca, "--host", host, "--"];
        let mut command = person.connect(&options);
        command.args([&psql(), "-X", "-A", "-t", "-c", EMAIL]);
        tokio::time::timeout(
            Duration::from_mins(1),
            tokio::task::spawn_blocking(move || told(&command.output().unwrap())),
        )
    };
    assert_eq!(run("ca.pem", "localhost").await.unwrap().unwrap(), ("<EMAIL_ADDRESS>".to_owned(), String::new()));
    // Another name, and another authority.
    std::fs::write(person.path("other.pem"), Authority::new("another").unwrap().certificate()).unwrap();
    for (ca, host) in [("ca.pem", "127.0.0.1"), ("other.pem", "localhost")] {
        let (out, err) = run(ca, host).await.unwrap().unwrap();
        assert!(out.is_empty() && err.contains("certificate"), "{host}: {err}");
    }
    assert!(person.has_nothing());
}
