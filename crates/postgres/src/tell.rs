//! What the gateway tells a client of a refusal: errors in the form of the protocol.

use bytes::{Bytes, BytesMut};

use crate::backend::BackendMessage;
use crate::notice::Notice;

/// An error of the gateway's, as the client is told.
pub(crate) fn error(code: &str, message: &str, detail: Option<&str>) -> Bytes {
    let mut out = BytesMut::new();
    // What does not fit into a message is not said.
    let _ = BackendMessage::ErrorResponse(Notice::error(code, message, detail, None)).encode(&mut out);
    out.freeze()
}

/// The same of one that ends the connection.
pub(crate) fn fatal(code: &str, message: &str) -> Bytes {
    let mut out = BytesMut::new();
    // What does not fit into a message is not said.
    let _ = BackendMessage::ErrorResponse(Notice::fatal(code, message, None, None)).encode(&mut out);
    out.freeze()
}
