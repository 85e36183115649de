//! An adapter sends a target bytes that were not decided on.
async fn send(upstream: vidimus_gate::Upstream<vidimus_net::HttpTarget>) {
    let _ = upstream.send(bytes::Bytes::from_static(b"{}"), http::HeaderMap::new()).await;
}

fn main() {
    let _ = send;
}
