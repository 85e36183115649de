//! What a client sends after the startup packet ("Message Formats", those marked F), read strictly.
//!
//! Counts agree with lengths, strings end, text is UTF-8, nothing follows. What is read shares the memory of the message.
//! Limits are PostgreSQL's own for messages that are short by nature, and ours for the others.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::error::{Peer, Problem, ProtocolError};
use crate::frame::{self, Frame, Kind};
use crate::read::{Cursor, Format, Text};
use crate::write::{Body, message};

/// PostgreSQL's `PQ_SMALL_MESSAGE_LIMIT`.
pub const MAX_SMALL_BYTES: usize = 10_000;
/// PostgreSQL's `PG_MAX_AUTH_TOKEN_LENGTH`, which an answer of SASL or a password stays below.
pub const MAX_PASSWORD_BYTES: usize = 65_535;
/// Limit of a message that is long by nature, unless the operator says otherwise.
pub const DEFAULT_LARGE_BYTES: usize = 64 << 20;

/// A statement that is none in any version: what the server's log has of a refusal.
pub(crate) const REFUSED: &str = "VIDIMUS REFUSED THIS STATEMENT";

/// The longest body of each message that can be long, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `Query` and `Parse`.
    pub statement: usize,
    /// `Bind` and `FunctionCall`.
    pub bind: usize,
    /// `CopyData`.
    pub copy_data: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { statement: DEFAULT_LARGE_BYTES, bind: DEFAULT_LARGE_BYTES, copy_data: DEFAULT_LARGE_BYTES }
    }
}

/// A message from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrontendMessage {
    /// Simple query: any number of statements.
    Query(Text),
    /// Prepare a statement.
    Parse(Parse),
    /// Make a portal of a prepared statement.
    Bind(Bind),
    /// What are the parameters and columns?
    Describe(Named),
    /// Run a portal.
    Execute(Execute),
    /// Forget a statement or a portal.
    Close(Named),
    /// End of a batch.
    Sync,
    /// Send what there is.
    Flush,
    /// A piece of COPY data.
    CopyData(Bytes),
    /// End of COPY data.
    CopyDone,
    /// COPY is given up, with the client's reason.
    CopyFail(Text),
    /// A password or an answer of SASL; which one, the state of authentication says.
    Password(Password),
    /// Call a function by its id (deprecated by PostgreSQL).
    FunctionCall(FunctionCall),
    /// Good-bye.
    Terminate,
}

/// `Parse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parse {
    /// The statement's name; empty for the unnamed one.
    pub name: Text,
    /// Its text.
    pub text: Text,
    /// Types of parameters, as far as the client says; 0 leaves one to the server.
    pub parameter_types: Vec<u32>,
}

/// `Bind`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The portal's name; empty for the unnamed one.
    pub portal: Text,
    /// The statement's.
    pub statement: Text,
    /// Formats of the values: none (all text), one for all, or one each.
    pub value_formats: Vec<Format>,
    /// The values; none for NULL.
    pub values: Vec<Option<Bytes>>,
    /// Formats of the columns: none (all text), one for all, or one each.
    pub result_formats: Vec<Format>,
}

/// A statement or a portal by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Named {
    /// A prepared statement; the empty name is the unnamed one.
    Statement(Text),
    /// A portal; the empty name is the unnamed one.
    Portal(Text),
}

/// `Execute`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execute {
    /// The portal's name.
    pub portal: Text,
    /// Rows at the most; 0 or less for all.
    pub max_rows: i32,
}

/// `FunctionCall`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCall {
    /// `pg_proc.oid`.
    pub function: u32,
    /// Formats of the arguments: none (all text), one for all, or one each.
    pub argument_formats: Vec<Format>,
    /// The arguments; none for NULL.
    pub arguments: Vec<Option<Bytes>>,
    /// Format of the result.
    pub result_format: Format,
}

/// A message of type `p`, whose form depends on what was asked for. Its content is a secret and is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Bytes);

/// `SASLInitialResponse`: of the mechanisms that are spoken, it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslInitialResponse {
    /// The mechanism's name.
    pub mechanism: Text,
    /// What the client begins with, if it does.
    pub data: Option<Bytes>,
}

impl Password {
    /// Of a body as it was sent.
    pub fn new(body: Bytes) -> Self {
        Self(body)
    }

    /// A `SASLInitialResponse`.
    pub(crate) fn sasl_initial_of(mechanism: &str, data: &[u8]) -> Self {
        let mut body = BytesMut::from(mechanism.as_bytes());
        body.put_u8(0);
        body.put_u32(u32::try_from(data.len()).unwrap_or_default());
        body.put_slice(data);
        Self(body.freeze())
    }

    /// As the answer to `AuthenticationCleartextPassword`.
    pub fn cleartext(&self) -> Result<Text, ProtocolError> {
        let mut body = Cursor::new(self.0.clone(), Peer::Client, "PasswordMessage");
        let password = body.text()?;
        body.end()?;
        Ok(password)
    }

    /// As the first answer to `AuthenticationSASL`.
    pub fn sasl_initial(&self) -> Result<SaslInitialResponse, ProtocolError> {
        let mut body = Cursor::new(self.0.clone(), Peer::Client, "SASLInitialResponse");
        let mechanism = body.text()?;
        let data = body.value()?;
        body.end()?;
        Ok(SaslInitialResponse { mechanism, data })
    }

    /// As a later answer of SASL: the mechanism's own data.
    pub fn sasl(&self) -> &Bytes {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Named {
    /// The name.
    pub fn name(&self) -> &Text {
        match self {
            Self::Statement(name) | Self::Portal(name) => name,
        }
    }

    fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        match body.u8()? {
            b'S' => Ok(Self::Statement(body.text()?)),
            b'P' => Ok(Self::Portal(body.text()?)),
            _ => Err(body.malformed("it names neither a statement nor a portal")),
        }
    }

    fn write(&self, body: &mut Body<'_>) {
        body.u8(if matches!(self, Self::Statement(_)) { b'S' } else { b'P' });
        body.string(self.name().as_bytes());
    }
}

/// Takes the next message off what a client has sent; none until all of it is there.
pub fn decode(buffer: &mut BytesMut, limits: &Limits) -> Result<Option<(FrontendMessage, Frame)>, ProtocolError> {
    let Some(frame) = frame::next(buffer, Peer::Client, |tag| kind_of(tag, limits))? else { return Ok(None) };
    Ok(Some((FrontendMessage::read(&frame)?, frame)))
}

fn kind_of(tag: u8, limits: &Limits) -> Option<Kind> {
    let limit = match tag {
        b'Q' | b'P' => limits.statement,
        b'B' | b'F' => limits.bind,
        b'd' => limits.copy_data,
        b'p' => MAX_PASSWORD_BYTES,
        _ => MAX_SMALL_BYTES,
    };
    name_of(tag).map(|name| Kind { name, limit })
}

fn name_of(tag: u8) -> Option<&'static str> {
    Some(match tag {
        b'Q' => "Query",
        b'P' => "Parse",
        b'B' => "Bind",
        b'D' => "Describe",
        b'E' => "Execute",
        b'C' => "Close",
        b'S' => "Sync",
        b'H' => "Flush",
        b'd' => "CopyData",
        b'c' => "CopyDone",
        b'f' => "CopyFail",
        b'p' => "PasswordMessage",
        b'F' => "FunctionCall",
        b'X' => "Terminate",
        _ => return None,
    })
}

impl FrontendMessage {
    /// Reads one message.
    pub fn read(frame: &Frame) -> Result<Self, ProtocolError> {
        let tag = frame.tag();
        let Some(name) = name_of(tag) else {
            return Err(ProtocolError::new(Peer::Client, Problem::UnknownType(tag)));
        };
        let mut body = Cursor::new(frame.body(), Peer::Client, name);
        let message = match tag {
            b'Q' => Self::Query(body.text()?),
            b'P' => Self::Parse(Parse::read(&mut body)?),
            b'B' => Self::Bind(Bind::read(&mut body)?),
            b'D' => Self::Describe(Named::read(&mut body)?),
            b'E' => Self::Execute(Execute { portal: body.text()?, max_rows: body.i32()? }),
            b'C' => Self::Close(Named::read(&mut body)?),
            b'S' => Self::Sync,
            b'H' => Self::Flush,
            b'd' => Self::CopyData(body.rest()),
            b'c' => Self::CopyDone,
            b'f' => Self::CopyFail(body.text()?),
            b'p' => Self::Password(Password(body.rest())),
            b'F' => Self::FunctionCall(FunctionCall::read(&mut body)?),
            _ => Self::Terminate,
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
            Self::Query(_) => b'Q',
            Self::Parse(_) => b'P',
            Self::Bind(_) => b'B',
            Self::Describe(_) => b'D',
            Self::Execute(_) => b'E',
            Self::Close(_) => b'C',
            Self::Sync => b'S',
            Self::Flush => b'H',
            Self::CopyData(_) => b'd',
            Self::CopyDone => b'c',
            Self::CopyFail(_) => b'f',
            Self::Password(_) => b'p',
            Self::FunctionCall(_) => b'F',
            Self::Terminate => b'X',
        }
    }

    /// What fails at every server, in the place of a message that is refused: to be sent instead of one that
    /// [`Order::sends`](crate::order::Order::sends) has been told of. So the server gives up the batch and the transaction
    /// as it would had it refused the message itself, and its error, which is to be replaced, comes in its turn. Only
    /// requests have one.
    pub fn failing(&self) -> Option<Self> {
        let text = Text::from(REFUSED);
        match self {
            Self::Query(_) | Self::FunctionCall(_) => Some(Self::Query(text)),
            Self::Parse(_) | Self::Bind(_) | Self::Describe(_) | Self::Execute(_) | Self::Close(_) => {
                // With a name, for without one it would end the unnamed statement.
                Some(Self::Parse(Parse { name: Text::from(REFUSED), text, parameter_types: Vec::new() }))
            }
            _ => None,
        }
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), ProtocolError> {
        message(out, (Some(self.tag()), self.name()), Peer::Client, |body| match self {
            Self::Query(text) | Self::CopyFail(text) => body.string(text.as_bytes()),
            Self::Parse(parse) => parse.write(body),
            Self::Bind(bind) => bind.write(body),
            Self::Describe(named) | Self::Close(named) => named.write(body),
            Self::Execute(execute) => {
                body.string(execute.portal.as_bytes());
                body.i32(execute.max_rows);
            }
            Self::CopyData(data) => body.raw(data),
            Self::Password(password) => body.raw(&password.0),
            Self::FunctionCall(call) => call.write(body),
            Self::Sync | Self::Flush | Self::CopyDone | Self::Terminate => {}
        })
    }
}

impl Parse {
    /// Of a statement without parameters.
    pub(crate) fn plain(name: &Text, text: &Text) -> Self {
        Self { name: name.clone(), text: text.clone(), parameter_types: Vec::new() }
    }

    fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        let (name, text) = (body.text()?, body.text()?);
        let count = body.u16()?;
        let parameter_types = (0..count).map(|_| body.u32()).collect::<Result<_, _>>()?;
        Ok(Self { name, text, parameter_types })
    }

    fn write(&self, body: &mut Body<'_>) {
        body.string(self.name.as_bytes());
        body.string(self.text.as_bytes());
        body.count(self.parameter_types.len());
        for parameter in &self.parameter_types {
            body.u32(*parameter);
        }
    }
}

impl Bind {
    /// Of a statement without parameters, whose results come as text.
    pub(crate) fn plain(portal: &Text, statement: &Text) -> Self {
        Self {
            portal: portal.clone(),
            statement: statement.clone(),
            value_formats: Vec::new(),
            values: Vec::new(),
            result_formats: Vec::new(),
        }
    }

    fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        let (portal, statement) = (body.text()?, body.text()?);
        let (value_formats, values) = read_values(body)?;
        let result_formats = read_formats(body)?;
        Ok(Self { portal, statement, value_formats, values, result_formats })
    }

    fn write(&self, body: &mut Body<'_>) {
        body.string(self.portal.as_bytes());
        body.string(self.statement.as_bytes());
        write_values(body, &self.value_formats, &self.values);
        write_formats(body, &self.result_formats);
    }

    /// The values with their formats, in order.
    pub fn values(&self) -> impl Iterator<Item = (Format, Option<&Bytes>)> {
        let formats = (0..).map(|place| format_at(&self.value_formats, place));
        formats.zip(self.values.iter().map(Option::as_ref))
    }
}

impl FunctionCall {
    fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        let function = body.u32()?;
        let (argument_formats, arguments) = read_values(body)?;
        Ok(Self { function, argument_formats, arguments, result_format: body.format()? })
    }

    fn write(&self, body: &mut Body<'_>) {
        body.u32(self.function);
        write_values(body, &self.argument_formats, &self.arguments);
        body.format(self.result_format);
    }
}

/// The format that a list of format codes gives to the value at `place`: none for all text, one for all, or one each.
pub fn format_at(formats: &[Format], place: usize) -> Format {
    match formats {
        [] => Format::Text,
        [all] => *all,
        each => each.get(place).copied().unwrap_or_default(),
    }
}

fn read_formats(body: &mut Cursor) -> Result<Vec<Format>, ProtocolError> {
    let count = body.u16()?;
    (0..count).map(|_| body.format()).collect()
}

fn read_values(body: &mut Cursor) -> Result<(Vec<Format>, Vec<Option<Bytes>>), ProtocolError> {
    let formats = read_formats(body)?;
    let count = usize::from(body.u16()?);
    if formats.len() > 1 && formats.len() != count {
        return Err(body.malformed("it has another number of formats than of values"));
    }
    let values = (0..count).map(|_| body.value()).collect::<Result<_, _>>()?;
    Ok((formats, values))
}

fn write_formats(body: &mut Body<'_>, formats: &[Format]) {
    body.count(formats.len());
    for format in formats {
        body.format(*format);
    }
}

fn write_values(body: &mut Body<'_>, formats: &[Format], values: &[Option<Bytes>]) {
    write_formats(body, formats);
    body.count(values.len());
    for value in values {
        body.value(value.as_ref());
    }
}

#[cfg(test)]
mod tests;
