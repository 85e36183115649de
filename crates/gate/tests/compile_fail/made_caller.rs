//! A session for somebody nobody has verified.
use std::net::IpAddr;
use std::sync::Arc;

const NEVER: vidimus_core::Timestamp = vidimus_core::Timestamp::from_seconds(1);

fn forge(principal: Arc<vidimus_core::Principal>, address: IpAddr) -> vidimus_gate::Caller {
    vidimus_gate::Caller { principal, address, client: None, scopes: Arc::default(), expires: NEVER, subject: None }
}

fn main() {
    let _ = forge;
}
