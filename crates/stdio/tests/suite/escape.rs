//! Programs that run from their end: chains of processes, each in a session of its own, that start the next in time.

use std::fs;
use std::time::Duration;

use landlock::{CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, Scope};
use vidimus_stdio::{Isolation, Launch};

use crate::sandbox::{LIMIT, Sandbox, is_alive, next};

/// Whoever is last goes on with the chain, the others stay. It ends by itself, should nothing else end it.
const PACED: &str = "
import os, time
print('ready', flush=True)
for link in range(1500):
    try: os.setsid()
    except PermissionError: pass
    time.sleep(0.02)
    if os.fork() > 0: time.sleep(60); os._exit(0)
";

/// The same as fast as it can, and nobody stays: whoever is looked at has gone.
const FAST: &str = "
import os, time
print('ready', flush=True)
end = time.monotonic() + 60
if os.fork() > 0: time.sleep(60)
while time.monotonic() < end:
    try: os.setsid()
    except PermissionError: pass
    if os.fork() > 0: os._exit(0)
";

/// Starts the chain and ends it: nothing of it may be left.
async fn end_of(sandbox: &Sandbox, launch: &mut Launch) {
    launch.limits.close = Duration::from_millis(300);
    launch.limits.terminate = Duration::from_millis(300);
    let (child, mut messages) = sandbox.start(launch).await;
    assert_eq!(next(&mut messages).await.unwrap(), "ready");
    tokio::time::timeout(LIMIT, child.close()).await.expect("it runs from its end");
    let marker = sandbox.path("marker").display().to_string();
    assert_eq!(living(&marker), 0, "some are left");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(living(&marker), 0, "one got away");
}

/// Processes with `text` in their command line.
fn living(text: &str) -> usize {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has_text = |pid: &u32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(text)
    };
    pids.filter(|pid: &u32| has_text(pid) && is_alive(*pid)).count()
}

fn chain(sandbox: &Sandbox, script: &str) -> Launch {
    let marker = sandbox.path("marker").display().to_string();
    sandbox.launch(sandbox.confinement(&["/usr/bin/python3", "-c", script, &marker]))
}

#[tokio::test]
async fn a_chain_of_processes_does_not_outrun_its_end() {
    let sandbox = Sandbox::new();
    end_of(&sandbox, &mut chain(&sandbox, PACED)).await;
    // Before Linux 6.12 a fast one can delay its end.
    if keeps_signals_inside() {
        end_of(&sandbox, &mut chain(&sandbox, FAST)).await;
    }
}

fn keeps_signals_inside() -> bool {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).scope(Scope::Signal);
    rules.and_then(Ruleset::create).is_ok()
}

#[tokio::test]
async fn nor_does_it_where_the_kernel_keeps_no_signals_inside() {
    let sandbox = Sandbox::new();
    let mut launch = chain(&sandbox, PACED);
    launch.confinement.isolation = Isolation::None;
    launch.arguments = vec!["supervise-without-landlock".into()];
    end_of(&sandbox, &mut launch).await;
}

#[tokio::test]
async fn the_end_of_one_session_is_no_end_of_others() {
    let sandbox = Sandbox::new();
    let (other, mut messages) = sandbox.shell("read line; echo there").await;
    let mut beside = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    end_of(&sandbox, &mut chain(&sandbox, PACED)).await;
    other.send("{}".into()).await.unwrap();
    assert_eq!(next(&mut messages).await.unwrap(), "there");
    assert_eq!(beside.try_wait().unwrap(), None, "a process of the gateway's was killed");
    beside.kill().unwrap();
    beside.wait().unwrap();
}
