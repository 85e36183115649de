//! Clients that come with the credential of a grant: shown as a password, or proved by SCRAM-SHA-256; and its end.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use vidimus_testkit::certificates::{Authority, Issued, VALID};
use vidimus_testkit::python_script;

use super::common::Client;
use super::faults::Raw;
use super::{World, told};

const SOON: Duration = Duration::from_secs(20);

pub(crate) const GRANTS: &str = "durability = \"async\"\n[grants.repair]\ntargets = [\"orders\"]\napproval = \"finance\"\n\
                      sessions = 50\nlongest = \"4h\"\n";
const WRONG: &str = "the password must be a valid token, or the credential of a grant for this database";

/// Asks the gateway's HTTP interface.
async fn api(world: &World, path: &str, token: &str, body: &Value) -> Value {
    let url = format!("http://127.0.0.1:{}/api/v1{path}", world.gateway.port);
    let answer = Client::new(url, token).send(Method::POST, &[], body.to_string()).await.unwrap();
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    serde_json::from_str(&answer.text).unwrap()
}

/// A grant in force for Alice: its id, and the credential.
pub(crate) async fn granted(world: &World, length: &str) -> (String, String) {
    let alice = world.issuer.token("alice");
    let bob = world.issuer.token_with(json!({ "sub": "bob", "groups": ["finance"] }));
    let wanted = json!({ "target": "orders", "for": length, "reason": "ticket 4711" });
    let asked = api(world, "/grants", &alice, &wanted).await;
    let id = asked["id"].as_str().unwrap().to_owned();
    api(world, &format!("/approvals/{id}/approval?version=1&reason=agreed"), &bob, &json!({})).await;
    let issued = api(world, &format!("/grants/{id}/credential"), &alice, &json!({})).await;
    (id, issued["token"].as_str().unwrap().to_owned())
}

/// `psql` as this user with this password.
fn psql(world: &World, (user, password): (&str, &str)) -> Command {
    let mut psql = world.program("psql");
    psql.env("PGUSER", user).env("PGPASSWORD", password).args(["-X", "-q", "-A", "-t"]);
    psql
}

fn email(world: &World, who: (&str, &str), database: &str) -> (String, String) {
    told(&psql(world, who).args(["-d", database, "-c", "select email from people where id = 1"]).output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_proved_by_who_has_it_at_its_target_for_as_long_as_it_is_in_force() {
    let mut world = World::start(GRANTS);
    let (id, credential) = granted(&world, "1h").await;
    let (_, brief) = granted(&world, "3s").await;
    let masked = ("<EMAIL_ADDRESS>".to_owned(), String::new());
    for user in ["grant.alice", "alice"] {
        assert_eq!(email(&world, (user, &credential), "orders"), masked, "{}", world.gateway.process.log());
    }
    assert_eq!(email(&world, ("grant.alice", &brief), "orders"), masked, "of two, the one that is proved");
    let wrong = format!("{}x", credential.split_at(credential.len() - 1).0);
    let token = world.issuer.token("alice");
    let refused = [
        (("grant.alice", wrong.as_str()), "orders"),
        (("grant.alice", &credential), "elsewhere"),
        (("grant.alice", &token), "orders"),
        (("grant.bob", &credential), "orders"),
        (("grant.", &credential), "orders"),
    ];
    for (who, database) in refused {
        let (out, err) = email(&world, who, database);
        assert!(out.is_empty() && err.contains("FATAL") && err.contains(WRONG), "{who:?}: {err}");
    }
    // A restart reads verifiers from the log, and nothing there is one.
    assert_eq!(world.gateway.process.terminate(Duration::from_secs(30)).unwrap().code(), Some(0));
    world.gateway.restart();
    assert_eq!(email(&world, ("grant.alice", &credential), "orders"), masked);
    let events = world.gateway.events();
    let issued = events.iter().find(|event| event["type"] == "grant.granted").unwrap();
    assert!(issued["grant"]["verifier"].is_string() && !events.iter().any(|event| event.to_string().contains("SCRAM")));

    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(email(&world, ("grant.alice", &brief), "orders").1.contains(WRONG), "expired");
    let alice = world.issuer.token("alice");
    api(&world, &format!("/grants/{id}/revocation"), &alice, &json!({ "reason": "done" })).await;
    assert!(email(&world, ("grant.alice", &credential), "orders").1.contains(WRONG), "revoked");
    let failed = |reason: &str| {
        let events = world.gateway.events();
        events.iter().filter(|event| event["type"] == "auth.failed" && event["reason"] == reason).count()
    };
    assert!(failed("unproved_grant") >= refused.len(), "{:#?}", world.gateway.events());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_ends_ends_what_goes_on_by_it() {
    let world = World::start(GRANTS);
    let (id, credential) = granted(&world, "1h").await;
    let mut psql = psql(&world, ("grant.alice", &credential));
    psql.args(["-c", "select 1", "-c", "select count(*) from generate_series(1, 20000000000)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = psql.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "1\n");
    let (alice, since) = (world.issuer.token("alice"), Instant::now());
    api(&world, &format!("/grants/{id}/revocation"), &alice, &json!({ "reason": "done" })).await;
    let (_, err) = tokio::task::spawn_blocking(|| told(&child.wait_with_output().unwrap())).await.unwrap();
    assert!(err.contains("the session has ended: grant") && since.elapsed() < SOON, "{err}");
    let is_closed = |event: &Value| event["type"] == "session.closed" && event["reason"] == "grant";
    while !world.gateway.events().iter().any(is_closed) {
        assert!(since.elapsed() < SOON, "{:#?}", world.gateway.events());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_prove_a_grant() {
    let world = World::start(GRANTS);
    let (_, credential) = granted(&world, "1h").await;
    let port = world.port.to_string();
    for driver in ["psycopg", "asyncpg"] {
        let told = python_script("postgres", "postgres.py", &[driver, &port, "grant.alice", &credential, "orders"]);
        let told = told.unwrap();
        assert_eq!(told["binary"][0][1], "<EMAIL_ADDRESS>", "{driver}: {told}");
    }
    let arguments = [port.as_str(), "grant.alice", &credential, "orders"];
    let told = vidimus_testkit::node_script("postgres", "postgres.mjs", &arguments).unwrap();
    assert_eq!(told["binary"]["email"], "<EMAIL_ADDRESS>", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_for_a_proof_learns_nothing_of_who_has_a_grant() {
    let world = World::start(GRANTS);
    granted(&world, "1h").await;
    let asked = |user: &str, database: &str, first: &str| {
        let mut raw = Raw::new(&world);
        raw.start(&[("user", user), ("database", database)]);
        assert_eq!(raw.next(), Some((b'R', "\0\0\0\x0aSCRAM-SHA-256\0\0".to_owned())), "{user}");
        let length = u32::try_from(first.len()).unwrap().to_be_bytes();
        raw.message(b'p', &[b"SCRAM-SHA-256\0", &length[..], first.as_bytes()].concat());
        (raw.next().unwrap(), raw)
    };
    let salt = |user, database, header: &str| {
        let ((tag, body), mut raw) = asked(user, database, &format!("{header}n=,r=abcdefgh"));
        assert!(tag == b'R' && body.starts_with("\0\0\0\x0br=abcdefgh"), "{body}");
        let nonce = body[4..].split(',').next().unwrap().to_owned();
        let proof = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let binding = if header == "y,," { "eSws" } else { "biws" };
        raw.message(b'p', format!("c={binding},{nonce},p={proof}").as_bytes());
        let errors = raw.rest();
        assert!(errors.len() == 1 && errors[0].contains("C28P01") && errors[0].contains(WRONG), "{errors:?}");
        body.split_once(",s=").unwrap().1.to_owned()
    };
    let known = salt("grant.alice", "orders", "n,,");
    assert_eq!(
        known,
        salt("grant.nobody", "orders", "y,,"),
        "who says that it could have bound the channel is let try"
    );
    assert_ne!(known, salt("grant.alice", "nowhere", "n,,"));
    assert_eq!(salt("grant.alice", "nowhere", "n,,"), salt("grant.nobody", "nowhere", "n,,"));
    let long = format!("n,,n=,r={}", "a".repeat(200));
    for malformed in ["", "p=tls-server-end-point,,n=,r=abc", "n,a=alice,n=,r=abc", "n,,m=x,n=,r=abc", &long] {
        let ((tag, body), _) = asked("grant.alice", "orders", malformed);
        assert!(tag == b'E' && body.contains("C28P01") && body.contains(WRONG), "{malformed}: {body}");
    }
    let events = world.gateway.events();
    assert!(events.iter().any(|event| event["type"] == "auth.failed" && event["reason"] == "malformed_proof"));
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_tls_a_grant_is_proved_too_and_a_certificate_of_the_client_is_asked_for_where_configured() {
    let authority = Authority::new("clients and servers").unwrap();
    let server = authority.issue("gateway", &["localhost"], VALID).unwrap();
    let client = authority.issue("alice", &["alice.example.com"], VALID).unwrap();
    let write = |dir: &std::path::Path, name: &str, Issued { certificate, key, .. }: &Issued| {
        std::fs::write(dir.join(format!("{name}.pem")), certificate).unwrap();
        let path = dir.join(format!("{name}.key"));
        std::fs::write(&path, key).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    let files = |dir: &std::path::Path| {
        write(dir, "pg", &server);
        write(dir, "client", &client);
        std::fs::write(dir.join("ca.pem"), authority.certificate()).unwrap();
    };
    for client_ca in ["", "client_ca = \"ca.pem\"\n"] {
        let lines = format!("certificate = \"pg.pem\"\nkey = \"pg.key\"\n{client_ca}");
        let world = World::with(&lines, GRANTS, &files);
        let (_, credential) = granted(&world, "1h").await;
        let dir = world.gateway.dir.path().to_owned();
        let email = |user: &str, mode: &str, shows: bool| {
            let mut psql = psql(&world, (user, &credential));
            psql.env("PGHOST", "localhost").env("PGSSLMODE", mode).env("PGSSLROOTCERT", dir.join("ca.pem"));
            if shows {
                psql.env("PGSSLCERT", dir.join("client.pem")).env("PGSSLKEY", dir.join("client.key"));
            }
            told(&psql.args(["-c", "select email from people where id = 1"]).output().unwrap())
        };
        for user in ["grant.alice", "alice"] {
            let (out, err) = email(user, "verify-full", true);
            assert_eq!((out.as_str(), err.as_str()), ("<EMAIL_ADDRESS>", ""), "{}", world.gateway.process.log());
            assert_eq!(email(user, "verify-full", false).0.is_empty(), !client_ca.is_empty());
            let (out, err) = email(user, "disable", true);
            assert!(out.is_empty() && err.contains("connect with TLS"), "{user}: {err}");
        }
    }
}
