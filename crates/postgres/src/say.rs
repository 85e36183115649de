//! What the gateway says itself, without content: signals to clients and servers, in the form of the protocol.

use vidimus_credential::scram::MECHANISM;
use vidimus_gate::Signal;

use crate::backend::{NegotiateProtocolVersion, TransactionStatus};
use crate::frontend::REFUSED;

/// A message of this type with this body.
fn message(tag: u8, body: &Signal) -> Signal {
    framed(Signal::tagged(tag), body)
}

fn framed(head: Signal, body: &Signal) -> Signal {
    // A signal is short: its length always fits.
    head.long(u32::try_from(body.len() + 4).unwrap_or(u32::MAX)).then(body)
}

/// The answer to a request for encryption.
pub(crate) fn encryption(is_there: bool) -> Signal {
    Signal::tagged(if is_there { b'S' } else { b'N' })
}

/// `SSLRequest`
pub(crate) fn ssl_request() -> Signal {
    framed(Signal::default(), &Signal::default().long(80_877_103))
}

/// `CancelRequest` (protocol 3.0).
pub(crate) fn cancel(process: u32, key: u32) -> Signal {
    framed(Signal::default(), &Signal::default().long(80_877_102).long(process).long(key))
}

/// `AuthenticationCleartextPassword`
pub(crate) fn password_wanted() -> Signal {
    message(b'R', &Signal::default().long(3))
}

/// `AuthenticationSASL`: by SCRAM-SHA-256, without channel binding.
pub(crate) fn proof_wanted() -> Signal {
    message(b'R', &Signal::default().long(10).words(MECHANISM).byte(0).byte(0))
}

/// `AuthenticationSASLContinue`
pub(crate) fn challenge(data: &Signal) -> Signal {
    message(b'R', &Signal::default().long(11).then(data))
}

/// `AuthenticationSASLFinal`
pub(crate) fn own_proof(data: &Signal) -> Signal {
    message(b'R', &Signal::default().long(12).then(data))
}

/// `AuthenticationOk`
pub(crate) fn let_in() -> Signal {
    message(b'R', &Signal::default().long(0))
}

/// `ParameterStatus`
pub(crate) fn setting(name: &str, value: &str) -> Signal {
    message(b'S', &Signal::default().name(name).byte(0).name(value).byte(0))
}

/// `BackendKeyData` (protocol 3.0).
pub(crate) fn key(process: u32, key: u32) -> Signal {
    message(b'K', &Signal::default().long(process).long(key))
}

/// `ReadyForQuery`
pub(crate) fn ready(status: TransactionStatus) -> Signal {
    message(b'Z', &Signal::default().byte(status.code()))
}

/// `Sync`
pub(crate) fn sync() -> Signal {
    message(b'S', &Signal::default())
}

/// `Flush`
pub(crate) fn flush() -> Signal {
    message(b'H', &Signal::default())
}

/// `Terminate`
pub(crate) fn terminate() -> Signal {
    message(b'X', &Signal::default())
}

/// `CopyDone`
pub(crate) fn copy_done() -> Signal {
    message(b'c', &Signal::default())
}

/// `CopyFail`; why stays with the client.
pub(crate) fn copy_fail() -> Signal {
    message(b'f', &Signal::default().words("the client has given up").byte(0))
}

/// What has the server refuse a simple query.
pub(crate) fn failing_query() -> Signal {
    message(b'Q', &Signal::default().words(REFUSED).byte(0))
}

/// What has the server refuse a batch. It has a name, for without one it would end the unnamed statement.
pub(crate) fn failing_parse() -> Signal {
    message(b'P', &Signal::default().words(REFUSED).byte(0).words(REFUSED).byte(0).short(0))
}

/// `ErrorResponse` that ends the connection.
pub(crate) fn fatal(code: &'static str, text: &'static str) -> Signal {
    report(b'E', "FATAL", code, text, "")
}

/// The same about something that has a name.
pub(crate) fn fatal_about(code: &'static str, text: &'static str, name: &str) -> Signal {
    report(b'E', "FATAL", code, text, name)
}

/// `NoticeResponse`
pub(crate) fn notice(text: &'static str, name: &str) -> Signal {
    report(b'N', "NOTICE", "00000", text, name)
}

fn report(tag: u8, severity: &'static str, code: &'static str, text: &'static str, name: &str) -> Signal {
    let field = |letter: u8, words: &'static str| Signal::tagged(letter).words(words).byte(0);
    let text = Signal::tagged(b'M').words(text).name(name).byte(0);
    let body = field(b'S', severity).then(&field(b'V', severity)).then(&field(b'C', code)).then(&text).byte(0);
    message(tag, &body)
}

/// `NegotiateProtocolVersion`
pub(crate) fn version(negotiation: &NegotiateProtocolVersion) -> Signal {
    let count = u32::try_from(negotiation.options.len()).unwrap_or_default();
    let options = negotiation.options.iter().map(|option| String::from_utf8_lossy(option));
    let head = Signal::default().long(negotiation.version).long(count);
    message(b'v', &options.fold(head, |body, option| body.name(&option).byte(0)))
}
