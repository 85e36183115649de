//! The first packet of a connection ("Start-up", "`StartupMessage`", "`SSLRequest`", "`GSSENCRequest`", "`CancelRequest`").
//!
//! It has no type byte. Refused: packets longer than PostgreSQL takes, settings named twice or outside a list, a
//! connection without a user, and bytes that were sent after a request for encryption before it was answered: they would
//! pass as encrypted (CVE-2021-23214). A minor version above 3.0 and options of the protocol are negotiated down.

use bytes::{Buf as _, BytesMut};

use crate::backend::{KeyData, NegotiateProtocolVersion};
use crate::error::{Peer, Problem, ProtocolError};
use crate::frame::LENGTH_BYTES;
use crate::read::{Cursor, Text, is_utf8};
use crate::write::message;

/// PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`: the most that follows the length word.
pub const MAX_STARTUP_BYTES: usize = 10_000;
/// The version that is spoken: 3.0.
pub const VERSION: u32 = 3 << 16;
/// The setting that says how text is encoded on the wire.
pub(crate) const CLIENT_ENCODING: &str = "client_encoding";
/// Names of the protocol's own options begin so.
pub const OPTION_PREFIX: &str = "_pq_.";

/// Codes in the place of the version.
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
/// The least a packet has: a length word and a code.
const MIN_LENGTH: usize = 2 * LENGTH_BYTES;
/// A TLS record that holds a handshake (RFC 8446 §5.1): direct TLS, as PostgreSQL 17 has it.
const TLS_HANDSHAKE: u8 = 0x16;
const NAME: &str = "startup";

/// Settings that a client may choose, and that change neither who it is nor what a name means. `options` is not among
/// them, for it can hold any setting, and `replication` is another protocol.
pub const ALLOWED_PARAMETERS: &[&str] = &[
    "user",
    "database",
    "application_name",
    "client_encoding",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "extra_float_digits",
];

/// The first packet of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartupPacket {
    /// The session begins.
    Startup(Startup),
    /// TLS is asked for; the answer is one byte, `S` or `N`, and then comes TLS or another startup packet.
    SslRequest,
    /// GSSAPI encryption is asked for; answered in the same way, `G` or `N`.
    GssEncRequest,
    /// What another connection runs is to be cancelled. It is not answered.
    CancelRequest(KeyData),
}

/// `StartupMessage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// The version: major in the upper half, minor in the lower.
    pub version: u32,
    /// Names and values in their order; no name is there twice, in whatever letter case.
    pub parameters: Vec<(Text, Text)>,
}

/// Whether a connection that begins with this byte speaks TLS at once.
pub fn is_direct_tls(first: u8) -> bool {
    first == TLS_HANDSHAKE
}

/// Takes the first packet off what a client has sent; none until all of it is there.
pub fn decode(buffer: &mut BytesMut) -> Result<Option<StartupPacket>, ProtocolError> {
    if buffer.len() < LENGTH_BYTES {
        return Ok(None);
    }
    let mut header: &[u8] = buffer;
    let word = header.get_u32();
    let length = usize::try_from(word).unwrap_or(usize::MAX);
    if length < MIN_LENGTH {
        return Err(refused(Problem::Length { message: NAME, length: word }));
    }
    if length - LENGTH_BYTES > MAX_STARTUP_BYTES {
        return Err(refused(Problem::TooLong { message: NAME, length: word.into(), limit: MAX_STARTUP_BYTES }));
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let mut body = buffer.split_to(length).freeze();
    body.advance(LENGTH_BYTES);
    let mut body = Cursor::new(body, Peer::Client, NAME);
    let packet = match body.u32()? {
        CANCEL_REQUEST => StartupPacket::CancelRequest(KeyData::read(&mut body)?),
        code @ (SSL_REQUEST | GSSENC_REQUEST) => {
            body.end()?;
            if !buffer.is_empty() {
                return Err(refused(Problem::BeforeEncryption));
            }
            if code == SSL_REQUEST { StartupPacket::SslRequest } else { StartupPacket::GssEncRequest }
        }
        version => StartupPacket::Startup(Startup::read(version, &mut body)?),
    };
    body.end()?;
    Ok(Some(packet))
}

fn refused(problem: Problem) -> ProtocolError {
    ProtocolError::new(Peer::Client, problem)
}

impl StartupPacket {
    /// Appends the packet.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), ProtocolError> {
        message(out, (None, NAME), Peer::Client, |body| match self {
            Self::SslRequest => body.u32(SSL_REQUEST),
            Self::GssEncRequest => body.u32(GSSENC_REQUEST),
            Self::CancelRequest(key) => {
                body.u32(CANCEL_REQUEST);
                key.write(body);
            }
            Self::Startup(startup) => {
                body.u32(startup.version);
                for (name, value) in &startup.parameters {
                    body.string(name.as_bytes());
                    body.string(value.as_bytes());
                }
                body.u8(0);
            }
        })
    }
}

impl Startup {
    fn read(version: u32, body: &mut Cursor) -> Result<Self, ProtocolError> {
        if version >> 16 != VERSION >> 16 {
            return Err(refused(Problem::Unsupported { what: "this major version of the protocol" }));
        }
        let mut parameters: Vec<(Text, Text)> = Vec::new();
        loop {
            let name = body.text()?;
            if name.is_empty() {
                break;
            }
            if parameters.iter().any(|(known, _)| known.as_str().eq_ignore_ascii_case(name.as_str())) {
                return Err(body.malformed("it names a parameter twice"));
            }
            parameters.push((name, body.text()?));
        }
        let startup = Self { version, parameters };
        if startup.user().is_empty() {
            return Err(body.malformed("it names no user"));
        }
        Ok(startup)
    }

    /// The value of a parameter, named exactly so.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| value.as_str())
    }

    /// Who the client says it is; not empty in a packet that was read.
    pub fn user(&self) -> &str {
        self.parameter("user").unwrap_or_default()
    }

    /// The database: the user's name if none is given.
    pub fn database(&self) -> &str {
        self.parameter("database").filter(|name| !name.is_empty()).unwrap_or_else(|| self.user())
    }

    /// The first parameter that is not in `allowed`, or asks for another encoding than UTF-8, in which statements would be
    /// something else than what is read here. The server tells settings apart in any letter case, but `user` and `database`
    /// exactly. Options of the protocol are left to [`Startup::negotiation`].
    pub fn refused_parameter(&self, allowed: &[&str]) -> Option<&Text> {
        let is_allowed = |name: &str| {
            allowed.iter().any(|known| match *known {
                "user" | "database" => name == *known,
                setting => name.eq_ignore_ascii_case(setting),
            })
        };
        let is_refused = |name: &str, value: &str| {
            let is_encoding = name.eq_ignore_ascii_case(CLIENT_ENCODING);
            !(is_allowed(name) || name.starts_with(OPTION_PREFIX)) || (is_encoding && !is_utf8(value))
        };
        let mut parameters = self.parameters.iter();
        parameters.find(|(name, value)| is_refused(name.as_str(), value.as_str())).map(|(name, _)| name)
    }

    /// What to tell a client that asks for a newer minor version or for options of the protocol: 3.0 and none of them.
    pub fn negotiation(&self) -> Option<NegotiateProtocolVersion> {
        let names = self.parameters.iter().map(|(name, _)| name);
        let options: Vec<_> =
            names.filter(|name| name.as_str().starts_with(OPTION_PREFIX)).map(|name| name.as_bytes().clone()).collect();
        let is_needed = self.version > VERSION || !options.is_empty();
        is_needed.then_some(NegotiateProtocolVersion { version: VERSION, options })
    }
}

#[cfg(test)]
mod tests;
