//! An adapter makes a writer to a target of its own, without the gate.
fn make(target: vidimus_net::HttpTarget) -> vidimus_gate::Upstream<vidimus_net::HttpTarget> {
    vidimus_gate::Upstream(target)
}

fn main() {
    let _ = make;
}
