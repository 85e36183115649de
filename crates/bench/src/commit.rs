//! The bare group-commit loop: what waiting for a sync costs where the evidence goes, with nothing around it.
//!
//! Waiters ask for a frame to be durable, wait, and ask again; one loop takes all frames that wait, writes them with one
//! `pwrite` into a preallocated file, and syncs once (`fdatasync`). The wait is measured where the waiter stands, so it
//! contains the rest of the sync that was running when it asked. No gateway can wait less.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::histogram::Histogram;

/// The file is written round and round: as long as a journal segment would be.
const FILE_BYTES: u64 = 64 << 20;
/// Requests that may queue; every waiter has one at a time.
const QUEUE: usize = 1024;

/// What to do; the JSON argument of `bench-load commit`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// An existing directory on the file system in question.
    dir: PathBuf,
    waiters: usize,
    /// Bytes of one frame.
    frame: usize,
    seconds: f64,
}

/// Runs the loop and returns `{commits, batches, mean_us, p50_us, p99_us}`.
pub(crate) async fn run(settings: &str) -> Result<Value> {
    let settings: Settings = serde_json::from_str(settings).context("the settings are not what commit needs")?;
    let path = settings.dir.join("commit-loop");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    // Written, not only allocated: the first write to an allocated block changes metadata, a journal's steady state not.
    let zeros = vec![0; 1 << 20];
    for offset in (0..FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset)?;
    }
    file.sync_all()?;

    let (ask, asked) = mpsc::channel(QUEUE);
    let batches = tokio::task::spawn_blocking(move || commit(&file, asked, settings.frame));
    let deadline = Instant::now() + Duration::from_secs_f64(settings.seconds);
    let mut waiters = JoinSet::new();
    for _ in 0..settings.waiters {
        let ask = ask.clone();
        waiters.spawn(async move {
            let mut waits = Vec::new();
            while Instant::now() < deadline {
                let begin = Instant::now();
                let (done, durable) = oneshot::channel();
                ask.send(done).await.context("the loop ended")?;
                durable.await.context("the frame was not written")?;
                waits.push(u64::try_from(begin.elapsed().as_nanos())?);
            }
            anyhow::Ok(waits)
        });
    }
    drop(ask);
    let mut all = Histogram::default();
    while let Some(waits) = waiters.join_next().await {
        for wait in waits?? {
            all.record(wait);
        }
    }
    let batches = batches.await??;
    std::fs::remove_file(path)?;
    let microseconds = |nanoseconds: u64| Duration::from_nanos(nanoseconds).as_secs_f64() * 1e6;
    Ok(json!({
        "commits": all.count(), "batches": batches, "mean_us": microseconds(all.mean()),
        "p50_us": microseconds(all.quantile(0.5)), "p99_us": microseconds(all.quantile(0.99)),
    }))
}

/// Commits until nobody can ask any more; returns how many batches there were.
fn commit(file: &File, mut asked: mpsc::Receiver<oneshot::Sender<()>>, frame: usize) -> Result<u64> {
    let (mut waiting, mut batches, mut offset) = (Vec::with_capacity(QUEUE), 0, 0);
    while asked.blocking_recv_many(&mut waiting, QUEUE) > 0 {
        let batch = vec![b'x'; waiting.len() * frame];
        let length = u64::try_from(batch.len())?;
        if offset + length > FILE_BYTES {
            offset = 0;
        }
        file.write_all_at(&batch, offset)?;
        file.sync_data()?;
        offset += length;
        batches += 1;
        for done in waiting.drain(..) {
            // A waiter that has gone needs no answer.
            let _ = done.send(());
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_share_syncs() {
        let dir = tempfile::tempdir().unwrap();
        let settings = json!({ "dir": dir.path(), "waiters": 16, "frame": 1024, "seconds": 0.2 });
        let figures = run(&settings.to_string()).await.unwrap();
        let (commits, batches) = (figures["commits"].as_u64().unwrap(), figures["batches"].as_u64().unwrap());
        assert!(batches > 0 && commits > batches, "{figures}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it leaves nothing behind");
    }
}
