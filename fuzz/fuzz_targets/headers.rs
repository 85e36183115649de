//! The headers that repeat the body (MCP 2026-07-28): what is taken says the same as the body, and what the gateway itself
//! would send along with a message is taken.

#![no_main]

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use vidimus_core::json::Limits;
use vidimus_mcp::envelope::{Message, Sender};
use vidimus_mcp::modern::{self, ModernError};

const LIMITS: Limits = Limits { max_bytes: 1 << 16, max_depth: 32, max_nodes: 1 << 12 };
const NAMES: [&str; 4] = ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-param-region"];
/// A tool whose argument stands in a header too.
const SCHEMA: &str = r#"{"properties":{"region":{"type":"string","x-mcp-header":"Region"}}}"#;

// One header a line, then the message.
fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(NAMES.len() + 1, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in NAMES {
        let Some(line) = lines.next() else { return };
        if let (false, Ok(value)) = (line.is_empty(), HeaderValue::from_bytes(line)) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let body = Bytes::copy_from_slice(lines.next().unwrap_or_default());
    let Ok(message) = Message::parse(body, Sender::Client, &LIMITS) else { return };
    let says = |headers: &HeaderMap, name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(|value| value.trim().to_owned())
    };
    if modern::check(&headers, &message).is_ok() {
        assert_eq!(says(&headers, NAMES[0]).as_deref(), Some(modern::REVISION));
        assert_eq!(says(&headers, NAMES[1]).as_deref(), Some(&*message.method_name()));
        if let Some(name) = modern::name(&message)
            && let Some(sent) = says(&headers, NAMES[2])
        {
            assert!(sent == name || sent.starts_with("=?base64?"), "{sent} beside {name}");
        }
        let _ = modern::check_arguments(&headers, &message, &Bytes::from_static(SCHEMA.as_bytes()));
    }
    let own = modern::head(&message, &headers);
    if let Err(ModernError::Header(name)) = modern::check(&own, &message) {
        // Only a method that no revision has is not a plain header.
        assert!(name == NAMES[0] || !message.method().is_some_and(|method| method.is_modern()), "{name} of our own");
    }
});
