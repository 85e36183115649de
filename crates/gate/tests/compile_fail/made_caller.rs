//! A session for somebody nobody has verified.
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const NEVER: vidimus_core::Timestamp = vidimus_core::Timestamp::from_seconds(1);

fn forge(principal: Arc<vidimus_core::Principal>) -> vidimus_gate::Caller {
    vidimus_gate::Caller { principal, address: IpAddr::V4(Ipv4Addr::LOCALHOST), client: None, scopes: Arc::default(), expires: NEVER }
}

fn main() {
    let _ = forge;
}
