//! What evidence costs: `cargo run --release -p vidimus-log --example bench_append [DIRECTORY [ROUNDS [CASE]]]`
//!
//! One line of JSON per case and round: appends of a 700-byte event by 1 and 64 threads, as the gateway appends: `async`
//! (returns when written) and `strict` (written with the sync that makes it durable, and waited for until then), beside the
//! bare loop that does nothing but write and `fdatasync` for all who wait, which no log can beat. `cpu_us` is user and
//! system time of the whole process, background work included. Rounds are interleaved and the last lines give the medians
//! of what `strict` reaches of the bare loop in its own round, as a machine that changes its speed changes it for both.
//! With a CASE only that one is run, to be profiled.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use vidimus_log::{AppendError, Entry, FileSystem, JournalKey, Log, Options, Signer};

const EVENT_BYTES: usize = 700;
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(1);
/// Appended before it is measured: more than is written between two checkpoints, so that segments are used again, as in the
/// long run, and not made.
const WARM_UP_BYTES: usize = 5 << 26;
const FILE_BYTES: u64 = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let place = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let rounds = arguments.next().map_or(Ok(ROUNDS), |rounds| rounds.to_string_lossy().parse())?;
    let only = arguments.next();
    let dir = tempfile::tempdir_in(place)?;
    for threads in [1, 64] {
        let (mut speeds, mut costs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let case =
                |name| only.is_none() || only.as_ref().is_some_and(|only| only == format!("{name}-{threads}").as_str());
            let bare = case("bare").then(|| bare(dir.path(), threads)).transpose()?;
            let strict = case("strict").then(|| log(dir.path(), threads, "strict")).transpose()?;
            if let (Some(bare), Some(strict)) = (bare, strict) {
                speeds.push(strict.per_second / bare.per_second);
                costs.push(strict.cpu_us - bare.cpu_us);
            }
            case("async").then(|| log(dir.path(), threads, "async")).transpose()?;
        }
        let (Some(speed), Some(cost)) = (median(speeds), median(costs)) else { continue };
        writeln!(
            std::io::stdout(),
            "{{\"case\":\"strict beside bare\",\"threads\":{threads},\"of_bare_speed\":{speed:.2},\
             \"more_cpu_us\":{cost:.1}}}"
        )?;
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What a case gave.
struct Measured {
    per_second: f64,
    cpu_us: f64,
}

fn log(dir: &Path, threads: u64, mode: &'static str) -> Result<Measured, Box<dyn Error>> {
    let dir = dir.join(format!("{mode}-{threads}"));
    let signer = Signer::from_seed("bench", &[1; 32])?;
    let (log, _) = Log::open(Arc::new(FileSystem), Options::new(&dir, "bench", JournalKey::new(&[1; 32])), signer)?;
    warm_up(&log)?;
    let refused = AtomicU64::new(0);
    let event = vec![b'x'; EVENT_BYTES];
    let entries = [Entry::Leaf(&event)];
    let measured = measure(
        mode,
        threads,
        || {
            let appended = loop {
                match if mode == "strict" { log.append_to_sync(&entries) } else { log.append(&entries) } {
                    Ok(appended) => break appended,
                    Err(AppendError::Full { .. }) => {
                        refused.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Err(error) => return Err(error),
                }
            };
            if mode == "strict" { log.durable(appended.position).wait() } else { Ok(()) }
        },
        || {
            let status = log.status();
            format!(
                ",\"syncs\":{},\"refused\":{},\"in_checkpoint\":{}",
                status.syncs,
                refused.load(Ordering::Relaxed),
                status.integrated
            )
        },
    )?;
    log.close()?;
    std::fs::remove_dir_all(dir)?;
    Ok(measured)
}

/// Appends without waiting, then waits until all of it is integrated.
fn warm_up(log: &Log) -> Result<(), AppendError> {
    let event = [b'x'; EVENT_BYTES];
    let entries = [Entry::Leaf(&event); 64];
    for _ in 0..WARM_UP_BYTES / EVENT_BYTES / entries.len() {
        while let Err(error) = log.append(&entries) {
            if !matches!(error, AppendError::Full { .. }) {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    while log.status().integrated < log.status().appended {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Runs `append` on all threads for [`TIME`] and prints a line.
fn measure<E: Error + Send + 'static>(
    mode: &str,
    threads: u64,
    append: impl Fn() -> Result<(), E> + Sync,
    details: impl Fn() -> String,
) -> Result<Measured, Box<dyn Error>> {
    let stop = AtomicBool::new(false);
    let (started, cpu) = (Instant::now(), cpu_time()?);
    let counts = std::thread::scope(|scope| {
        let run = || {
            let mut count = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                append()?;
                count += 1;
            }
            Ok::<_, E>(count)
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        std::thread::sleep(TIME);
        stop.store(true, Ordering::Relaxed);
        running.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")).collect::<Result<Vec<_>, _>>()
    })?;
    let mut count = 0_u32;
    for each in counts {
        count += u32::try_from(each?)?;
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_time()?.saturating_sub(cpu).as_secs_f64());
    let (count, clients) = (f64::from(count), f64::from(u32::try_from(threads)?));
    let measured = Measured { per_second: count / seconds, cpu_us: cpu * 1e6 / count };
    writeln!(
        std::io::stdout(),
        "{{\"case\":\"{mode}\",\"threads\":{threads},\"appends_per_second\":{:.0},\"mean_us\":{:.1},\"cpu_us\":{:.1}{}}}",
        measured.per_second,
        seconds * clients * 1e6 / count,
        measured.cpu_us,
        details()
    )?;
    Ok(measured)
}

/// User and system time of this process (`/proc/self/stat`, in ticks of 10 ms).
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("no stat")?.1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// How many frames were asked for, and how many are durable.
#[derive(Default)]
struct Asked {
    wanted: u64,
    durable: u64,
    stop: bool,
}

fn bare(dir: &Path, threads: u64) -> Result<Measured, Box<dyn Error>> {
    let file = File::create(dir.join("bare"))?;
    let zeros = vec![0; 1 << 20];
    for offset in (0..FILE_BYTES).step_by(1 << 20) {
        file.write_all_at(&zeros, offset)?;
    }
    file.sync_all()?;
    let (asked, work, done) = (Mutex::new(Asked::default()), Condvar::new(), Condvar::new());
    let lock = || asked.lock().unwrap_or_else(PoisonError::into_inner);
    let syncs = AtomicU64::new(0);
    let measured = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut offset = 0;
            loop {
                let idle = |asked: &mut Asked| asked.wanted == asked.durable && !asked.stop;
                let (from, to, stop) = {
                    let asked = work.wait_while(lock(), idle).unwrap_or_else(PoisonError::into_inner);
                    (asked.durable, asked.wanted, asked.stop)
                };
                if stop {
                    return Ok::<_, std::io::Error>(());
                }
                let bytes = vec![1; usize::try_from(to - from).unwrap_or(0) * EVENT_BYTES];
                if offset + FILE_BYTES / 8 > FILE_BYTES {
                    offset = 0;
                }
                file.write_all_at(&bytes, offset)?;
                offset += u64::try_from(bytes.len()).unwrap_or(0);
                file.sync_data()?;
                syncs.fetch_add(1, Ordering::Relaxed);
                lock().durable = to;
                done.notify_all();
            }
        });
        let append = || {
            let mut asked = lock();
            asked.wanted += 1;
            let mine = asked.wanted;
            work.notify_one();
            drop(done.wait_while(asked, |asked| asked.durable < mine).unwrap_or_else(PoisonError::into_inner));
            Ok::<_, std::io::Error>(())
        };
        let measured = measure("bare", threads, append, || format!(",\"syncs\":{}", syncs.load(Ordering::Relaxed)));
        lock().stop = true;
        work.notify_all();
        writer.join().map_err(|_| "the writer panicked")??;
        measured
    })?;
    std::fs::remove_file(dir.join("bare"))?;
    Ok(measured)
}
