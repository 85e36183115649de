//! What a program cannot do to other processes of its user, to the kernel and to the network; and what it still can.

use vidimus_stdio::Isolation;

use crate::sandbox::{Sandbox, next};

/// Prints each attempt with its error, or `done`. `$1` is a process of the same user.
const ATTEMPTS: &str = r"
import ctypes, errno, os, resource, sys
victim, numbers = int(sys.argv[1]), dict(word.split('=') for word in sys.argv[2:])
def attempt(name, call):
    try: call(); print(name, 'done', flush=True)
    except OSError as error: print(name, errno.errorcode[error.errno], flush=True)
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    def make():
        numbered = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
        if libc.syscall(ctypes.c_long(int(numbers[name])), *numbered) < 0: raise OSError(ctypes.get_errno(), '')
    attempt(name, make)
class Vector(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
memory = ctypes.create_string_buffer(4096)
own = Vector(ctypes.addressof(memory), 8)
attempt('file-size', lambda: resource.prlimit(victim, resource.RLIMIT_FSIZE, (4096, 4096)))
attempt('own-number', lambda: resource.prlimit(os.getpid(), resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
attempt('nice', lambda: os.setpriority(os.PRIO_PROCESS, victim, 15))
attempt('nice-user', lambda: os.setpriority(os.PRIO_USER, 0, 5))
attempt('affinity', lambda: os.sched_setaffinity(victim, os.sched_getaffinity(victim)))
attempt('scheduler', lambda: os.sched_setscheduler(victim, os.SCHED_BATCH, os.sched_param(0)))
call('ioprio_set', 1, victim, 3 << 13)
call('ioprio_set', 3, 0, 2 << 13)
call('process_vm_readv', os.getpid(), ctypes.byref(own), 1, ctypes.byref(own), 1, 0)
call('kcmp', os.getpid(), os.getpid(), 0, 0, 1)
call('pidfd_getfd', os.pidfd_open(os.getpid()), 0, 0)
call('io_uring_setup', 1, memory)
call('unshare', 0)
call('keyctl', 0, -3, 1)
call('x32', 0)
call('clone3', memory, 0)
";

/// `name=number` of each call that the attempts make by its number.
fn numbers() -> [String; 9] {
    let calls = [
        ("ioprio_set", libc::SYS_ioprio_set),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("kcmp", libc::SYS_kcmp),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("unshare", libc::SYS_unshare),
        ("keyctl", libc::SYS_keyctl),
        ("clone3", libc::SYS_clone3),
        ("x32", 0x4000_0000 + libc::SYS_getpid),
    ];
    calls.map(|(name, number)| format!("{name}={number}"))
}

/// What came of the attempts at a program of another session.
async fn attempts(isolation: Isolation) -> Vec<String> {
    let sandbox = Sandbox::new();
    let (victim, mut messages) = sandbox.shell("read line; echo $line > $TMPDIR/file && cat $TMPDIR/file").await;
    let words: Vec<String> = ["/usr/bin/python3", "-c", ATTEMPTS, &victim.id().to_string()]
        .into_iter()
        .map(str::to_owned)
        .chain(numbers())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut confinement = sandbox.confinement(&words);
    confinement.isolation = isolation;
    let found = sandbox.output_of(&sandbox.launch(confinement)).await;
    victim.send("written".into()).await.unwrap();
    assert_eq!(next(&mut messages).await.unwrap(), "written", "{found:?}");
    found
}

#[tokio::test]
async fn other_processes_of_its_user_are_out_of_reach() {
    let refused = attempts(Isolation::Landlock).await;
    let (last, others) = refused.split_last().unwrap();
    // Said not to exist, so that C libraries do without.
    assert_eq!(last, "clone3 ENOSYS");
    assert_eq!(others.len(), 15, "{refused:?}");
    assert!(others.iter().all(|line| line.ends_with(" EPERM")), "{refused:?}");
}

#[tokio::test]
async fn without_isolation_the_filter_is_not_there() {
    let found = attempts(Isolation::None).await;
    let done: Vec<&str> = found.iter().filter_map(|line| line.strip_suffix(" done")).collect();
    // Others may be refused by the container that the tests run in.
    for name in ["file-size", "nice", "affinity", "scheduler", "ioprio_set"] {
        assert!(done.contains(&name), "{name}: {found:?}");
    }
}

/// What servers do with themselves.
const ORDINARY: &str = r"
import asyncio, os, resource, socket, subprocess, threading
os.nice(1)
os.sched_setaffinity(0, os.sched_getaffinity(0))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
threads = [threading.Thread(target=os.getpid) for _ in range(4)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print(subprocess.run(['sh', '-c', 'echo child'], capture_output=True, text=True).stdout.strip())
async def started():
    process = await asyncio.create_subprocess_exec('true')
    return await process.wait()
print(asyncio.run(started()))
print(len(socket.if_nameindex()) > 0)
";

#[tokio::test]
async fn what_servers_do_with_themselves_works() {
    let sandbox = Sandbox::new();
    for network in [true, false] {
        let mut confinement = sandbox.confinement(&["/usr/bin/python3", "-c", ORDINARY]);
        confinement.network = network;
        assert_eq!(sandbox.output_of(&sandbox.launch(confinement)).await, ["child", "0", "True"]);
    }
}

/// Sends by each road to `$1`, a port of this machine.
const SENDING: &str = r"
import socket, sys
address = ('127.0.0.1', int(sys.argv[1]))
def attempt(name, family, kind, protocol=0):
    try:
        with socket.socket(family, kind, protocol) as opened: opened.connect(address)
        print(name, 'connected')
    except PermissionError: print(name, 'refused')
attempt('tcp', socket.AF_INET, socket.SOCK_STREAM)
attempt('udp', socket.AF_INET, socket.SOCK_DGRAM)
try: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close(); print('udp6 opened')
except PermissionError: print('udp6 refused')
except OSError: print('udp6 opened')
one, other = socket.socketpair(); one.send(b'x'); print('unix', other.recv(1).decode())
";

#[tokio::test]
async fn the_network_is_open_unless_it_is_refused() {
    let sandbox = Sandbox::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for (network, [tcp, udp, udp6]) in [
        (true, ["tcp connected", "udp connected", "udp6 opened"]),
        (false, ["tcp refused", "udp refused", "udp6 refused"]),
    ] {
        let mut confinement = sandbox.confinement(&["/usr/bin/python3", "-c", SENDING, &port]);
        confinement.network = network;
        assert_eq!(sandbox.output_of(&sandbox.launch(confinement)).await, [tcp, udp, udp6, "unix x"]);
    }
}
