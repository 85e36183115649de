//! The gateway's side of a connection to a server, from its first byte to the first `ReadyForQuery` ("Start-up").
//!
//! No I/O: what the server has sent is put in, and what is to be done comes out. Refused: a server without TLS where TLS is
//! asked for, bytes that it sent before TLS (CVE-2021-23222), MD5, GSSAPI and SSPI, a password in clear text outside of
//! TLS, a server that says well-done before it has proved that it knows the password, and more than a start-up takes.
//! Where the server trusts us without asking, that is its business.

use std::fmt;

use bytes::{Bytes, BytesMut};
use vidimus_core::ErrorKind;
use vidimus_credential::scram::{self, ScramError};
use zeroize::Zeroizing;

use crate::backend::{self, Authentication, BackendMessage, KeyData, ParameterStatus, TransactionStatus};
use crate::error::{Peer, Problem, ProtocolError};
use crate::frontend::{FrontendMessage, Password};
use crate::notice::Notice;
use crate::read::Text;
use crate::startup::{self, CLIENT_ENCODING, Startup, StartupPacket};

/// Messages that a server may send before it is ready: settings, notices.
const MAX_MESSAGES: usize = 1000;
/// Bytes of them.
const MAX_BYTES: usize = 256 << 10;

/// Who the gateway is to a server.
pub struct Login {
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// The role's password, if it has one.
    pub password: Option<Zeroizing<String>>,
    /// Other parameters of the startup packet, in their order. The encoding is UTF-8, whatever they say.
    pub parameters: Vec<(String, String)>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).field("database", &self.database).finish_non_exhaustive()
    }
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TLS, asked for by `SSLRequest`.
    Request,
    /// TLS from the first byte, which the caller has begun (PostgreSQL 17).
    Direct,
    /// None.
    None,
}

/// What is to be done.
#[derive(Debug)]
pub enum Step {
    /// Read more from the server.
    Read,
    /// Send this, then go on.
    Send(Bytes),
    /// Do TLS, then go on; nothing is to be read before.
    StartTls,
    /// The session begins. What is left of the input belongs to it.
    Ready(Box<Ready>),
}

/// What a server has said until the session began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ready {
    /// Settings, in their order.
    pub parameters: Vec<ParameterStatus>,
    /// What a request to cancel must show.
    pub key: Option<KeyData>,
    /// Notices.
    pub notices: Vec<Notice>,
}

/// A connection that did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The server broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The server said no.
    #[error("the server refuses the connection: {} ({})", .0.message(), .0.code())]
    Refused(Box<Notice>),
    /// The server has no TLS.
    #[error("the server does not offer TLS: switch it on there (`ssl = on`), or set `tls` of the target")]
    NoTls,
    /// Unencrypted bytes came with the answer to the request for TLS.
    #[error("the server sent bytes before TLS began: somebody between may have")]
    BeforeTls,
    /// The server asks for the password in clear text outside of TLS.
    #[error(
        "the server asks for the password in clear text without TLS: use TLS, or `scram-sha-256` in its pg_hba.conf"
    )]
    CleartextWithoutTls,
    /// The server asks for what is not done.
    #[error("the server asks for {0}, which is not supported: use `scram-sha-256` in its pg_hba.conf")]
    Unsupported(&'static str),
    /// The server asks for a password, and the target has none.
    #[error("the server asks for a password, and the target has none: set `password` of the target")]
    NoPassword,
    /// SCRAM failed.
    #[error("authentication with the server failed: {0}")]
    Scram(#[from] ScramError),
}

impl HandshakeError {
    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoPassword | Self::Unsupported(_) | Self::CleartextWithoutTls | Self::NoTls => {
                ErrorKind::Configuration
            }
            Self::Protocol(_) | Self::Refused(_) | Self::BeforeTls | Self::Scram(_) => ErrorKind::Upstream,
        }
    }

    /// What a client may hear: nothing of the target.
    pub fn public_message(&self) -> &'static str {
        "the gateway could not connect to the database server"
    }
}

/// A connection that is coming about.
#[derive(Debug)]
pub struct Handshake {
    login: Login,
    state: State,
    is_encrypted: bool,
    messages: usize,
    bytes: usize,
    ready: Ready,
}

#[derive(Debug)]
enum State {
    /// `SSLRequest` is to be sent.
    AskForTls,
    /// Its answer is one byte.
    TlsAnswer,
    /// The startup packet is to be sent.
    Startup,
    /// The server says how to prove who we are.
    Authentication,
    /// It has been answered with a password.
    Password,
    /// The server's first message of SCRAM comes next.
    ScramFirst(scram::Client),
    /// Its last comes next.
    ScramLast(scram::Client),
    /// `AuthenticationOk` comes next.
    Proved,
    /// Settings and the key come, then `ReadyForQuery`.
    Settings,
    /// It has not come about.
    Failed,
}

impl Handshake {
    /// With a server that nothing has been sent to.
    pub fn new(login: Login, encryption: Encryption) -> Self {
        let state = if encryption == Encryption::Request { State::AskForTls } else { State::Startup };
        let is_encrypted = encryption == Encryption::Direct;
        Self { login, state, is_encrypted, messages: 0, bytes: 0, ready: Ready::default() }
    }

    /// What is to be done, now that `input` holds what the server has sent and was not looked at.
    pub fn step(&mut self, input: &mut BytesMut) -> Result<Step, HandshakeError> {
        match self.state {
            State::AskForTls => {
                self.state = State::TlsAnswer;
                return packet(&StartupPacket::SslRequest);
            }
            State::TlsAnswer => return self.tls_answer(input),
            State::Startup => {
                self.state = State::Authentication;
                return packet(&StartupPacket::Startup(self.startup()));
            }
            _ => {}
        }
        loop {
            let Some((message, frame)) = backend::decode(input, &LIMITS)? else { return Ok(Step::Read) };
            self.messages += 1;
            self.bytes += frame.bytes().len();
            if self.messages > MAX_MESSAGES || self.bytes > MAX_BYTES {
                let problem = Problem::TooMany { what: "messages before the session", limit: MAX_MESSAGES };
                return Err(ProtocolError::new(Peer::Server, problem).into());
            }
            if let Some(step) = self.message(message)? {
                return Ok(step);
            }
        }
    }

    fn tls_answer(&mut self, input: &mut BytesMut) -> Result<Step, HandshakeError> {
        let Some(answer) = input.first().copied() else { return Ok(Step::Read) };
        match answer {
            b'S' if input.len() > 1 => Err(HandshakeError::BeforeTls),
            b'S' => {
                input.clear();
                self.is_encrypted = true;
                self.state = State::Startup;
                Ok(Step::StartTls)
            }
            b'N' => Err(HandshakeError::NoTls),
            // An error instead of an answer is not to be believed before TLS.
            other => Err(ProtocolError::new(Peer::Server, Problem::UnknownType(other)).into()),
        }
    }

    fn startup(&self) -> Startup {
        // Without the last one, the database's own encoding would be spoken.
        let own = [("user", &*self.login.user), ("database", &*self.login.database), (CLIENT_ENCODING, "UTF8")];
        let others = self.login.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let others = others.filter(|(name, _)| own.iter().all(|(own, _)| !own.eq_ignore_ascii_case(name)));
        let parameters = own.into_iter().chain(others).map(|(name, value)| (Text::from(name), Text::from(value)));
        Startup { version: startup::VERSION, parameters: parameters.collect() }
    }

    fn message(&mut self, message: BackendMessage) -> Result<Option<Step>, HandshakeError> {
        let name = message.name();
        let order = |what| Err(ProtocolError::new(Peer::Server, Problem::Order { message: name, what }).into());
        match message {
            BackendMessage::ErrorResponse(error) => return Err(HandshakeError::Refused(Box::new(error))),
            BackendMessage::NoticeResponse(notice) => self.ready.notices.push(notice),
            BackendMessage::Authentication(authentication) => return self.authentication(authentication),
            _ if !matches!(self.state, State::Settings) => return order("authentication is going on"),
            BackendMessage::ParameterStatus(parameter) => self.ready.parameters.push(parameter),
            BackendMessage::BackendKeyData(key) if self.ready.key.is_none() => self.ready.key = Some(key),
            BackendMessage::ReadyForQuery(TransactionStatus::Idle) => {
                return Ok(Some(Step::Ready(Box::new(std::mem::take(&mut self.ready)))));
            }
            // 3.0 without options was asked for, so there is nothing to negotiate.
            _ => return order("the session has not begun"),
        }
        Ok(None)
    }

    fn authentication(&mut self, asked: Authentication) -> Result<Option<Step>, HandshakeError> {
        let state = std::mem::replace(&mut self.state, State::Failed);
        match (state, asked) {
            (State::Authentication | State::Password | State::Proved, Authentication::Ok) => {
                self.state = State::Settings;
                Ok(None)
            }
            (State::Authentication, Authentication::CleartextPassword) => {
                if !self.is_encrypted {
                    return Err(HandshakeError::CleartextWithoutTls);
                }
                let mut body = Zeroizing::new(self.password()?.as_bytes().to_vec());
                body.push(0);
                self.state = State::Password;
                sent(&FrontendMessage::Password(Password::new(Bytes::copy_from_slice(&body))))
            }
            (State::Authentication, Authentication::Sasl(mechanisms)) => {
                if !mechanisms.iter().any(|mechanism| mechanism == scram::MECHANISM.as_bytes()) {
                    return Err(HandshakeError::Unsupported("another mechanism of SASL than SCRAM-SHA-256"));
                }
                let client = scram::Client::new(self.password()?.clone())?;
                let initial = Password::sasl_initial_of(scram::MECHANISM, client.first().as_bytes());
                self.state = State::ScramFirst(client);
                sent(&FrontendMessage::Password(initial))
            }
            (State::ScramFirst(mut client), Authentication::SaslContinue(data)) => {
                let answer = client.answer(&data)?;
                self.state = State::ScramLast(client);
                sent(&FrontendMessage::Password(Password::new(Bytes::from(answer))))
            }
            (State::ScramLast(client), Authentication::SaslFinal(data)) => {
                client.finish(&data)?;
                self.state = State::Proved;
                Ok(None)
            }
            (State::Authentication, Authentication::Md5Password(_)) => Err(HandshakeError::Unsupported("MD5")),
            (State::Authentication, Authentication::Gss) => Err(HandshakeError::Unsupported("GSSAPI")),
            (State::Authentication, Authentication::Sspi) => Err(HandshakeError::Unsupported("SSPI")),
            (State::Authentication, Authentication::KerberosV5) => Err(HandshakeError::Unsupported("Kerberos V5")),
            _ => {
                let what = "it is not what this authentication goes on with";
                let problem = Problem::Order { message: "Authentication", what };
                Err(ProtocolError::new(Peer::Server, problem).into())
            }
        }
    }

    fn password(&self) -> Result<&Zeroizing<String>, HandshakeError> {
        self.login.password.as_ref().ok_or(HandshakeError::NoPassword)
    }
}

const LIMITS: backend::Limits = backend::Limits { row: 0, copy_data: 0 };

fn packet(packet: &StartupPacket) -> Result<Step, HandshakeError> {
    let mut out = BytesMut::new();
    packet.encode(&mut out)?;
    Ok(Step::Send(out.freeze()))
}

fn sent(message: &FrontendMessage) -> Result<Option<Step>, HandshakeError> {
    let mut out = BytesMut::new();
    message.encode(&mut out)?;
    Ok(Some(Step::Send(out.freeze())))
}

#[cfg(test)]
mod tests;
