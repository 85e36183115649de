//! Watches how much room is left for evidence where the data directory is (NIST SP 800-53 AU-4, AU-5(1)).
//!
//! The gate knows what each level means; this reads the file system and says it in words that name the directory. A
//! reading that fails leaves the last level in force and is said once.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use vidimus_gate::{Gate, Level, Thresholds};

/// How often the file system is asked.
const INTERVAL: Duration = Duration::from_secs(5);

/// Asks once and says what that means. Before the gateway serves, and then every few seconds.
pub(crate) fn observe(gate: &Gate, thresholds: &Thresholds, data_dir: &Path) -> io::Result<()> {
    let free = free(data_dir)?;
    let before = gate.capacity();
    let level = match gate.observe_space(free, thresholds) {
        Ok(level) => level,
        Err(error) => {
            tracing::error!(%error, free, "The room for evidence cannot be recorded");
            gate.capacity()
        }
    };
    if level != before {
        say(level, free, data_dir);
    }
    Ok(())
}

/// Watches until the gateway is told to stop.
pub(crate) async fn watch(
    gate: Gate,
    thresholds: Thresholds,
    data_dir: std::path::PathBuf,
    mut stop: watch::Receiver<bool>,
) {
    let mut is_blind = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
        }
        match observe(&gate, &thresholds, &data_dir) {
            Ok(()) => is_blind = false,
            Err(error) if !is_blind => {
                is_blind = true;
                tracing::error!(%error, data_dir = %data_dir.display(), "How much room is left cannot be told");
            }
            Err(_) => {}
        }
    }
}

/// Bytes free to this process in the file system of a directory.
fn free(directory: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(directory)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

fn say(level: Level, free: u64, data_dir: &Path) {
    let data_dir = data_dir.display();
    match level {
        Level::Ample => tracing::info!(free, %data_dir, "There is room for evidence again"),
        Level::Warning => tracing::warn!(free, %data_dir, "Room for evidence runs short: free some, or make it larger"),
        Level::Alarm => {
            tracing::error!(free, %data_dir, "Little room for evidence: soon nothing new will pass; free some");
        }
        Level::Stop => {
            tracing::error!(free, %data_dir, "Too little room for evidence: nothing new passes until some is free");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_room_and_what_is_none_has_not() {
        let directory = tempfile::tempdir().unwrap();
        assert!(free(directory.path()).unwrap() > 0);
        assert!(free(&directory.path().join("none")).is_err());
    }
}
