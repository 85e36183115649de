//! Leave to talk to a target without a session.
fn main() {
    let _ = vidimus_gate::Dial(());
}
