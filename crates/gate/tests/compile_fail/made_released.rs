//! An adapter releases bytes that no record stands for.
fn main() {
    let _ = vidimus_gate::Released(bytes::Bytes::from_static(b"unrecorded"));
}
