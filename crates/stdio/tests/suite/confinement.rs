//! What a program cannot do: read, write, reach, inherit.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use rustix::io::{FdFlags, fcntl_setfd};
use vidimus_stdio::{Child, ChildError, Isolation, descends_from_this_process};

use crate::sandbox::{Sandbox, next};

/// Prints which of some attempts succeed.
const ATTEMPTS: &str = r#"
try() { name=$1; shift; if sh -c "$*" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
try read-granted   cat $SANDBOX/granted/file
try read-readable  cat $SANDBOX/readable/file
try read-data      cat $SANDBOX/data/file
try list-data      ls $SANDBOX/data
try read-key       cat $SANDBOX/keys/file
try read-elsewhere cat $SANDBOX/elsewhere/file
try read-link      cat $SANDBOX/granted/link/file
try read-hostname  cat /etc/hostname
try write-granted  "echo x > $SANDBOX/granted/new"
try write-scratch  'echo x > $TMPDIR/new && test "$HOME" = "$TMPDIR"'
try run-scratch    'cp /bin/true $TMPDIR/true && $TMPDIR/true'
try write-readable "echo x > $SANDBOX/readable/new"
try write-data     "echo x > $SANDBOX/data/new"
try empty-data     "truncate -s 0 $SANDBOX/data/file"
try remove-data    rm $SANDBOX/data/file
try move-data      mv $SANDBOX/data/file $SANDBOX/granted/stolen
try link-data      ln $SANDBOX/data/file $SANDBOX/granted/stolen
try write-tmp      "echo x > $SANDBOX/elsewhere/new"
try null           "echo x > /dev/null"
"#;

#[tokio::test]
async fn only_what_is_granted_can_be_read_and_written() {
    let sandbox = Sandbox::new();
    symlink(sandbox.path("data"), sandbox.path("granted/link")).unwrap();
    let allowed: Vec<String> = sandbox.output(ATTEMPTS).await;
    let succeeded: Vec<&str> = allowed.iter().filter_map(|line| line.strip_suffix(" yes")).collect();
    let expected = ["read-granted", "read-readable", "write-granted", "write-scratch", "run-scratch", "null"];
    assert_eq!(succeeded, expected);
    assert_eq!(allowed.len(), 19, "{allowed:?}");
    assert_eq!(fs::read_to_string(sandbox.path("data/file")).unwrap(), "content of data\n");
}

#[tokio::test]
async fn without_isolation_the_same_attempts_succeed() {
    let sandbox = Sandbox::new();
    let mut confinement = sandbox.confinement(&["sh", "-c", ATTEMPTS]);
    confinement.isolation = Isolation::None;
    let succeeded = sandbox.output_of(&sandbox.launch(confinement)).await;
    // So it is Landlock, and nothing else here, that refuses them.
    for name in ["read-data", "read-key", "write-data", "empty-data", "write-tmp"] {
        assert!(succeeded.contains(&format!("{name} yes")), "{succeeded:?}");
    }
}

#[tokio::test]
async fn another_session_has_another_scratch_directory_and_cannot_reach_this_one() {
    let sandbox = Sandbox::new();
    let script = "echo secret > $TMPDIR/file; chmod 777 $TMPDIR; chmod 666 $TMPDIR/file; echo $TMPDIR; read line";
    let (one, mut messages) = sandbox.shell(script).await;
    let scratch = next(&mut messages).await.unwrap();
    assert!(fs::read_to_string(format!("{scratch}/file")).is_ok());

    let attempt = format!("cat {scratch}/file 2>&1; ls {scratch} 2>&1; ls {scratch}/.. 2>&1; echo $TMPDIR");
    let seen = sandbox.output(&attempt).await;
    assert_eq!(seen.iter().filter(|line| line.contains("Permission denied")).count(), 3, "{seen:?}");
    assert_ne!(seen.last(), Some(&scratch));

    one.close().await;
    assert!(!fs::exists(&scratch).unwrap(), "the scratch directory is left");
}

#[tokio::test]
async fn the_environment_is_what_is_granted_and_nothing_else() {
    let sandbox = Sandbox::new();
    let mut confinement = sandbox.confinement(&["env"]);
    confinement.environment.0.insert("API_KEY".to_owned(), "hunter2".to_owned());
    let variables = sandbox.output_of(&sandbox.launch(confinement)).await;
    let mut names: Vec<&str> = variables.iter().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["API_KEY", "HOME", "LANG", "PATH", "SANDBOX", "TMPDIR"]);
    assert!(variables.contains(&"API_KEY=hunter2".to_owned()));
}

#[tokio::test]
async fn no_descriptor_is_inherited() {
    let sandbox = Sandbox::new();
    // One that the gateway was started with, and that every child of it therefore has.
    let leaked = File::open(sandbox.path("data/file")).unwrap();
    fcntl_setfd(&leaked, FdFlags::empty()).unwrap();
    // The shell becomes `ls`, so it lists its own; the last one is that of the listing.
    let descriptors = sandbox.output("exec ls /proc/self/fd").await;
    assert_eq!(descriptors, ["0", "1", "2", "3"]);
    drop(leaked);
}

#[tokio::test]
async fn the_process_is_bounded_and_unprivileged() {
    let sandbox = Sandbox::new();
    let mut confinement = sandbox.confinement(&[
        "sh",
        "-c",
        "ulimit -n; ulimit -Hc; umask; grep -E '^(NoNewPrivs|CapEff|Groups):' /proc/self/status; \
         id -u; cut -d' ' -f5,6 /proc/$$/stat; echo $$; pwd; echo $TMPDIR",
    ]);
    confinement.limits.open_files = Some(77);
    confinement.readable.push("/proc".into());
    let user = confinement.run_as.map_or(rustix::process::getuid().as_raw(), |user| user.uid).to_string();
    let lines = sandbox.output_of(&sandbox.launch(confinement)).await;
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    let [files, core, mask, capabilities @ .., id, group_and_session, pid, start, scratch] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!((*files, *core, *mask, *id), ("77", "0", "0077", user.as_str()));
    assert!(capabilities.contains(&"NoNewPrivs:\t1"), "{capabilities:?}");
    assert!(capabilities.contains(&"CapEff:\t0000000000000000"), "{capabilities:?}");
    if rustix::process::geteuid().is_root() {
        assert!(capabilities.contains(&"Groups:"), "{capabilities:?}");
    }
    assert_eq!(*group_and_session, format!("{pid} {pid}"));
    assert_eq!(start, scratch);
}

#[tokio::test]
async fn the_gateway_and_the_supervisor_cannot_be_signalled_or_looked_into() {
    let sandbox = Sandbox::new();
    let script = format!(
        "for pid in {} $PPID; do kill -0 $pid 2>/dev/null && echo signalled; \
         cat /proc/$pid/environ >/dev/null 2>&1 && echo read; cat /proc/$pid/cmdline >/dev/null 2>&1 && echo named; \
         done; echo done",
        std::process::id()
    );
    assert_eq!(sandbox.output(&script).await, ["done"]);
}

#[tokio::test]
async fn a_server_at_a_socket_of_the_gateway_is_refused_by_the_kernel_or_known_by_its_descent() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("data/vidimus.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    // A daemon in a session of its own, whose parent has gone.
    let script = format!(
        "import os, socket, time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n\
         s = socket.socket(socket.AF_UNIX)\ntry:\n s.connect('{}'); print('connected', flush=True); time.sleep(60)\n\
         except PermissionError: print('refused', flush=True); time.sleep(60)",
        path.display()
    );
    let shell = format!("/usr/bin/python3 -c \"{script}\"; read line");
    let (child, mut messages) = sandbox.shell(&shell).await;
    match next(&mut messages).await.as_deref() {
        Some("refused") => {}
        Some("connected") => {
            let (peer, _) = listener.accept().await.unwrap();
            let pid = peer.peer_cred().unwrap().pid().unwrap();
            assert_ne!(u32::try_from(pid).unwrap(), child.id());
            assert!(descends_from_this_process(u32::try_from(pid).unwrap()));
        }
        other => panic!("{other:?}"),
    }
    child.close().await;
}

#[tokio::test]
async fn a_stage_that_refuses_says_what_to_do() {
    let sandbox = Sandbox::new();
    // It is there and executable; its interpreter is not granted.
    let script = sandbox.path("granted/server");
    fs::write(&script, format!("#!{}\n", sandbox.path("elsewhere/interpreter").display())).unwrap();
    fs::copy("/bin/true", sandbox.path("elsewhere/interpreter")).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut confinement = sandbox.confinement(&[&script.display().to_string()]);
    let error = Child::spawn(&sandbox.launch(confinement.clone())).await.unwrap_err();
    assert!(matches!(&error, ChildError::Refused(reason) if reason.contains("(programs)")), "{error}");

    confinement.programs = vec![sandbox.path("elsewhere")];
    assert!(sandbox.output_of(&sandbox.launch(confinement.clone())).await.is_empty());

    confinement.working_dir = Some(sandbox.path("missing"));
    let error = Child::spawn(&sandbox.launch(confinement)).await.unwrap_err();
    assert!(matches!(&error, ChildError::Refused(reason) if reason.contains("cannot start in")), "{error}");
}
