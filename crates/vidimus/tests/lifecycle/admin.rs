//! Who the admin listener answers: programs on this machine, not pages in a browser on it (DNS rebinding).

use super::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_answers_to_its_own_names_only() {
    let world = World::start().await;
    let admin = world.gateway.admin;
    let status = |path: &str, headers: &str| {
        let answer = world.gateway.admin_answer(path, headers).unwrap();
        assert_eq!(answer.contains("vidimus_"), answer.starts_with("HTTP/1.1 200"), "{headers}: {answer}");
        answer.get(9..12).unwrap().to_owned()
    };
    for good in [format!("host: 127.0.0.1:{admin}"), format!("host: localhost:{admin}"), format!("host: [::1]:{admin}")]
    {
        assert_eq!(status("/metrics", &good), "200", "{good}");
    }
    for bad in [
        format!("host: rebound.example:{admin}"),
        "host: localhost".to_owned(),
        format!("host: localhost:{admin}\r\norigin: https://evil.example"),
        format!("host: localhost:{admin}\r\norigin: null"),
        format!("host: localhost:{admin}\r\nhost: rebound.example"),
        "x-no-host: 1".to_owned(),
    ] {
        for path in ["/metrics", "/healthz", "/readyz"] {
            assert_eq!(status(path, &bad), "403", "{bad}");
        }
    }
}
