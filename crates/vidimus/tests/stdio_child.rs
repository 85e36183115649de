//! `vidimus stdio-child`: the stages as the gateway's own executable has them.

use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use vidimus_stdio::{Child, ChildLimits, Confinement, Launch, RunAs, Status};

const VIDIMUS: &str = env!("CARGO_BIN_EXE_vidimus");

#[tokio::test]
async fn the_executable_confines_and_supervises_a_server() {
    let data = tempfile::tempdir().unwrap();
    let mut confinement = Confinement::new(vec!["cat".to_owned()], vec![data.path().to_owned()]);
    confinement.run_as = rustix::process::geteuid().is_root().then_some(RunAs { uid: 65_534, gid: 65_534 });
    let mut launch = Launch::new(&["stdio-child", "supervise"], confinement, ChildLimits::default());
    launch.supervisor = VIDIMUS.into();

    let (child, mut messages) = Child::spawn(&launch).await.unwrap();
    child.send(Bytes::from_static(b"{\n}")).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(30), messages.next()).await.unwrap();
    assert_eq!(answer.unwrap(), "{ }");
    assert_eq!(child.close().await.status, Some(Status::Code(0)));
}

#[test]
fn nobody_starts_a_stage_by_hand() {
    for stage in ["supervise", "confine"] {
        let output = Command::new(VIDIMUS).args(["stdio-child", stage]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("only the gateway starts this"), "{said}");
    }
    let help = Command::new(VIDIMUS).arg("--help").output().unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("stdio-child"));
}
