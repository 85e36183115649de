//! What the kernel says about a process: CPU time and resident memory (proc(5)).

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How long background work may go on after a run.
const QUIET_LIMIT: Duration = Duration::from_secs(30);
/// A process is quiet when it used less than `QUIET_CPU_SECONDS` in so long.
const QUIET_SAMPLE: Duration = Duration::from_millis(500);
const QUIET_CPU_SECONDS: f64 = 0.03;
/// Ticks of the CPU times in /proc (`USER_HZ`): 100 on every Linux we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that runs, by its id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proc(pub(super) u32);

impl Proc {
    /// CPU seconds used so far, by all threads, in user and kernel mode.
    pub(super) fn cpu_seconds(self) -> Result<f64> {
        self.times(11)
    }

    /// Those of its children that have ended and were waited for.
    pub(super) fn childrens_cpu_seconds(self) -> Result<f64> {
        self.times(13)
    }

    /// Two fields of `stat`, user and kernel mode, so many after the name: `utime` is field 14 of all, `cutime` 16.
    fn times(self, skipped: usize) -> Result<f64> {
        // The second field, the name, ends with the last `)` and may hold spaces.
        let stat = self.read("stat")?;
        let (_, fields) = stat.rsplit_once(')').context("an unknown form of /proc/PID/stat")?;
        let ticks = fields.split_whitespace().skip(skipped).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        Ok(ticks / TICKS_PER_SECOND)
    }

    /// CPU seconds used, once background work is done.
    pub(super) fn cpu_seconds_when_quiet(self) -> Result<f64> {
        let deadline = Instant::now() + QUIET_LIMIT;
        let mut last = self.cpu_seconds()?;
        loop {
            std::thread::sleep(QUIET_SAMPLE);
            let now = self.cpu_seconds()?;
            if now - last < QUIET_CPU_SECONDS || Instant::now() > deadline {
                return Ok(now);
            }
            last = now;
        }
    }

    /// Resident memory, in bytes.
    pub(super) fn resident(self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most there was.
    pub(super) fn peak_resident(self) -> Result<u64> {
        self.status("VmHWM:")
    }

    fn status(self, field: &str) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no memory in /proc/PID/status")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    fn read(self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}
