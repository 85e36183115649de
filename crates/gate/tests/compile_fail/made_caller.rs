//! A session for somebody nobody has verified.
use std::net::IpAddr;
use std::sync::Arc;

const NEVER: vidimus_core::Timestamp = vidimus_core::Timestamp::from_seconds(1);

fn forge(principal: Arc<vidimus_core::Principal>, address: IpAddr) -> vidimus_gate::Caller {
    let (scopes, expires) = (Arc::default(), NEVER);
    vidimus_gate::Caller { principal, address, client: None, scopes, expires, subject: None, grant: None, chain: None, is_counted: true }
}

fn main() {
    let _ = forge;
}
