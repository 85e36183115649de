//! An adapter answers a client with bytes of a target.
fn answer(from_target: bytes::Bytes) -> vidimus_gate::ReleasedBody {
    vidimus_gate::ReleasedBody::whole(from_target)
}

fn main() {
    let _ = answer;
}
