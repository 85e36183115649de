//! A copy of a wire, an admission or a release.
fn copy(wire: &vidimus_gate::Wire, admitted: &vidimus_gate::Admitted, released: &vidimus_gate::Released) {
    let _: vidimus_gate::Wire = wire.clone();
    let _: vidimus_gate::Admitted = admitted.clone();
    let _: vidimus_gate::Released = released.clone();
}

fn main() {
    let _ = copy;
}
