//! An operation that goes to the target without the gate's verdict.
fn skip(operation: vidimus_core::Operation) -> vidimus_gate::Admitted {
    vidimus_gate::Admitted::from(operation)
}

fn main() {
    let _ = skip;
}
