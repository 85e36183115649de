//! Drivers of Rust, inside TLS: `tokio-postgres`, and that of `sqlx`.
//!
//! `sqlx` itself cannot stand in one lock file with `rusqlite`, for both link SQLite: `sqlx-core` and `sqlx-postgres` are
//! what it hands out under its own name for PostgreSQL.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{future, io};

use futures_util::future::{BoxFuture, join};
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use sqlx_core::connection::{ConnectOptions as _, Connection as _};
use sqlx_core::executor::Executor as _;
use sqlx_core::query::query;
use sqlx_core::raw_sql::raw_sql;
use sqlx_core::row::Row as _;
use sqlx_postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, SimpleQueryMessage, Socket};
use tokio_rustls::TlsConnector;
use vidimus_testkit::certificates::Authority;

use super::World;
use super::granted::{GRANTS, granted};

const MASKED: &str = "<EMAIL_ADDRESS>";
const REFUSED: &str = "no policy permits sql:ddl";
/// More than a gateway keeps of a result, and more than one message has.
const MANY: i32 = 20_000;

/// A gateway that shows a certificate, and who has signed it.
fn world() -> (World, Authority) {
    World::secure(&GRANTS.replacen('\n', "\nrows = 10\n", 1))
}

/// TLS of this workspace's own, as `tokio-postgres` wants it.
#[derive(Clone)]
struct Tls(TlsConnector);

impl Tls {
    fn new(authority: &Authority) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self(TlsConnector::from(Arc::new(config)))
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = TlsTo;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<TlsTo, Self::Error> {
        Ok(TlsTo(self.0.clone(), ServerName::try_from(domain.to_owned())?))
    }
}

struct TlsTo(TlsConnector, ServerName<'static>);

impl TlsConnect<Socket> for TlsTo {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Encrypted>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move { Ok(Encrypted(self.0.connect(self.1, stream).await?)) })
    }
}

struct Encrypted(tokio_rustls::client::TlsStream<Socket>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

async fn with_tokio(
    world: &World,
    authority: &Authority,
    (user, password): (&str, &str),
) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host("localhost").hostaddr([127, 0, 0, 1].into()).port(world.port).ssl_mode(SslMode::Require);
    config.user(user).password(password).dbname("orders");
    let (client, connection) = config.connect(Tls::new(authority)).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn with_sqlx(
    world: &World,
    authority: &Authority,
    (user, password): (&str, &str),
) -> Result<PgConnection, sqlx_core::Error> {
    let options = PgConnectOptions::new_without_pgpass().host("localhost").port(world.port).database("orders");
    let options = options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert_from_pem(authority.certificate().into_bytes());
    options.username(user).password(password).connect().await
}

/// What was asked for, as the record has it.
fn asked(world: &World) -> Vec<Value> {
    let opened = |event: &Value| event["type"] == "session.opened" && event["target"] == "orders";
    let events = world.gateway.events();
    let sessions = events.iter().filter(|event| opened(event)).map(|event| event["session"].as_str().unwrap());
    let frames = sessions.flat_map(|session| world.gateway.recording(session));
    let requests = frames.filter(|frame| frame["direction"] == "request");
    let texts = requests.map(|frame| frame["body"]["text"].as_str().unwrap().to_owned());
    // A request to cancel says nothing.
    texts.filter(|text| !text.is_empty()).map(|text| serde_json::from_str(&text).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokio_postgres_reads_writes_and_copies_inside_tls() {
    let (world, authority) = world();
    let token = world.issuer.token("alice");
    let stranger = Authority::new("another").unwrap();
    assert!(with_tokio(&world, &stranger, ("alice", &token)).await.is_err(), "a certificate that nobody has signed");
    let mut client = with_tokio(&world, &authority, ("alice", &token)).await.unwrap();

    let simple = client.simple_query("select id, email from people order by id; select 3").await.unwrap();
    let text: Vec<_> = simple
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).unwrap()).collect::<Vec<_>>()),
            _ => None,
        })
        .collect();
    assert_eq!(text, [vec!["1", MASKED], vec!["2", MASKED], vec!["3"]]);

    // What is prepared is answered in binary.
    let by_id = client.prepare("select id, email, age, note::text from people where id = $1").await.unwrap();
    for (id, age, note) in [(1, 41, Some("{\"card\":\"<CREDIT_CARD>\"}")), (2, 42, None)] {
        let row = client.query_one(&by_id, &[&id]).await.unwrap();
        let told: (i32, &str, i32, Option<&str>) = (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_eq!(told, (id, MASKED, age, note));
    }
    // Several at once are one pipeline.
    let (one, two) = (client.query_one(&by_id, &[&1_i32]), client.query_one(&by_id, &[&2_i32]));
    let (one, two) = join(one, two).await;
    assert_eq!((one.unwrap().get::<_, i32>(2), two.unwrap().get::<_, i32>(2)), (41, 42));

    let lines = "select count(*) from lines";
    let insert = "insert into lines values ($1, $2)";
    let transaction = client.transaction().await.unwrap();
    transaction.execute(insert, &[&1_i32, &"carol@example.com"]).await.unwrap();
    let refused = transaction.execute("drop table lines", &[]).await.unwrap_err();
    let told = refused.as_db_error().unwrap();
    assert_eq!((told.code(), told.message()), (&SqlState::INSUFFICIENT_PRIVILEGE, REFUSED));
    let aborted = transaction.execute(insert, &[&2_i32, &"x"]).await.unwrap_err();
    assert_eq!(aborted.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    transaction.rollback().await.unwrap();
    assert_eq!(client.query_one(lines, &[]).await.unwrap().get::<_, i64>(0), 0);
    let transaction = client.transaction().await.unwrap();
    transaction.execute(insert, &[&3_i32, &"three"]).await.unwrap();
    transaction.commit().await.unwrap();
    let error = client.query("select 1 / $1::int", &[&0_i32]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::DIVISION_BY_ZERO));
    assert_eq!(client.query_one(lines, &[]).await.unwrap().get::<_, i64>(0), 1);

    let many = client.query_raw("select n, 'm' || n || '@example.com' from generate_series(1, $1) n", [MANY]);
    let mut rows = Box::pin(many.await.unwrap());
    let mut count = 0;
    while let Some(row) = rows.try_next().await.unwrap() {
        count += 1;
        assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (count, MASKED));
    }
    assert_eq!(count, MANY);

    let mut into = Box::pin(client.copy_in("copy lines from stdin").await.unwrap());
    for part in [&b"7\tse"[..], b"ven\n8\teight@example.com\n"] {
        into.send(bytes::Bytes::from_static(part)).await.unwrap();
    }
    assert_eq!(into.as_mut().finish().await.unwrap(), 2);
    let out = client.copy_out("copy (select * from lines where n > 6 order by n) to stdout").await.unwrap();
    let copied = out.try_fold(Vec::new(), |all, part| future::ready(Ok([all, part.to_vec()].concat()))).await.unwrap();
    assert_eq!(String::from_utf8(copied).unwrap(), format!("7\tseven\n8\t{MASKED}\n"));

    // The request to cancel goes over a connection of its own, inside TLS too.
    let cancel = client.cancel_token();
    let (cancelled, asked_to) =
        join(client.batch_execute("select count(*) from generate_series(1, 20000000000)"), async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            cancel.cancel_query(Tls::new(&authority)).await
        })
        .await;
    asked_to.unwrap();
    assert_eq!(cancelled.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(client.query_one("select 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    drop(client);

    let asked = asked(&world);
    let with = |sql: &str| asked.iter().find(|asked| asked["sql"] == sql && !asked["parameters"].is_null());
    assert_eq!(with(insert).unwrap()["parameters"], json!(["1", MASKED]), "{asked:#?}");
    world.gateway.verified(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlx_reads_writes_and_copies_inside_tls() {
    let (world, authority) = world();
    let token = world.issuer.token("alice");
    let stranger = Authority::new("another").unwrap();
    assert!(with_sqlx(&world, &stranger, ("alice", &token)).await.is_err(), "a certificate that nobody has signed");
    let mut connection = with_sqlx(&world, &authority, ("alice", &token)).await.unwrap();
    connection.ping().await.unwrap();

    let simple =
        connection.fetch_all(raw_sql("select id, email from people order by id; select 3, 'x'")).await.unwrap();
    let text: Vec<(i32, String)> = simple.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(text, [(1, MASKED.into()), (2, MASKED.into()), (3, "x".into())]);

    let by_id = "select id, email, age, note::text from people where id = $1";
    for (id, age, note) in [(1, 41, Some("{\"card\":\"<CREDIT_CARD>\"}")), (2, 42, None)] {
        let row = query(by_id).bind(id).fetch_one(&mut connection).await.unwrap();
        let told: (i32, &str, i32, Option<&str>) = (row.get(0), row.get("email"), row.get("age"), row.get(3));
        assert_eq!(told, (id, MASKED, age, note));
    }

    let lines = "select count(*) from lines";
    let insert = "insert into lines values ($1, $2)";
    let mut transaction = connection.begin().await.unwrap();
    query(insert).bind(1).bind("carol@example.com").execute(&mut *transaction).await.unwrap();
    let refused = query("drop table lines").execute(&mut *transaction).await.unwrap_err();
    let told = refused.as_database_error().unwrap();
    assert_eq!((told.code().as_deref(), told.message()), (Some("42501"), REFUSED));
    let aborted = query(insert).bind(2).bind("x").execute(&mut *transaction).await.unwrap_err();
    assert_eq!(aborted.as_database_error().unwrap().code().as_deref(), Some("25P02"));
    transaction.rollback().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    query(insert).bind(3).bind("three").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let error = query("select 1 / $1").bind(0).fetch_one(&mut connection).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("22012"));
    assert_eq!(connection.fetch_one(lines).await.unwrap().get::<i64, _>(0), 1);

    let many = "select n, 'm' || n || '@example.com' from generate_series(1, $1) n";
    let mut rows = query(many).bind(MANY).fetch(&mut connection);
    let mut count = 0;
    while let Some(row) = rows.next().await {
        let row = row.unwrap();
        count += 1;
        assert_eq!((row.get::<i32, _>(0), row.get::<&str, _>(1)), (count, MASKED));
    }
    drop(rows);
    assert_eq!(count, MANY);

    let mut into = connection.copy_in_raw("copy lines from stdin").await.unwrap();
    into.send(&b"7\tseven\n8\teight@example.com\n"[..]).await.unwrap();
    assert_eq!(into.finish().await.unwrap(), 2);
    let out = connection.copy_out_raw("copy (select * from lines where n > 6 order by n) to stdout").await.unwrap();
    let copied = out.try_fold(Vec::new(), |all, part| future::ready(Ok([all, part.to_vec()].concat()))).await.unwrap();
    assert_eq!(String::from_utf8(copied).unwrap(), format!("7\tseven\n8\t{MASKED}\n"));
    connection.close().await.unwrap();

    let asked = asked(&world);
    let with = |sql: &str| asked.iter().find(|asked| asked["sql"] == sql && !asked["parameters"].is_null());
    assert_eq!(with(insert).unwrap()["parameters"], json!(["1", MASKED]), "{asked:#?}");
    world.gateway.verified(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_of_rust_prove_a_grant() {
    let (world, authority) = world();
    let (_, credential) = granted(&world, "1h").await;
    let email = "select email from people where id = 1";
    let client = with_tokio(&world, &authority, ("grant.alice", &credential)).await.unwrap();
    assert_eq!(client.query_one(email, &[]).await.unwrap().get::<_, &str>(0), MASKED);
    let mut connection = with_sqlx(&world, &authority, ("grant.alice", &credential)).await.unwrap();
    assert_eq!(connection.fetch_one(email).await.unwrap().get::<&str, _>(0), MASKED);

    let wrong = format!("{}x", credential.split_at(credential.len() - 1).0);
    let refused = with_tokio(&world, &authority, ("grant.alice", &wrong)).await.err().unwrap();
    assert_eq!(refused.code(), Some(&SqlState::INVALID_PASSWORD));
    let refused = with_sqlx(&world, &authority, ("grant.alice", &wrong)).await.err().unwrap();
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("28P01"));
}
