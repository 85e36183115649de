//! One admission, two dispatches.
async fn send(
    upstream: vidimus_gate::Upstream<vidimus_net::HttpTarget>,
    wire: vidimus_gate::Wire,
) {
    let _ = upstream.send(wire, http::HeaderMap::new()).await;
    let _ = upstream.send(wire, http::HeaderMap::new()).await;
}

fn main() {
    let _ = send;
}
