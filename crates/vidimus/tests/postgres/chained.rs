//! Chained sessions: an MCP server for PostgreSQL that the gateway starts, and what it does at a database that is a target.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use vidimus_testkit::{Sdk, Session, TempDir, install};

use super::common::Client;
use super::common::programs;
use super::{World, told};

const SOON: Duration = Duration::from_secs(20);
/// The reference server takes the address as an argument, which others could read: here it is taken out of the environment.
const START: &str = "process.argv = ['node', 'server', process.env.DATABASE_URL]; await import(process.env.SERVER)";

/// A gateway that starts npm's `@modelcontextprotocol/server-postgres` for each session at `reports`.
struct Reports {
    world: World,
    dir: TempDir,
}

impl Reports {
    fn start() -> Self {
        let dir = programs::open_dir();
        programs::copy(&install::npm("server-postgres").unwrap(), &dir.path().join("npm"));
        let script = dir.path().join("npm/node_modules/@modelcontextprotocol/server-postgres/dist/index.js");
        let lines = programs::lines(&["node", "--input-type=module", "--eval", START], dir.path());
        let more = format!(
            "[targets.reports]\nprotocol = \"mcp\"\n{lines}\nenv = {{ DATABASE_URL = {{ target = \"orders\" }} }}\n\
             variables = {{ SERVER = \"{}\" }}\n",
            script.display()
        );
        Self { world: World::with("", &more, &|_| {}), dir }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp/reports", self.world.gateway.port)
    }

    async fn open(&self) -> Client {
        Client::open(self.url(), self.world.issuer.token("alice")).await
    }

    /// What a query came to, and whether that is an error.
    async fn query(&self, client: &Client, sql: &str) -> (bool, String) {
        let said = client.call(1, "query", &json!({ "sql": sql }).to_string()).await.unwrap();
        (said.get("error").is_some() || said["result"]["isError"] == true, said.to_string())
    }

    /// The addresses that the programs that run were given.
    fn addresses(&self) -> Vec<String> {
        let (mut found, wanted) = (Vec::new(), self.dir.path().display().to_string());
        for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
            let environment = String::from_utf8_lossy(&environment).into_owned();
            let address = environment.split('\0').find_map(|variable| variable.strip_prefix("DATABASE_URL="));
            found.extend(address.filter(|_| environment.contains(&wanted)).map(str::to_owned));
        }
        found.sort();
        found.dedup();
        found
    }

    /// What `psql` says that is told this address.
    fn psql(&self, address: &str) -> (String, String) {
        let mut psql = self.world.program("psql");
        psql.env_remove("PGPASSWORD").args(["-X", "-A", "-t", "-c", "select email from people where id = 1", address]);
        told(&psql.output().unwrap())
    }

    fn sessions(&self, target: &str) -> Vec<Value> {
        let list = self.world.gateway.command(&["sessions", "list", "--target", target]);
        list["sessions"].as_array().unwrap().clone()
    }
}

#[test]
fn what_a_program_does_at_a_database_is_its_callers_and_stands_on_one_timeline() {
    let reports = Reports::start();
    let steps = json!([
        ["list_tools"],
        ["call", "query", { "sql": "select id, name, email from people order by id" }],
        ["call", "query", { "sql": "drop table people" }],
        ["call", "query", { "sql": "select count(*) from people" }],
    ]);
    let endpoint =
        vidimus_testkit::Endpoint::Http { url: reports.url(), token: Some(reports.world.issuer.token("alice")) };
    let session = Session { name: "one".to_owned(), era: vidimus_testkit::Era::Legacy, endpoint, steps };
    let told = Sdk::TypeScript1.run(&[session]).unwrap();
    let answers: Vec<String> = told["one"].iter().map(ToString::to_string).collect();
    let log = reports.world.gateway.process.log();
    assert_eq!(answers.len(), 6, "{answers:#?}\n{log}");
    assert!(answers[2].contains("<EMAIL_ADDRESS>") && answers[2].contains("Ann"), "{}\n{log}", answers[2]);
    assert!(!answers.concat().contains("ann@example.com"));
    assert!(answers[3].contains("no policy permits sql:ddl"), "{}\n{log}", answers[3]);
    assert!(answers[4].contains(r#"\"2\""#), "{}", answers[4]);

    // Each is a session of its own, of the same person and client, and the one was opened for the other.
    let limit = Instant::now() + SOON;
    let (tools, database) = loop {
        let of_alice = |all: Vec<Value>| all.into_iter().find(|session| session["who"] == "corp|alice");
        let found = (of_alice(reports.sessions("reports")), of_alice(reports.sessions("orders")));
        if let (Some(tools), Some(database)) = found
            && tools["closed"].is_string()
            && database["closed"].is_string()
        {
            break (tools, database);
        }
        assert!(Instant::now() < limit, "{:#?}", (reports.sessions("reports"), reports.sessions("orders")));
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((&database["parent"], &database["client"]), (&tools["id"], &tools["client"]), "{database:#}");
    assert_eq!((&database["who"], &database["denied"]), (&json!("corp|alice"), &json!(1)));
    let id = tools["id"].as_str().unwrap();
    let show = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vidimus"));
        let config = reports.world.gateway.config();
        super::told(&command.arg("sessions").args(arguments).arg("--config").arg(config).output().unwrap()).0
    };
    let list = show(&["list", "--target", "orders"]);
    assert!(list.contains("OPENED FOR") && list.contains(id), "{list}");
    let all = reports.world.gateway.command(&["sessions", "show", id, "--with-targets"]);
    let ids: Vec<&Value> = all.as_array().unwrap().iter().map(|one| &one["session"]["id"]).collect();
    assert_eq!(ids, [&tools["id"], &database["id"]]);
    let timeline = loop {
        let timeline = show(&["show", id, "--with-targets"]);
        if !timeline.contains("more will show") {
            break timeline;
        }
        assert!(Instant::now() < limit + SOON, "{timeline}");
        std::thread::sleep(Duration::from_millis(200));
    };
    let place = |what: &str| timeline.find(what).unwrap_or_else(|| panic!("no {what}:\n{timeline}"));
    assert!(place("reports/query") < place("sql:select") && place("sql:select") < place("sql:ddl"), "{timeline}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_credential_opens_its_target_alone_and_ends_with_its_session() {
    let mut reports = Reports::start();
    let client = reports.open().await;
    let answer = reports.query(&client, "select email from people where id = 1").await;
    assert!(!answer.0 && answer.1.contains("<EMAIL_ADDRESS>"), "{answer:?}\n{}", reports.world.gateway.process.log());
    let addresses = reports.addresses();
    let [address] = addresses.as_slice() else { panic!("{addresses:?}") };
    assert!(address.starts_with("postgresql://alice:vidimus_program_"), "{address}");
    assert_eq!(reports.psql(address).0, "<EMAIL_ADDRESS>", "whoever has it is the program");
    let wrong = "the password must be";
    let (credential, own_port) = parts(address);
    let at = |user: &str, password: &str, port: &str, database: &str| {
        reports.psql(&format!("postgresql://{user}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")).1
    };
    let port = reports.world.port.to_string();
    assert!(at("alice", &credential, &port, "orders").contains(wrong), "it is no credential of clients");
    assert!(at("alice", &credential, &own_port, "reports").contains(wrong), "nor of another target");
    assert!(at("bob", &credential, &own_port, "orders").contains("the user must be you"));
    let token = reports.world.issuer.token("alice");
    assert!(at("alice", &token, &own_port, "orders").contains(wrong), "nor are tokens taken where programs connect");
    assert!(at("grant.alice", &credential, &own_port, "orders").contains("the user must be you"));
    let as_bearer = Client::new(reports.url(), &*credential).post("{}").await.unwrap();
    assert_eq!(as_bearer.status, StatusCode::UNAUTHORIZED);

    // The end of the session.
    let ended = client.send(Method::DELETE, &[], "").await.unwrap();
    assert!(ended.status.is_success(), "{ended:?}");
    assert!(reports.psql(address).1.contains(wrong), "{}", reports.world.gateway.process.log());
    let limit = Instant::now() + SOON;
    while reports.sessions("orders").iter().any(|session| session["closed"].is_null()) {
        assert!(Instant::now() < limit, "{:#?}", reports.sessions("orders"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // A gateway that is killed takes it along.
    let client = reports.open().await;
    assert!(!reports.query(&client, "select 1").await.0);
    let address = reports.addresses().pop().unwrap();
    reports.world.gateway.process.kill().unwrap();
    reports.world.gateway.restart();
    let client = reports.open().await;
    assert!(!reports.query(&client, "select 1").await.0);
    let limit = Instant::now() + SOON;
    let new = loop {
        let addresses = reports.addresses();
        if let [new] = addresses.as_slice() {
            break new.clone();
        }
        assert!(Instant::now() < limit, "{addresses:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_ne!(new, address);
    let (old, (_, own_port)) = (parts(&address).0, parts(&new));
    let said = reports.psql(&format!("postgresql://alice:{old}@127.0.0.1:{own_port}/orders?sslmode=disable"));
    assert!(said.0.is_empty() && said.1.contains(wrong), "{said:?}");
}

/// Credential and port of an address.
fn parts(address: &str) -> (String, String) {
    let (_, rest) = address.split_once("alice:").unwrap();
    let (credential, rest) = rest.split_once("@127.0.0.1:").unwrap();
    (credential.to_owned(), rest.split_once('/').unwrap().0.to_owned())
}

#[test]
fn the_check_says_what_a_program_cannot_reach() {
    let dir = configuration();
    let check = |env: &str, more: &str| {
        let config = std::fs::read_to_string(dir.path().join("base.toml")).unwrap();
        std::fs::write(dir.path().join("vidimus.toml"), config.replace("ENV", env).replace("MORE", more)).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vidimus"));
        let out = command.args(["check", "--config"]).arg(dir.path().join("vidimus.toml")).output().unwrap();
        let (out, err) = told(&out);
        format!("{out}\n{err}")
    };
    let faults = [
        ("{ DATABASE_URL = { target = \"ordrs\" } }", "", "there is no [targets.ordrs]"),
        ("{ DATABASE_URL = { target = \"ordrs\" } }", "", "did you mean `orders`?"),
        ("{ DATABASE_URL = { target = \"reports\" } }", "", "would reach itself"),
        ("{ DATABASE_URL = { target = \"other\" } }", "", "is no database"),
        ("{ DATABASE_URL = { target = \"orders\" } }", "network = false", "without the network"),
        ("{ DATABASE_URL = { target = \"scoped\" } }", "", "needs `scopes`"),
        ("{ DATABASE_URL = { target = \"orders\", env = \"X\" } }", "", "env"),
    ];
    for (env, more, expected) in faults {
        let said = check(env, more);
        assert!(said.contains(expected), "{env}: {said}");
    }
    let said = check("{ DATABASE_URL = { target = \"orders\" } }", "");
    assert!(said.contains("DATABASE_URL: target orders") && !said.contains("there is no"), "{said}");
}

/// A configuration with places to fill in.
fn configuration() -> TempDir {
    let dir = vidimus_testkit::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    write("policies/all.cedar", "permit (principal, action, resource);");
    let database = |name: &str, more: &str| {
        format!("[targets.{name}]\nprotocol = \"postgres\"\naddress = \"db:5432\"\nuser = \"gateway\"\n{more}\n")
    };
    let (orders, scoped) = (database("orders", ""), database("scoped", "scopes = [\"db\"]"));
    write(
        "base.toml",
        &format!(
            "[gateway]\ndata_dir = \"data\"\nlisten = \"127.0.0.1:8080\"\nkey = {{ env = \"K\" }}\n\
             [identity.oidc.corp]\nissuer = \"https://idp.example.com\"\naudience = \"x\"\n[policy]\ndir = \"policies\"\n\
             [targets.reports]\nprotocol = \"mcp\"\ncommand = [\"true\"]\nenv = ENV\nMORE\n\
             [targets.other]\nprotocol = \"mcp\"\nurl = \"http://127.0.0.1:9/mcp\"\n{orders}{scoped}"
        ),
    );
    dir
}
