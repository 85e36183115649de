//! `vidimus demo`: the whole product on loopback, with nothing to install.
//!
//! Starts an identity provider (`people.rs`), an MCP server (`crm.rs`) and the gateway before it as `serve` would, from
//! a configuration file that can be read afterwards. Runs a scripted session through it, shows what was decided, what is
//! on record and a proof, and stays up to be tried by hand. Every step states beforehand what must come out.

mod caller;
mod crm;
mod customers;
mod home;
mod people;
mod script;
mod server;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use http::StatusCode;
use vidimus_core::{Clock as _, SystemClock, Timestamp};
use vidimus_store::SessionFilter;

use crate::api::{self, EventEntry, ProofFile, SessionDetail, SessionList, SessionSummary};
use crate::cli::Demo;
use crate::client::{self, ClientError};
use crate::config::Config;
use crate::output::{Table, printable};
use crate::{log_commands, serve, sessions};
use home::Home;
use people::People;

/// The policies of the demonstration and their cases, by file name. Evidence is read over the gateway's socket, by who runs it.
const POLICIES: [(&str, &str); 3] = [
    ("crm.cedar", include_str!("../../../policies/crm.cedar")),
    ("crm.test.toml", include_str!("../../../policies/crm.test.toml")),
    (
        "evidence.cedar",
        "// Whoever runs the gateway may look at what it recorded.\n\n\
         @id(\"local-owner\")\n\
         permit (principal in Group::\"local/owner\", action in\n\
         [Action::\"recording.view\", Action::\"recording.export\", Action::\"recording.hold\", Action::\"log.read\"],\n\
         resource);\n\n\
         // Erasing takes two persons, each with a token, and a permit that names the action.\n\
         @id(\"erase\")\n\
         permit (principal, action == Action::\"recording.erase\", resource == Target::\"crm\")\n\
         when { principal in [Group::\"demo/support\", Group::\"demo/finance\"] };\n",
    ),
];
/// What is going to be seen.
const INTRODUCTION: &str = "A gateway stands before a customer register (an MCP server). It asks who calls, decides by policy, \
                            keeps the register's\ncredential to itself, masks personal data in what comes back, and records \
                            everything before it happens. First four callers\ntry it, each line with what came of it; then \
                            what is on record of one of them, and the proof that it was not altered.";
/// Any free port on loopback.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// How often, and how long, the record of the script is waited for.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const RECORD_LIMIT: Duration = Duration::from_secs(20);

/// Runs the demonstration. False when a step did not come out as it must.
pub(crate) async fn run(options: Demo, out: &mut impl Write) -> anyhow::Result<bool> {
    let home = Home::make(options.data_dir.as_deref())?;
    let secret = home.new_secret()?;
    let (people, provider) = people::start(ANY_PORT).await?;
    let register = crm::start(ANY_PORT, &secret).await?;
    let port = match options.port {
        Some(port) => port,
        None => free_port()?,
    };
    home.write_configuration(port, &provider.url, &format!("{}{}", register.url, crm::PATH))?;
    let config = Config::load(&home.configuration())?;
    let gateway = serve::start(&config).await?;
    let url = format!("http://{}/mcp/crm", gateway.listen);

    let shown = show(&config, &url, &people, &secret, out).await;
    match &shown {
        Ok(shown) if !options.once => {
            write_invitation(&home, &url, &provider.url, &gateway.admin.to_string(), shown, out)?;
            gateway.until_told().await?;
        }
        _ => gateway.stop().await?,
    }
    Ok(shown?.is_as_expected)
}

/// What the script left, to be tried by hand.
struct Shown {
    /// Whether every step came out as it must.
    is_as_expected: bool,
    /// The session with the denial, and the denial.
    session: String,
    denial: String,
    /// The key the log is verified with.
    key: String,
}

/// Runs the script and shows what came of it.
async fn show(
    config: &Config,
    url: &str,
    people: &People,
    secret: &str,
    out: &mut impl Write,
) -> anyhow::Result<Shown> {
    let started = SystemClock.now();
    writeln!(out, "{INTRODUCTION}\n")?;
    let steps = script::run(url, people, secret).await?;
    script::write(&steps, out)?;
    let shown = show_record(config, started, out).await?;
    Ok(Shown { is_as_expected: steps.iter().all(script::Step::is_as_expected), ..shown })
}

/// Shows the session with a denial, its events, and the proof that the denial is in the log.
async fn show_record(config: &Config, started: Timestamp, out: &mut impl Write) -> anyhow::Result<Shown> {
    let socket = &config.gateway.socket;
    // The data directory may hold earlier runs.
    let query = api::to_query(&SessionFilter { since: Some(started), limit: 20, ..SessionFilter::default() });
    let session = soon(async || {
        let list: SessionList = client::get(socket, &format!("{}?{query}", api::SESSIONS)).await?;
        let denied =
            |session: &SessionSummary| session.denied > 0 && session.operations > 1 && session.closed.is_some();
        Ok(list.sessions.into_iter().find(denied))
    })
    .await
    .context("the session with a denial is not on record")?;
    let path = format!("{}/{}", api::SESSIONS, session.id);
    let detail = soon(async || {
        let detail: Option<SessionDetail> = found(client::get(socket, &path).await)?;
        Ok(detail.filter(|detail| detail.unsigned() == 0))
    })
    .await
    .context("its events are not in the log")?;
    writeln!(out, "\nOn record of {}'s session:\n", printable(session.who.as_deref().unwrap_or("nobody")))?;
    sessions::write_detail(&detail, out)?;

    let denied = detail.events.iter().find_map(denied_event).context("the denial is not on record")?;
    let path = format!("{}/{denied}", api::LOG_PROOF);
    let answer: ProofFile =
        soon(async || found(client::get(socket, &path).await)).await.context("no checkpoint covers the denial")?;
    let proved = log_commands::prove(&answer, &[])?;
    writeln!(
        out,
        "\nThe denial {denied} is entry {} of {} in the log {}: its signed checkpoint and {} hashes prove it.",
        proved.index,
        proved.size,
        printable(&proved.origin),
        proved.hashes
    )?;
    Ok(Shown { is_as_expected: false, session: session.id, denial: denied, key: answer.key })
}

/// Asks until there is an answer: index and checkpoint follow the log within about a second.
async fn soon<T>(ask: impl AsyncFn() -> Result<Option<T>, ClientError>) -> anyhow::Result<T> {
    let asked = async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok::<_, ClientError>(answer);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    };
    Ok(tokio::time::timeout(RECORD_LIMIT, asked).await??)
}

/// What is not there yet is no error.
fn found<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        answered => answered.map(Some),
    }
}

/// The id of an event that denies something.
fn denied_event(entry: &EventEntry) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(entry.event.get()).ok()?;
    let is_denied = event.get("type")?.as_str()? == "operation.denied";
    is_denied.then(|| event.get("id")?.as_str().map(str::to_owned)).flatten()
}

fn write_invitation(
    home: &Home,
    url: &str,
    provider: &str,
    admin: &str,
    shown: &Shown,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let program = std::env::args().next().unwrap_or_else(|| "vidimus".to_owned());
    let configuration = home.configuration().display().to_string();
    writeln!(
        out,
        "\nTry it: any MCP client, with a token of alice (support) or bob (finance); carol and ci are refused\n"
    )?;
    let mut table = Table::new(&["MCP endpoint", url]);
    table.row(["token", &format!("curl -s '{provider}/token?user=alice'")]);
    table.row(["metrics", &format!("http://{admin}/metrics")]);
    table.row(["sessions", &format!("{program} sessions list --config {configuration}")]);
    table.row(["alice's session", &format!("{program} sessions replay {} --config {configuration}", shown.session)]);
    table.row([
        "proof",
        &format!("{program} log prove {} --config {configuration} --key '{}'", shown.denial, shown.key),
    ]);
    table.row(["whole log", &format!("{program} log verify --config {configuration} --key '{}'", shown.key)]);
    table.row(["log's key", &shown.key]);
    table.row(["policies", &home.policies().display().to_string()]);
    table.write(out)?;
    writeln!(out, "\nCtrl-C ends it.{}", if home.is_temporary() { " What it recorded goes with it." } else { "" })?;
    out.flush()
}

/// A port nobody listens on now. Known beforehand, because the configuration names it.
fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind(ANY_PORT)?.local_addr()?.port())
}
