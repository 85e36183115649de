//! What a server sends ("Message Formats", those marked B), read as strictly as what clients send.
//!
//! Strings are bytes: a server writes in its own encoding until the session has one. Rows stay in the memory they came
//! in; [`DataRow`] and [`RowDescription`] are in `row`.

use bytes::{Bytes, BytesMut};

use crate::error::{Peer, Problem, ProtocolError};
use crate::frame::{self, Frame, Kind};
use crate::notice::Notice;
use crate::read::{Cursor, Format, is_utf8};
use crate::row::{DataRow, RowDescription};
use crate::write::{Body, message};

/// Limit of messages that are not rows or COPY data: the widest row description has 1,664 columns.
pub const MAX_OTHER_BYTES: usize = 1 << 20;
/// Limit of a row or a piece of COPY data, unless the operator says otherwise.
pub const DEFAULT_ROW_BYTES: usize = 64 << 20;
/// Lengths of the secret key for cancellation: 4 in protocol 3.0, up to 256 in 3.2 ("`BackendKeyData`").
pub(crate) const KEY_BYTES: std::ops::RangeInclusive<usize> = 4..=256;

/// The longest body of each message that can be long, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `DataRow` and `FunctionCallResponse`.
    pub row: usize,
    /// `CopyData`.
    pub copy_data: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { row: DEFAULT_ROW_BYTES, copy_data: DEFAULT_ROW_BYTES }
    }
}

/// A message from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendMessage {
    /// How to prove who one is, and how that goes.
    Authentication(Authentication),
    /// What a request to cancel must show.
    BackendKeyData(KeyData),
    /// The server speaks an older minor version, or does not know some options.
    NegotiateProtocolVersion(NegotiateProtocolVersion),
    /// A setting of the session that clients want to know.
    ParameterStatus(ParameterStatus),
    /// The server waits for the next batch.
    ReadyForQuery(TransactionStatus),
    /// The columns of rows.
    RowDescription(RowDescription),
    /// A row.
    DataRow(DataRow),
    /// A statement is done; its tag.
    CommandComplete(CommandTag),
    /// There was no statement.
    EmptyQueryResponse,
    /// It failed.
    ErrorResponse(Notice),
    /// Something worth saying.
    NoticeResponse(Notice),
    /// A statement is prepared.
    ParseComplete,
    /// A portal is made.
    BindComplete,
    /// A statement or portal is gone.
    CloseComplete,
    /// There are no rows to describe.
    NoData,
    /// The portal has more rows.
    PortalSuspended,
    /// Types of a statement's parameters.
    ParameterDescription(Vec<u32>),
    /// COPY data is wanted.
    CopyInResponse(CopyResponse),
    /// COPY data follows.
    CopyOutResponse(CopyResponse),
    /// COPY data in both directions (replication).
    CopyBothResponse(CopyResponse),
    /// A piece of COPY data.
    CopyData(Bytes),
    /// End of COPY data.
    CopyDone,
    /// NOTIFY of another session.
    NotificationResponse(Notification),
    /// What a function returned; none for NULL.
    FunctionCallResponse(Option<Bytes>),
}

/// `Authentication…`, by its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// 0: done.
    Ok,
    /// 2: Kerberos V5, which no server asks for any more.
    KerberosV5,
    /// 3: the password in clear text.
    CleartextPassword,
    /// 5: the MD5 of the password, with this salt.
    Md5Password([u8; 4]),
    /// 7: GSSAPI.
    Gss,
    /// 8: GSSAPI or SSPI goes on.
    GssContinue(Bytes),
    /// 9: SSPI.
    Sspi,
    /// 10: SASL, by one of these mechanisms.
    Sasl(Vec<Bytes>),
    /// 11: the mechanism's challenge.
    SaslContinue(Bytes),
    /// 12: the mechanism's last word.
    SaslFinal(Bytes),
}

/// `BackendKeyData`, and what a `CancelRequest` shows. The key is a secret and is not printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyData {
    /// The server's process.
    pub process: u32,
    /// 4 to 256 bytes.
    pub key: Bytes,
}

/// `NegotiateProtocolVersion`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NegotiateProtocolVersion {
    /// The newest version that is spoken: the minor one alone, or (PostgreSQL 18) with the major one above it.
    pub version: u32,
    /// Options that are not known.
    pub options: Vec<Bytes>,
}

/// `ParameterStatus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterStatus {
    /// The setting.
    pub name: Bytes,
    /// Its value.
    pub value: Bytes,
}

/// What `ReadyForQuery` says of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// In none.
    Idle,
    /// In one.
    InTransaction,
    /// In one that has failed.
    Failed,
}

/// The tag of a command, as `SELECT 3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTag(pub Bytes);

/// How a COPY writes its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyResponse {
    /// Of the whole: lines of text, or PostgreSQL's binary form.
    pub format: Format,
    /// Of each column.
    pub columns: Vec<Format>,
}

/// `NotificationResponse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The process that notified.
    pub process: u32,
    /// The channel.
    pub channel: Bytes,
    /// The payload.
    pub payload: Bytes,
}

impl std::fmt::Debug for KeyData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyData").field("process", &self.process).finish_non_exhaustive()
    }
}

impl ParameterStatus {
    /// Whether statements still mean what is read of them: text is UTF-8, and a backslash in a string is a backslash. When
    /// it says otherwise, the session must end: what was sent since may have been read in another way. It comes too late to
    /// be relied on alone: `SET` and `set_config` of these settings are for policy to refuse.
    pub fn keeps_meaning(&self) -> bool {
        let value = || String::from_utf8_lossy(&self.value);
        match &self.name[..] {
            b"client_encoding" => is_utf8(&value()),
            b"standard_conforming_strings" => value() == "on",
            _ => true,
        }
    }
}

impl TransactionStatus {
    /// The byte on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }
}

impl CommandTag {
    /// The rows it was about, if it says.
    pub fn rows(&self) -> Option<u64> {
        let last = self.0.rsplit(|byte| *byte == b' ').next()?;
        std::str::from_utf8(last).ok()?.parse().ok()
    }
}

/// Takes the next message off what a server has sent; none until all of it is there.
pub fn decode(buffer: &mut BytesMut, limits: &Limits) -> Result<Option<(BackendMessage, Frame)>, ProtocolError> {
    let Some(frame) = frame::next(buffer, Peer::Server, |tag| kind_of(tag, limits))? else { return Ok(None) };
    Ok(Some((BackendMessage::read(&frame)?, frame)))
}

fn kind_of(tag: u8, limits: &Limits) -> Option<Kind> {
    let limit = match tag {
        b'D' | b'V' => limits.row,
        b'd' => limits.copy_data,
        _ => MAX_OTHER_BYTES,
    };
    name_of(tag).map(|name| Kind { name, limit })
}

fn name_of(tag: u8) -> Option<&'static str> {
    Some(match tag {
        b'R' => "Authentication",
        b'K' => "BackendKeyData",
        b'v' => "NegotiateProtocolVersion",
        b'S' => "ParameterStatus",
        b'Z' => "ReadyForQuery",
        b'T' => "RowDescription",
        b'D' => "DataRow",
        b'C' => "CommandComplete",
        b'I' => "EmptyQueryResponse",
        b'E' => "ErrorResponse",
        b'N' => "NoticeResponse",
        b'1' => "ParseComplete",
        b'2' => "BindComplete",
        b'3' => "CloseComplete",
        b'n' => "NoData",
        b's' => "PortalSuspended",
        b't' => "ParameterDescription",
        b'G' => "CopyInResponse",
        b'H' => "CopyOutResponse",
        b'W' => "CopyBothResponse",
        b'd' => "CopyData",
        b'c' => "CopyDone",
        b'A' => "NotificationResponse",
        b'V' => "FunctionCallResponse",
        _ => return None,
    })
}

impl BackendMessage {
    /// Reads one message.
    pub fn read(frame: &Frame) -> Result<Self, ProtocolError> {
        let tag = frame.tag();
        let Some(name) = name_of(tag) else {
            return Err(ProtocolError::new(Peer::Server, Problem::UnknownType(tag)));
        };
        let mut body = Cursor::new(frame.body(), Peer::Server, name);
        let message = match tag {
            b'R' => Self::Authentication(Authentication::read(&mut body)?),
            b'K' => Self::BackendKeyData(KeyData::read(&mut body)?),
            b'v' => Self::NegotiateProtocolVersion(NegotiateProtocolVersion::read(&mut body)?),
            b'S' => Self::ParameterStatus(ParameterStatus { name: body.string()?, value: body.string()? }),
            b'Z' => Self::ReadyForQuery(match body.u8()? {
                b'I' => TransactionStatus::Idle,
                b'T' => TransactionStatus::InTransaction,
                b'E' => TransactionStatus::Failed,
                _ => return Err(body.malformed("it has a status that there is not")),
            }),
            b'T' => Self::RowDescription(RowDescription::read(&mut body)?),
            b'D' => Self::DataRow(DataRow::read(&mut body)?),
            b'C' => Self::CommandComplete(CommandTag(body.string()?)),
            b'I' => Self::EmptyQueryResponse,
            b'E' => Self::ErrorResponse(Notice::read(&mut body)?),
            b'N' => Self::NoticeResponse(Notice::read(&mut body)?),
            b'1' => Self::ParseComplete,
            b'2' => Self::BindComplete,
            b'3' => Self::CloseComplete,
            b'n' => Self::NoData,
            b's' => Self::PortalSuspended,
            b't' => {
                let count = body.u16()?;
                Self::ParameterDescription((0..count).map(|_| body.u32()).collect::<Result<_, _>>()?)
            }
            b'G' => Self::CopyInResponse(CopyResponse::read(&mut body)?),
            b'H' => Self::CopyOutResponse(CopyResponse::read(&mut body)?),
            b'W' => Self::CopyBothResponse(CopyResponse::read(&mut body)?),
            b'd' => Self::CopyData(body.rest()),
            b'c' => Self::CopyDone,
            b'A' => Self::NotificationResponse(Notification {
                process: body.u32()?,
                channel: body.string()?,
                payload: body.string()?,
            }),
            _ => Self::FunctionCallResponse(body.value()?),
        };
        body.end()?;
        Ok(message)
    }

    /// The message's name in PostgreSQL's documentation.
    pub fn name(&self) -> &'static str {
        name_of(self.tag()).unwrap_or_default()
    }

    /// The type byte.
    pub fn tag(&self) -> u8 {
        match self {
            Self::Authentication(_) => b'R',
            Self::BackendKeyData(_) => b'K',
            Self::NegotiateProtocolVersion(_) => b'v',
            Self::ParameterStatus(_) => b'S',
            Self::ReadyForQuery(_) => b'Z',
            Self::RowDescription(_) => b'T',
            Self::DataRow(_) => b'D',
            Self::CommandComplete(_) => b'C',
            Self::EmptyQueryResponse => b'I',
            Self::ErrorResponse(_) => b'E',
            Self::NoticeResponse(_) => b'N',
            Self::ParseComplete => b'1',
            Self::BindComplete => b'2',
            Self::CloseComplete => b'3',
            Self::NoData => b'n',
            Self::PortalSuspended => b's',
            Self::ParameterDescription(_) => b't',
            Self::CopyInResponse(_) => b'G',
            Self::CopyOutResponse(_) => b'H',
            Self::CopyBothResponse(_) => b'W',
            Self::CopyData(_) => b'd',
            Self::CopyDone => b'c',
            Self::NotificationResponse(_) => b'A',
            Self::FunctionCallResponse(_) => b'V',
        }
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), ProtocolError> {
        message(out, (Some(self.tag()), self.name()), Peer::Server, |body| match self {
            Self::Authentication(authentication) => authentication.write(body),
            Self::BackendKeyData(key) => key.write(body),
            Self::NegotiateProtocolVersion(negotiate) => negotiate.write(body),
            Self::ParameterStatus(status) => {
                body.string(&status.name);
                body.string(&status.value);
            }
            Self::ReadyForQuery(status) => body.u8(status.code()),
            Self::RowDescription(description) => description.write(body),
            Self::DataRow(row) => body.raw(row.as_bytes()),
            Self::CommandComplete(tag) => body.string(&tag.0),
            Self::ErrorResponse(notice) | Self::NoticeResponse(notice) => notice.write(body),
            Self::ParameterDescription(types) => {
                body.count(types.len());
                for parameter in types {
                    body.u32(*parameter);
                }
            }
            Self::CopyInResponse(copy) | Self::CopyOutResponse(copy) | Self::CopyBothResponse(copy) => copy.write(body),
            Self::CopyData(data) => body.raw(data),
            Self::NotificationResponse(notification) => {
                body.u32(notification.process);
                body.string(&notification.channel);
                body.string(&notification.payload);
            }
            Self::FunctionCallResponse(value) => body.value(value.as_ref()),
            Self::EmptyQueryResponse
            | Self::ParseComplete
            | Self::BindComplete
            | Self::CloseComplete
            | Self::NoData
            | Self::PortalSuspended
            | Self::CopyDone => {}
        })
    }
}

impl Authentication {
    fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        Ok(match body.u32()? {
            0 => Self::Ok,
            2 => Self::KerberosV5,
            3 => Self::CleartextPassword,
            5 => Self::Md5Password([body.u8()?, body.u8()?, body.u8()?, body.u8()?]),
            7 => Self::Gss,
            8 => Self::GssContinue(body.rest()),
            9 => Self::Sspi,
            10 => {
                let mut mechanisms = Vec::new();
                loop {
                    let mechanism = body.string()?;
                    if mechanism.is_empty() {
                        break Self::Sasl(mechanisms);
                    }
                    mechanisms.push(mechanism);
                }
            }
            11 => Self::SaslContinue(body.rest()),
            12 => Self::SaslFinal(body.rest()),
            _ => return Err(body.malformed("it asks for an authentication that there is not")),
        })
    }

    fn write(&self, body: &mut Body<'_>) {
        body.u32(match self {
            Self::Ok => 0,
            Self::KerberosV5 => 2,
            Self::CleartextPassword => 3,
            Self::Md5Password(_) => 5,
            Self::Gss => 7,
            Self::GssContinue(_) => 8,
            Self::Sspi => 9,
            Self::Sasl(_) => 10,
            Self::SaslContinue(_) => 11,
            Self::SaslFinal(_) => 12,
        });
        match self {
            Self::Md5Password(salt) => body.raw(salt),
            Self::GssContinue(data) | Self::SaslContinue(data) | Self::SaslFinal(data) => body.raw(data),
            Self::Sasl(mechanisms) => {
                for mechanism in mechanisms {
                    body.string(mechanism);
                }
                body.u8(0);
            }
            Self::Ok | Self::KerberosV5 | Self::CleartextPassword | Self::Gss | Self::Sspi => {}
        }
    }
}

impl KeyData {
    /// All of `body`.
    pub(crate) fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        let process = body.u32()?;
        let key = body.rest();
        if !KEY_BYTES.contains(&key.len()) {
            return Err(body.malformed("its key is shorter than 4 bytes or longer than 256"));
        }
        Ok(Self { process, key })
    }

    pub(crate) fn write(&self, body: &mut Body<'_>) {
        body.u32(self.process);
        body.raw(&self.key);
    }
}

impl NegotiateProtocolVersion {
    fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        let version = body.u32()?;
        let count = body.u32()?;
        // Each option takes a byte at least, so a count that lies ends the loop early.
        let options = (0..count).map(|_| body.string()).collect::<Result<_, _>>()?;
        Ok(Self { version, options })
    }

    fn write(&self, body: &mut Body<'_>) {
        body.u32(self.version);
        body.u32(u32::try_from(self.options.len()).unwrap_or(u32::MAX));
        for option in &self.options {
            body.string(option);
        }
    }
}

impl CopyResponse {
    fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        let format = match body.u8()? {
            0 => Format::Text,
            1 => Format::Binary,
            _ => return Err(body.malformed("a format is neither text nor binary")),
        };
        let count = body.u16()?;
        Ok(Self { format, columns: (0..count).map(|_| body.format()).collect::<Result<_, _>>()? })
    }

    fn write(&self, body: &mut Body<'_>) {
        body.u8(u8::from(self.format == Format::Binary));
        body.count(self.columns.len());
        for format in &self.columns {
            body.format(*format);
        }
    }
}

#[cfg(test)]
mod tests;
