//! `vidimus sessions export` and `vidimus export`: archives out of the gateway.
//!
//! The gateway writes; here the archive is received under a temporary name, checked, made durable, and only then given the
//! name that was asked for, which never replaces a file. Cut off at any moment (Ctrl-C, a lost connection, a full disk)
//! there is no such file, and nothing of a half-written one is left but after a kill that cannot be caught.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use vidimus_gate::{Gate, Selection};
use vidimus_log::Trust;
use vidimus_log::archive::{ArchiveReport, Outcome};

use crate::cli::ExportOptions;
use crate::output::{self, counted, printable};
use crate::{api, archive_stream, client, evidence_api, serve};

/// How often it says how far it is; what takes less says nothing.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Exports a selection.
pub(crate) async fn run(selection: Selection, options: &ExportOptions, out: &mut impl Write) -> anyhow::Result<()> {
    let mut file = Unfinished::create(&options.out)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let bytes = tokio::select! {
        received = receive(selection, options, &mut file) => received?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted; nothing was exported to {}", options.out.display()),
        _ = terminate.recv() => anyhow::bail!("told to stop; nothing was exported to {}", options.out.display()),
    };
    // The key that the archive names: whether it holds together is what is asked here, not whose it is.
    let report = vidimus_verify::check(&file.path, &Trust::default(), &mut io::stderr())?;
    if report.outcome() == Outcome::Refuted {
        write!(io::stderr(), "{}", report.to_text())?;
        anyhow::bail!(
            "the archive that was written does not hold, so it is not kept; run `vidimus log verify --recordings`"
        );
    }
    file.finish()?;
    let write = if options.output.json { write_json } else { write_text };
    Ok(write(&report, &options.out, bytes, out)?)
}

/// Receives the archive, from the running gateway or from one that is opened for this alone; gives its bytes.
async fn receive(selection: Selection, options: &ExportOptions, file: &mut Unfinished) -> anyhow::Result<u64> {
    let mut out = BufWriter::new(&mut file.file);
    let bytes = if options.offline {
        let config = options.gateway.config()?;
        let opened = serve::open(&config, Registry::default())
            .await
            .context("the data directory cannot be opened; while a gateway runs on it, leave --offline out")?;
        let written = write_offline(&opened.gate, selection, &mut out).await;
        // The stop is recorded whatever became of the export.
        let stopped = opened.gate.stop().await;
        let bytes = written?;
        stopped?;
        bytes
    } else {
        let path = format!("{}?{}", api::EXPORT, api::export_query(&selection));
        let mut told = Instant::now();
        client::download(&options.gateway.places()?.1, &path, &mut out, |bytes| {
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                // Nothing is lost when nobody reads it.
                let _ = writeln!(io::stderr(), "received {} MiB", bytes >> 20);
            }
        })
        .await?
    };
    out.flush()?;
    Ok(bytes)
}

async fn write_offline(gate: &Gate, selection: Selection, out: &mut impl Write) -> anyhow::Result<u64> {
    let principal = evidence_api::local_principal(rustix::process::geteuid().as_raw());
    let described = api::export_query(&selection);
    let export = gate.viewer().export(&principal, selection, &described).await?;
    let by = principal.id();
    // Written in memory-sized pieces to a file of this process: no other task of this runtime has anything to do.
    let mut counted = Counted { out, bytes: 0 };
    archive_stream::write(export, by, described, &mut counted)?;
    Ok(counted.bytes)
}

struct Counted<'a, W> {
    out: &'a mut W,
    bytes: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A file that has its name only once it is whole. Dropped before, it is removed.
struct Unfinished {
    file: File,
    path: PathBuf,
    wanted: PathBuf,
    is_finished: bool,
}

impl Unfinished {
    fn create(wanted: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(!wanted.exists(), "{} exists already; name another file", wanted.display());
        let name = wanted.file_name().with_context(|| format!("{} names no file", wanted.display()))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", std::process::id()));
        let path = wanted.with_file_name(hidden);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { file, path, wanted: wanted.to_owned(), is_finished: false })
    }

    /// Makes it durable and gives it its name, unless somebody else has taken that meanwhile.
    fn finish(mut self) -> anyhow::Result<()> {
        self.file.sync_all().with_context(|| format!("cannot write {}", self.path.display()))?;
        renameat_with(CWD, &self.path, CWD, &self.wanted, RenameFlags::NOREPLACE)
            .with_context(|| format!("cannot give the archive the name {}", self.wanted.display()))?;
        self.is_finished = true;
        let directory = self.wanted.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all().with_context(|| format!("cannot sync {}", directory.display()))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed is a hidden file that says by its name what it is.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn write_text(report: &ArchiveReport, path: &Path, bytes: u64, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "wrote {} ({bytes} bytes): {}, {}, {}",
        printable(&path.display().to_string()),
        counted(report.sessions, "session"),
        counted(report.events, "event"),
        counted(report.payloads, "payload"),
    )?;
    if report.open_sessions > 0 {
        writeln!(out, "still open, so without their end: {}", counted(report.open_sessions, "session"))?;
    }
    if report.payloads_elsewhere > 0 {
        let erased = report.payloads_erased;
        let others = report.payloads_elsewhere.saturating_sub(erased);
        if erased > 0 {
            writeln!(out, "left out, since their recordings were erased: {}", counted(erased, "payload"))?;
        }
        if others > 0 {
            writeln!(out, "left out, since you may not see them or they are not kept: {}", counted(others, "payload"))?;
        }
    }
    writeln!(out, "check it anywhere: vidimus verify {} --key KEY", printable(&path.display().to_string()))
}

fn write_json(report: &ArchiveReport, path: &Path, bytes: u64, mut out: &mut dyn Write) -> io::Result<()> {
    let value = json!({
        "file": path.display().to_string(),
        "bytes": bytes,
        "sessions": report.sessions,
        "open_sessions": report.open_sessions,
        "events": report.events,
        "payloads": report.payloads,
        "payloads_not_in_archive": report.payloads_elsewhere,
        "payloads_erased": report.payloads_erased,
        "log_size": report.checkpoint.as_ref().map(|checkpoint| checkpoint.size),
    });
    output::json(&mut out, &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("x.zip");
        let mut file = Unfinished::create(&wanted).unwrap();
        file.file.write_all(b"half").unwrap();
        assert!(!wanted.exists());
        drop(file);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left of it");
        let mut file = Unfinished::create(&wanted).unwrap();
        file.file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!(std::fs::read(&wanted).unwrap(), b"whole");
        assert!(Unfinished::create(&wanted).is_err());
    }

    #[test]
    fn a_file_that_came_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("x.zip");
        let file = Unfinished::create(&wanted).unwrap();
        std::fs::write(&wanted, "another's").unwrap();
        assert!(file.finish().is_err());
        assert_eq!(std::fs::read(&wanted).unwrap(), b"another's");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
