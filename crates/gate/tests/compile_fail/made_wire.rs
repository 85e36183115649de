//! An adapter makes the bytes for a target by itself.
use std::sync::Arc;

fn forge(real: vidimus_gate::Wire) -> vidimus_gate::Wire {
    vidimus_gate::Wire { bytes: bytes::Bytes::from_static(b"{}"), ..real }
}

fn main() {
    let _ = Arc::new(forge);
}
