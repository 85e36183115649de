//! From the first byte of a client to its session: encryption, who it is, which target, and the connection there.
//!
//! The password is a token, or the credential of a grant: it is asked for inside TLS, or on loopback where the listener has
//! none. Whoever puts `grant.` before the user's name proves the credential by SCRAM-SHA-256 instead: who is asked how is the
//! client's choice, so that it says nothing of who has a grant. The database's name chooses the target. Whoever is refused
//! is told why in the words of the protocol, and of a password that is wrong no more than that.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use vidimus_core::{Action, ErrorKind, TargetName};
use vidimus_credential::scram::MECHANISM;
use vidimus_gate::{
    Caller, ClientLine, Denied, LineError, Notice as Told, Rejection, Session, Signal, TargetReader, TargetWriter,
};

use crate::backend::ParameterStatus;
use crate::error::{FEATURE_NOT_SUPPORTED, PROTOCOL_VIOLATION};
use crate::frontend::{self, FrontendMessage, MAX_SMALL_BYTES, Password, SaslInitialResponse};
use crate::login::ServerLogin;
use crate::say;
use crate::shared::{Guest, Inner, Target};
use crate::startup::{self, ALLOWED_PARAMETERS, Startup, StartupPacket};
use crate::tell;
use crate::upstream::{Encryption, Ready};

/// Time for a client to say who it is.
const GREETING_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest `application_name` (PostgreSQL's `NAMEDATALEN` less one).
const MAX_APPLICATION_NAME: usize = 63;
/// What stands before the user's name of who proves the credential of a grant by SCRAM-SHA-256.
const BY_PROOF: &str = "grant.";
/// Who is not known yet says little.
const BEFORE_LOGIN: frontend::Limits =
    frontend::Limits { statement: MAX_SMALL_BYTES, bind: MAX_SMALL_BYTES, copy_data: MAX_SMALL_BYTES };
/// SQLSTATE `invalid_authorization_specification`.
const INVALID_AUTHORIZATION: &str = "28000";
/// SQLSTATE `invalid_password`.
const INVALID_PASSWORD: &str = "28P01";
/// SQLSTATE `invalid_catalog_name`.
const NO_DATABASE: &str = "3D000";
/// SQLSTATE `cannot_connect_now`.
const NOT_NOW: &str = "57P03";
/// SQLSTATE `connection_failure`.
const NO_CONNECTION: &str = "08006";

/// What a client begins with.
struct Greeting {
    client: ClientLine,
    startup: Startup,
}

/// Makes a guest of a client; none where there is nobody to serve.
pub(crate) async fn meet(adapter: &Arc<Inner>, client: ClientLine, address: IpAddr) -> io::Result<Option<Box<Guest>>> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the client did not say who it is in time");
    let known = timeout(GREETING_TIMEOUT, known(adapter, client, address)).await.map_err(|_| late())??;
    let Some((greeting, caller, target)) = known else { return Ok(None) };
    let Greeting { mut client, startup } = greeting;
    let application = startup.parameter("application_name").unwrap_or_default().to_owned();
    let claimed = Some(application.clone()).filter(|name| !name.is_empty());
    let session = match adapter.gate.open(caller.claiming(claimed), Arc::clone(&target.spec)).await {
        Ok(session) => session,
        Err(denied) => return refused(&mut client, &denied).await,
    };
    match connected(&session, &target, &startup, &application).await {
        Ok((ready, reader, writer)) => Ok(Some(Box::new(Guest { client, session, target, reader, writer, ready }))),
        Err(error) => {
            tracing::error!(%error, target = %target.spec.name, session = %session.id(), "no connection to the database");
            client.say(&say::fatal(NO_CONNECTION, "the gateway cannot reach the database; its log says why")).await?;
            if let Err(error) = session.close("upstream").await {
                tracing::error!(%error, session = %session.id(), "the end of a session cannot be recorded");
            }
            Ok(None)
        }
    }
}

/// Who a client is, and which target it wants.
async fn known(
    adapter: &Arc<Inner>,
    client: ClientLine,
    address: IpAddr,
) -> io::Result<Option<(Greeting, Caller, Target)>> {
    let Some(Greeting { mut client, startup }) = greeted(adapter, client).await? else { return Ok(None) };
    if let Some(name) = startup.refused_parameter(ALLOWED_PARAMETERS) {
        let text = "this parameter cannot be set by a client of the gateway: ";
        client.say(&say::fatal_about(FEATURE_NOT_SUPPORTED, text, name.as_str())).await?;
        return Ok(None);
    }
    let wanted = startup.database().parse::<TargetName>().ok();
    let by_proof = startup.user().strip_prefix(BY_PROOF).filter(|_| !adapter.is_for_programs);
    let (user, caller) = match by_proof {
        Some(user) => (user, proved(adapter, &mut client, (user, startup.database()), address).await?),
        None => (startup.user(), shown(adapter, &mut client, wanted.as_ref(), address).await?),
    };
    let Some(caller) = caller else { return Ok(None) };
    let reject = async |reason, message: String, target: Option<&Target>| {
        let rejection = Rejection { kind: ErrorKind::Denied, reason, message, action: Action::Connect, received: &[] };
        adapter.gate.reject(caller.principal(), target.map(|target| &*target.spec), rejection).await
    };
    let Some(target) = wanted.and_then(|name| adapter.targets.get(&name)) else {
        let denied = reject("unknown_target", "there is no such database at this gateway".to_owned(), None).await;
        client.send(&denied.release(|refusal| tell::fatal(NO_DATABASE, &refusal.message))).await?;
        return Ok(None);
    };
    if !caller.principal().is_called(user) {
        let message = format!("the user must be you: {}", caller.principal().alias());
        let denied = reject("user", message, Some(target)).await;
        return refused(&mut client, &denied).await.map(|_: Option<()>| None);
    }
    if caller.lacks(&target.scopes) {
        let message = format!("the token needs the scopes {}", target.scopes.join(" "));
        let denied = reject("scope", message, Some(target)).await;
        return refused(&mut client, &denied).await.map(|_: Option<()>| None);
    }
    Ok(Some((Greeting { client, startup }, caller, target.clone())))
}

/// Who shows a token or the credential of a grant as a password in clear text.
async fn shown(
    adapter: &Arc<Inner>,
    client: &mut ClientLine,
    target: Option<&TargetName>,
    address: IpAddr,
) -> io::Result<Option<Caller>> {
    client.say(&say::password_wanted()).await?;
    let Some(password) = answered(client, "a password was expected").await? else { return Ok(None) };
    let password = match password.cleartext() {
        Ok(password) => password,
        Err(error) => return protocol_fault(client, &error).await,
    };
    let token = Some(password.as_str()).filter(|token| !token.is_empty());
    let known = if adapter.is_for_programs {
        adapter.gate.authenticate_program(token, address, target)
    } else {
        let resources = target.and_then(|name| adapter.targets.get(name)).map(|target| &target.resources);
        let resources: Vec<&str> = resources.into_iter().flatten().map(String::as_str).collect();
        adapter.gate.authenticate_at(token, address, (&resources, target)).await
    };
    told_unless(client, known).await
}

/// Who proves the credential of a grant by SCRAM-SHA-256.
async fn proved(
    adapter: &Arc<Inner>,
    client: &mut ClientLine,
    claimed: (&str, &str),
    address: IpAddr,
) -> io::Result<Option<Caller>> {
    client.say(&say::proof_wanted()).await?;
    let Some(first) = answered(client, "an answer of SASL was expected").await? else { return Ok(None) };
    let data = match first.sasl_initial() {
        Ok(SaslInitialResponse { mechanism, data: Some(data) }) if mechanism.as_str() == MECHANISM => data,
        Ok(_) => {
            client.say(&say::fatal(PROTOCOL_VIOLATION, "SCRAM-SHA-256 with a first message was expected")).await?;
            return Ok(None);
        }
        Err(error) => return protocol_fault(client, &error).await,
    };
    let asked = adapter.gate.challenge(claimed, &data, address);
    let Some((challenge, answer)) = told_unless(client, asked).await? else { return Ok(None) };
    client.say(&say::challenge(&answer)).await?;
    let Some(last) = answered(client, "an answer of SASL was expected").await? else { return Ok(None) };
    let known = adapter.gate.proved(challenge, last.sasl());
    let Some((caller, answer)) = told_unless(client, known).await? else { return Ok(None) };
    client.say(&say::own_proof(&answer)).await?;
    Ok(Some(caller))
}

/// What a client answers to a request for a password, or for a step of SASL.
async fn answered(client: &mut ClientLine, expected: &'static str) -> io::Result<Option<Password>> {
    match told(client).await? {
        Ok(FrontendMessage::Password(password)) => Ok(Some(password)),
        Ok(_) => {
            client.say(&say::fatal(PROTOCOL_VIOLATION, expected)).await?;
            Ok(None)
        }
        Err(error) => protocol_fault(client, &error).await,
    }
}

/// What is known, unless the client is told why nothing is.
async fn told_unless<T>(client: &mut ClientLine, known: Result<T, Told>) -> io::Result<Option<T>> {
    match known {
        Ok(known) => Ok(Some(known)),
        Err(notice) => {
            client.say(&unknown(notice)).await?;
            Ok(None)
        }
    }
}

/// The startup packet, with encryption before it where the client wants that.
async fn greeted(adapter: &Arc<Inner>, mut client: ClientLine) -> io::Result<Option<Greeting>> {
    if let (Some(first), Some(tls)) = (client.first_byte().await?, &adapter.tls)
        && startup::is_direct_tls(first)
    {
        client = client.accept_tls(tls).await?;
    }
    loop {
        let packet = match startup::decode(client.received()) {
            Ok(Some(packet)) => packet,
            Ok(None) if client.receive().await? == 0 => return Ok(None),
            Ok(None) => continue,
            Err(error) => return protocol_fault(&mut client, &error).await,
        };
        match packet {
            StartupPacket::SslRequest if !client.is_secure() => {
                client.say(&say::encryption(adapter.tls.is_some())).await?;
                if let Some(tls) = &adapter.tls {
                    client = client.accept_tls(tls).await?;
                }
            }
            StartupPacket::SslRequest | StartupPacket::GssEncRequest => client.say(&say::encryption(false)).await?,
            StartupPacket::CancelRequest(key) => {
                adapter.cancels.cancel(&key).await;
                return Ok(None);
            }
            StartupPacket::Startup(_) if adapter.tls.is_some() && !client.is_secure() => {
                let text = "the password is a token: connect with TLS (sslmode=require or better)";
                client.say(&say::fatal(INVALID_AUTHORIZATION, text)).await?;
                return Ok(None);
            }
            StartupPacket::Startup(startup) => {
                if let Some(negotiation) = startup.negotiation() {
                    client.say(&say::version(&negotiation)).await?;
                }
                return Ok(Some(Greeting { client, startup }));
            }
        }
    }
}

/// The next message of a client.
async fn told(client: &mut ClientLine) -> io::Result<Result<FrontendMessage, crate::ProtocolError>> {
    loop {
        match frontend::decode(client.received(), &BEFORE_LOGIN) {
            Ok(Some((message, _))) => return Ok(Ok(message)),
            Ok(None) if client.receive().await? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(None) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// Connects to the target, and is let in.
async fn connected(
    session: &Session,
    target: &Target,
    startup: &Startup,
    application: &str,
) -> Result<(Ready, TargetReader, TargetWriter), LineError> {
    let chosen = startup.parameters.iter().filter(|(name, _)| {
        let own = ["user", "database", "application_name", "client_encoding"];
        !own.iter().any(|own| name.as_str().eq_ignore_ascii_case(own))
            && !name.as_str().starts_with(startup::OPTION_PREFIX)
    });
    let mut parameters = vec![("application_name".to_owned(), tagged(session, application))];
    parameters.extend(chosen.map(|(name, value)| (name.to_string(), value.to_string())));
    let encryption = if target.way.is_secure() { Encryption::Request } else { Encryption::None };
    let mut login = ServerLogin::new(target.database.clone(), parameters, encryption);
    let line = target.way.dial(&session.dial()).await?.log_in(&mut login).await?;
    let ready = *login.ready.unwrap_or_default();
    let is_set = |name: &[u8]| ready.parameters.iter().any(|setting| *setting.name == *name);
    let is_meant = ready.parameters.iter().all(ParameterStatus::keeps_meaning);
    if !is_meant || !is_set(b"client_encoding") || !is_set(b"standard_conforming_strings") {
        let why = "statements would be misread: client_encoding must be UTF8, and standard_conforming_strings on";
        return Err(LineError::Refused(why.to_owned()));
    }
    let (reader, writer) = line.split();
    Ok((ready, reader, writer))
}

/// `vidimus:SESSION APPLICATION`, as far as there is room.
fn tagged(session: &Session, application: &str) -> String {
    let mut name = format!("vidimus:{} {application}", session.id());
    while name.len() > MAX_APPLICATION_NAME {
        name.pop();
    }
    name.trim_end().to_owned()
}

fn unknown(notice: Told) -> Signal {
    match notice {
        Told::IdentityUnavailable => say::fatal(NOT_NOW, "the identity provider does not answer; try again"),
        Told::EvidenceUnavailable => {
            say::fatal(NOT_NOW, "nothing passes while evidence cannot be written; tell the operator of this gateway")
        }
        _ => say::fatal(
            INVALID_PASSWORD,
            "the password must be a valid token, or the credential of a grant for this database",
        ),
    }
}

async fn refused<T>(client: &mut ClientLine, denied: &Denied) -> io::Result<Option<T>> {
    client.send(&denied.release(|refusal| tell::fatal(INVALID_AUTHORIZATION, &refusal.message))).await?;
    Ok(None)
}

async fn protocol_fault<T>(client: &mut ClientLine, error: &crate::ProtocolError) -> io::Result<Option<T>> {
    client.say(&say::fatal_about(PROTOCOL_VIOLATION, "", &error.public_message())).await?;
    Ok(None)
}
