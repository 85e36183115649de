//! How messages go, and how a program ends: by itself, told to, hung, with daemons, with the gateway.

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use vidimus_stdio::{Cause, ChildError, Ended, Status};

use crate::sandbox::{Sandbox, is_alive, next, until};

#[tokio::test]
async fn a_message_with_line_ends_arrives_as_exactly_one_line() {
    let sandbox = Sandbox::new();
    let (child, mut messages) = sandbox.shell("exec cat -A").await;
    let smuggled = "{\"id\":1,\"params\":{\r\n}\n}\r{\"id\":2,\"method\":\"tools/call\"}\n";
    child.send(Bytes::from(smuggled)).await.unwrap();
    child.send(Bytes::from_static(b"{}")).await.unwrap();
    // `cat -A` shows a line's end as `$` and a carriage return as `^M`.
    let first = next(&mut messages).await.unwrap();
    assert_eq!(first, "{\"id\":1,\"params\":{  } } {\"id\":2,\"method\":\"tools/call\"} $");
    assert_eq!(next(&mut messages).await.unwrap(), "{}$");
    assert_eq!(child.close().await, Ended { cause: Cause::Closed, status: Some(Status::Code(0)) });
    assert_eq!(next(&mut messages).await, None);
    assert!(matches!(child.send(Bytes::new()).await.unwrap_err(), ChildError::Ended(Some(_))));
}

#[tokio::test]
async fn a_server_may_finish_when_its_input_closes_and_says_how() {
    let sandbox = Sandbox::new();
    let (child, mut messages) = sandbox.shell("echo ready; cat > /dev/null; echo bye; exit 7").await;
    assert_eq!(next(&mut messages).await.unwrap(), "ready");
    assert_eq!(child.close().await, Ended { cause: Cause::Closed, status: Some(Status::Code(7)) });
    assert_eq!(next(&mut messages).await.unwrap(), "bye");
}

#[tokio::test]
async fn what_was_queued_is_written_before_the_input_closes() {
    let sandbox = Sandbox::new();
    let (child, mut messages) = sandbox.shell("sleep 0.3; exec cat").await;
    for number in 0..10 {
        child.send(Bytes::from(format!("{number}"))).await.unwrap();
    }
    child.close().await;
    for number in 0..10 {
        assert_eq!(next(&mut messages).await.unwrap(), format!("{number}"));
    }
}

#[tokio::test]
async fn a_server_that_stays_gets_sigterm_and_then_sigkill() {
    let sandbox = Sandbox::new();
    for (trap, status) in [("exit 9", Status::Code(9)), ("", Status::Signal(9))] {
        let script = format!("trap '{trap}' TERM; echo ready; while :; do sleep 0.1; done");
        let mut launch = sandbox.launch(sandbox.confinement(&["sh", "-c", &script]));
        launch.limits.close = Duration::from_millis(100);
        launch.limits.terminate = Duration::from_secs(if trap.is_empty() { 1 } else { 20 });
        let (child, mut messages) = sandbox.start(&launch).await;
        assert_eq!(next(&mut messages).await.unwrap(), "ready");
        assert_eq!(child.close().await, Ended { cause: Cause::Closed, status: Some(status) });
        assert!(!is_alive(child.id()));
    }
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_said_so() {
    let sandbox = Sandbox::new();
    for (script, status) in [("exit 3", Status::Code(3)), ("kill -SEGV $$", Status::Signal(11))] {
        let (child, mut messages) = sandbox.shell(script).await;
        assert_eq!(next(&mut messages).await, None);
        assert_eq!(child.ended().await, Ended { cause: Cause::Itself, status: Some(status) });
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_is_hung_and_killed() {
    let sandbox = Sandbox::new();
    let mut launch = sandbox.launch(sandbox.confinement(&["sleep", "1000"]));
    launch.limits.write = Duration::from_millis(300);
    let (child, _messages) = sandbox.start(&launch).await;
    let large = Bytes::from(vec![b' '; 1 << 20]);
    let start = Instant::now();
    child.send(large).await.unwrap();
    assert_eq!(child.ended().await, Ended { cause: Cause::Hung, status: Some(Status::Signal(9)) });
    assert!(start.elapsed() >= launch.limits.write);
    assert!(!is_alive(child.id()));
}

#[tokio::test]
async fn a_server_that_closes_its_output_and_stays_is_ended() {
    let sandbox = Sandbox::new();
    let mut launch = sandbox.launch(sandbox.confinement(&["sh", "-c", "exec >&-; sleep 1000"]));
    launch.limits.close = Duration::from_millis(100);
    let (child, mut messages) = sandbox.start(&launch).await;
    assert_eq!(next(&mut messages).await, None);
    assert_eq!(child.ended().await, Ended { cause: Cause::Deaf, status: Some(Status::Signal(15)) });
}

#[tokio::test]
async fn a_line_beyond_the_limit_ends_the_server() {
    let sandbox = Sandbox::new();
    let script = "echo short; head -c 2000000 /dev/zero | tr '\\0' x; sleep 1000";
    let mut launch = sandbox.launch(sandbox.confinement(&["sh", "-c", script]));
    launch.limits.message = 1_000_000;
    let (child, mut messages) = sandbox.start(&launch).await;
    assert_eq!(next(&mut messages).await.unwrap(), "short");
    assert_eq!(next(&mut messages).await, None);
    assert_eq!(child.ended().await, Ended { cause: Cause::TooLong, status: Some(Status::Signal(9)) });
}

#[tokio::test]
async fn a_slow_reader_makes_the_server_wait_and_loses_nothing() {
    let sandbox = Sandbox::new();
    let script =
        "line=$(head -c 9999 /dev/zero | tr '\\0' x); for i in $(seq 500); do echo \"$line\"; done; echo all >&2";
    let mut launch = sandbox.launch(sandbox.confinement(&["sh", "-c", script]));
    launch.limits.queue = 4;
    let (_child, mut messages) = sandbox.start(&launch).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(sandbox.log().is_empty(), "five megabytes went somewhere");
    let mut count = 0;
    while let Some(message) = next(&mut messages).await {
        assert_eq!(message.len(), 9_999);
        count += 1;
    }
    assert_eq!(count, 500);
    until("the end of the log", || sandbox.log() == "all\n").await;
}

#[tokio::test]
async fn a_flood_on_standard_error_is_bounded_and_stops_nothing() {
    let sandbox = Sandbox::new();
    let script = "head -c 3000000 /dev/zero | tr '\\0' '\\n' >&2 & yes 0123456789 >&2 & exec cat";
    let mut launch = sandbox.launch(sandbox.confinement(&["sh", "-c", script]));
    launch.limits.log.bytes_per_second = 64 << 10;
    let start = Instant::now();
    let (child, mut messages) = sandbox.start(&launch).await;
    for number in 0..20 {
        child.send(Bytes::from(format!("{number}"))).await.unwrap();
        assert_eq!(next(&mut messages).await.unwrap(), format!("{number}"));
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    child.close().await;
    let (taken, seconds) = (sandbox.log().len(), usize::try_from(start.elapsed().as_secs()).unwrap() + 1);
    // A read more than the limit in each second, and what is in the pipe at the end.
    assert!(taken > 64 << 10 && taken <= (72 << 10) * seconds + (128 << 10), "{taken} bytes in {seconds} s");
}

/// Starts a daemon: a session of its own, no parent. It writes its id.
const DAEMON: &str = "setsid -f sh -c 'trap \"\" TERM HUP; echo $$; exec >&- 2>&- <&-; while :; do sleep 1; done'";

#[tokio::test]
async fn a_daemon_does_not_outlive_its_session() {
    let sandbox = Sandbox::new();
    let (child, mut messages) = sandbox.shell(&format!("{DAEMON}; cat")).await;
    let daemon: u32 = next(&mut messages).await.unwrap().parse().unwrap();
    assert!(is_alive(daemon));
    assert_eq!(child.close().await.status, Some(Status::Code(0)));
    assert!(!is_alive(daemon), "the daemon lives");
}

#[tokio::test]
async fn a_daemon_does_not_outlive_a_server_that_ends_by_itself() {
    let sandbox = Sandbox::new();
    let (child, mut messages) = sandbox.shell(&format!("{DAEMON}; sleep 0.2")).await;
    let daemon: u32 = next(&mut messages).await.unwrap().parse().unwrap();
    assert!(is_alive(daemon));
    assert_eq!(child.ended().await, Ended { cause: Cause::Itself, status: Some(Status::Code(0)) });
    assert!(!is_alive(daemon), "the daemon lives");
}

#[tokio::test]
async fn what_nobody_holds_is_killed() {
    let sandbox = Sandbox::new();
    let (child, mut messages) = sandbox.shell(&format!("{DAEMON}; trap '' TERM; while :; do sleep 1; done")).await;
    let daemon: u32 = next(&mut messages).await.unwrap().parse().unwrap();
    let leader = child.id();
    drop(child);
    until("the end of both", || !is_alive(daemon) && !is_alive(leader)).await;
}

#[tokio::test]
async fn a_server_whose_messages_nobody_reads_is_closed() {
    let sandbox = Sandbox::new();
    let (child, messages) = sandbox.shell("exec cat").await;
    drop(messages);
    assert_eq!(child.ended().await, Ended { cause: Cause::Closed, status: Some(Status::Code(0)) });
}

#[test]
fn a_gateway_that_dies_takes_its_servers_with_it() {
    let sandbox = Sandbox::new();
    let gateway = tokio::runtime::Runtime::new().unwrap();
    let (daemon, leader, held) = gateway.block_on(async {
        let (child, mut messages) = sandbox.shell(&format!("{DAEMON}; trap '' TERM; while :; do sleep 1; done")).await;
        let daemon: u32 = next(&mut messages).await.unwrap().parse().unwrap();
        (daemon, child.id(), (child, messages))
    });
    // Nothing of the gateway runs any more; its sockets close, as the kernel would close them.
    gateway.shutdown_background();
    let watching = tokio::runtime::Runtime::new().unwrap();
    watching.block_on(until("the end of both", || !is_alive(daemon) && !is_alive(leader)));
    watching.block_on(until("the end of the scratch directory", || {
        fs::read_dir(sandbox.path("scratch")).unwrap().flatten().all(|entry| entry.path().is_file())
    }));
    drop(held);
}

#[tokio::test]
async fn a_server_whose_supervisor_is_killed_dies() {
    let sandbox = Sandbox::new();
    let (child, mut messages) = sandbox.shell("echo $PPID; while :; do sleep 1; done").await;
    let supervisor: i32 = next(&mut messages).await.unwrap().parse().unwrap();
    kill_process(Pid::from_raw(supervisor).unwrap(), Signal::KILL).unwrap();
    assert_eq!(child.ended().await.status, None);
    until("the end", || !is_alive(child.id())).await;
}
