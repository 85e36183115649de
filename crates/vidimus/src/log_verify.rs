//! `vidimus log verify`: the whole log and the recordings it commits to, and what was checked of them.
//!
//! Without the key-encryption key recordings are checked as far as that takes no key. What was not checked is said, so
//! that nobody takes a part for the whole. No content is shown. Long work says on standard error how far it is.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use vidimus_gate::{Checked, ErasedRecording, KeyError, RecordingVerifier, Secret};
use vidimus_log::trust::NOT_WITNESSED;
use vidimus_log::verify::{self, Kept, Report, Seen};
use vidimus_log::{FileSystem, Trust};

use crate::output::{self, counted, printable};

/// How often it says how far it is; what takes less says nothing.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// How many erased recordings are named.
const MAX_ERASED: usize = 20;

/// What was checked and found.
#[derive(Debug)]
pub(crate) struct Verified {
    /// The log, with what was found in recordings.
    pub(crate) report: Report,
    recordings: Checked,
    erased: Vec<ErasedRecording>,
    /// Whether the recordings were opened.
    is_opened: bool,
}

/// Checks the log below `data_dir` by what is trusted and against the checkpoints that were kept, and its recordings: with
/// `opening`, the key-encryption key, what they hold too.
pub(crate) fn verify(
    data_dir: &Path,
    trust: &Trust,
    kept: &[Kept],
    opening: Option<&Secret>,
) -> Result<Verified, KeyError> {
    let mut recordings = RecordingVerifier::new(data_dir, opening)?;
    let mut progress = Progress { told: Instant::now() };
    let mut report = verify::log_and(
        &FileSystem,
        data_dir,
        trust,
        kept,
        &mut |done, of| progress.at(done, of, &mut io::stderr()),
        &mut |entry, leaf| recordings.event(entry, leaf),
    );
    report.findings.extend(recordings.finish());
    let erased = recordings.erased().cloned().collect();
    Ok(Verified { report, recordings: recordings.checked(), erased, is_opened: opening.is_some() })
}

fn entries(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

fn seen_json(seen: &Seen) -> serde_json::Value {
    let by: Vec<_> = seen.by.iter().map(|seen| json!({ "name": seen.witness, "time": seen.at.to_string() })).collect();
    json!({ "size": seen.size, "witnesses": by })
}

fn erased_json(erased: &ErasedRecording) -> serde_json::Value {
    json!({
        "session": erased.session.to_string(),
        "requested_by": erased.requested_by,
        "confirmed_by": erased.confirmed_by,
        "reason": erased.reason,
    })
}

struct Progress {
    told: Instant,
}

impl Progress {
    fn at(&mut self, done: u64, of: u64, out: &mut impl Write) {
        if self.told.elapsed() >= PROGRESS_INTERVAL {
            self.told = Instant::now();
            // Nothing is lost when nobody reads it.
            let _ = writeln!(out, "checked {done} of {of} entries");
        }
    }
}

impl Verified {
    /// Prints the findings, what was checked, and what was not.
    pub(crate) fn write(&self, as_json: bool, out: &mut impl Write) -> io::Result<()> {
        let Self { report, recordings, erased, is_opened } = self;
        let checkpoint = report.checkpoint.as_ref();
        if as_json {
            let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
            let value = json!({
                "holds": report.holds(),
                "trusted": report.is_trusted,
                "witnessed": report.witnessed.as_ref().map(seen_json),
                "goes_on_from": report.kept,
                "origin": checkpoint.map(|checkpoint| checkpoint.origin.as_str()),
                "size": checkpoint.map(|checkpoint| checkpoint.size),
                "root": checkpoint.map(|checkpoint| checkpoint.root.to_string()),
                "entries": report.entries,
                "tiles": report.tiles,
                "sessions": report.sessions,
                "open_sessions": report.open_sessions,
                "operations": report.operations,
                "open_operations": report.open_operations,
                "denied_operations": report.denied_operations,
                "recordings": {
                    "opened": is_opened,
                    "payloads": recordings.payloads,
                    "frames": recordings.frames,
                    "frames_opened": recordings.opened,
                    "frames_of_sizes_only": is_opened.then_some(recordings.sizes),
                    "erased": erased.iter().map(erased_json).collect::<Vec<_>>(),
                },
                "findings": findings,
                "further_findings": report.further_findings,
            });
            return output::json(out, &value);
        }
        for finding in &report.findings {
            writeln!(out, "{}", printable(&finding.to_string()))?;
        }
        if report.further_findings > 0 {
            writeln!(out, "and {} more", report.further_findings)?;
        }
        let checked = format!(
            "{}, {}, {} ({} open), {} ({} open, {} denied)",
            entries(report.entries),
            counted(report.tiles, "tile"),
            counted(report.sessions, "session"),
            report.open_sessions,
            counted(report.operations + report.denied_operations, "operation"),
            report.open_operations,
            report.denied_operations
        );
        match checkpoint {
            Some(checkpoint) if report.holds() => {
                let (start, end) = if report.is_trusted { ("ok: ", "") } else { ("", " together") };
                let origin = printable(&checkpoint.origin);
                writeln!(out, "{start}{origin} holds{end}: {checked}, root {}", checkpoint.root)?;
                self.write_shown(out)?;
            }
            _ => writeln!(out, "the log does not hold: {checked} were checked")?,
        }
        self.write_recordings(out)
    }

    /// What shows whose log it is, and that it is the one that others have seen.
    fn write_shown(&self, out: &mut impl Write) -> io::Result<()> {
        let report = &self.report;
        if !report.is_trusted {
            writeln!(out, "not verified whose: only the log itself names its key; give the one you know with --key")?;
        }
        for size in &report.kept {
            writeln!(out, "goes on from the checkpoint of {} that you kept", entries(*size))?;
        }
        let Some(Seen { size, by }) = &report.witnessed else { return writeln!(out, "{NOT_WITNESSED}") };
        for seen in by {
            writeln!(out, "the first {}: {}", entries(*size), printable(&seen.to_string()))?;
        }
        match report.unseen() {
            0 => Ok(()),
            unseen => {
                writeln!(out, "not shown: that witnesses have seen the newest {}; try again later", entries(unseen))
            }
        }
    }

    fn write_recordings(&self, out: &mut impl Write) -> io::Result<()> {
        let Checked { payloads, frames, sizes, .. } = self.recordings;
        if self.is_opened {
            let (payloads, frames) = (counted(payloads, "payload"), counted(frames, "frame"));
            writeln!(out, "recordings: {payloads} in place and as committed to, {frames} opened")?;
            if sizes > 0 {
                writeln!(
                    out,
                    "not checked: the content of {}, of which only the size is kept",
                    counted(sizes, "frame")
                )?;
            }
        } else {
            let (payloads, shown) = (counted(payloads, "payload"), counted(frames, "frame"));
            writeln!(out, "recordings: {payloads} in place and of their size, {shown}")?;
            if frames > 0 {
                writeln!(out, "not checked: what the frames hold; --recordings opens them, with the key of --config")?;
            }
        }
        self.write_erased(out)?;
        writeln!(out, "not checked: events that are newer than the checkpoint")
    }

    fn write_erased(&self, out: &mut impl Write) -> io::Result<()> {
        for erased in self.erased.iter().take(MAX_ERASED) {
            let by = match (&erased.requested_by, &erased.confirmed_by) {
                (Some(requested), Some(confirmed)) => format!("{requested}, confirmed by {confirmed}"),
                _ => "retention".to_owned(),
            };
            let ErasedRecording { session, reason, .. } = erased;
            writeln!(out, "recording of {session}: erased by {} ({})", printable(&by), printable(reason))?;
        }
        match self.erased.len().checked_sub(MAX_ERASED).filter(|more| *more > 0) {
            Some(more) => writeln!(out, "and {more} more recordings that were erased; --json names them"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vidimus_log::{Entry, JournalKey, Log, Options, Signer, VerifierKey};

    use super::*;

    const SESSION: &str = "00000000-0000-7000-8000-000000000001";

    /// A log of one open session whose first event commits to a payload, and its key.
    fn log(directory: &Path) -> VerifierKey {
        let signer = Signer::from_seed("vidimus/test", &[7; 32]).unwrap();
        let key = signer.verifier().clone();
        let options = Options::new(directory, "vidimus/test", JournalKey::new(&[7; 32]));
        let (log, _) = Log::open(Arc::new(FileSystem), options, signer).unwrap();
        let opened = format!(r#"{{"seq":0,"session":"{SESSION}","type":"session.opened"}}"#);
        let admitted = format!(
            r#"{{"payloads":[{{"at":[0,68,90],"bytes":12,"commitment":"","name":"request"}}],"seq":1,"session":"{SESSION}","type":"operation.admitted"}}"#
        );
        for leaf in [opened, admitted] {
            log.append(&[Entry::Leaf(leaf.as_bytes())]).unwrap();
        }
        log.close().unwrap();
        key
    }

    fn check(directory: &Path, key: &VerifierKey) -> Verified {
        verify(directory, &Trust::in_keys([key.clone()]), &[], None).unwrap()
    }

    fn text(verified: &Verified, as_json: bool) -> String {
        let mut out = Vec::new();
        verified.write(as_json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_report_says_what_was_found_checked_and_not() {
        let directory = tempfile::tempdir().unwrap();
        let key = log(directory.path());
        let verified = check(directory.path(), &key);
        let shown = text(&verified, false).replace(&directory.path().display().to_string(), "D");
        assert_eq!(
            shown,
            format!(
                "entry 1, D/recordings/{SESSION}/00000000.seg: expected a recording (session {SESSION}, event 1), found no \
                 such file\n\
                 the log does not hold: 2 entries, 1 tile, 1 session (1 open), 1 operation (1 open, 0 denied) were checked\n\
                 recordings: 0 payloads in place and of their size, 0 frames\n\
                 not checked: events that are newer than the checkpoint\n"
            )
        );
        let value: serde_json::Value = serde_json::from_str(&text(&verified, true)).unwrap();
        assert_eq!(
            (&value["holds"], &value["operations"], &value["recordings"]["opened"]),
            (&json!(false), &json!(1), &json!(false))
        );
    }

    #[test]
    fn a_log_that_holds_says_so_and_what_its_recordings_showed() {
        let directory = tempfile::tempdir().unwrap();
        let key = log(directory.path());
        let mut verified = check(directory.path(), &key);
        verified.report.findings.clear();
        verified.recordings = Checked { payloads: 2, frames: 3, opened: 0, sizes: 0 };
        let shown = text(&verified, false);
        assert!(shown.starts_with("ok: vidimus/test holds: 2 entries, "), "{shown}");
        assert!(shown.contains("\nnot checked: whether witnesses have seen this log; "), "{shown}");
        assert!(
            shown.ends_with(
                "recordings: 2 payloads in place and of their size, 3 frames\n\
                 not checked: what the frames hold; --recordings opens them, with the key of --config\n\
                 not checked: events that are newer than the checkpoint\n"
            ),
            "{shown}"
        );
        verified.is_opened = true;
        verified.recordings = Checked { opened: 3, sizes: 1, ..verified.recordings };
        let shown = text(&verified, false);
        assert!(
            shown.ends_with(
                "recordings: 2 payloads in place and as committed to, 3 frames opened\n\
                 not checked: the content of 1 frame, of which only the size is kept\n\
                 not checked: events that are newer than the checkpoint\n"
            ),
            "{shown}"
        );
    }

    #[test]
    fn what_is_not_shown_is_said() {
        let directory = tempfile::tempdir().unwrap();
        log(directory.path());
        let mut verified = verify(directory.path(), &Trust::default(), &[], None).unwrap();
        verified.report.findings.clear();
        let shown = text(&verified, false);
        assert!(shown.starts_with("vidimus/test holds together: 2 entries, "), "{shown}");
        assert!(shown.contains("\nnot verified whose: only the log itself names its key; "), "{shown}");
        let value: serde_json::Value = serde_json::from_str(&text(&verified, true)).unwrap();
        assert_eq!((&value["holds"], &value["trusted"]), (&json!(true), &json!(false)));

        verified.report.kept = vec![1];
        let by = vidimus_log::SeenBy { witness: "w".into(), at: vidimus_core::Timestamp::from_seconds(7) };
        verified.report.witnessed = Some(Seen { size: 1, by: vec![by] });
        let shown = text(&verified, false);
        for line in [
            "\ngoes on from the checkpoint of 1 entry that you kept\n",
            "\nthe first 1 entry: witnessed by w at 1970-01-01T00:00:07.000000000Z\n",
            "\nnot shown: that witnesses have seen the newest 1 entry; try again later\n",
        ] {
            assert!(shown.contains(line) && !shown.contains("whether witnesses"), "{shown}");
        }
        let value: serde_json::Value = serde_json::from_str(&text(&verified, true)).unwrap();
        assert_eq!((&value["witnessed"]["size"], &value["goes_on_from"]), (&json!(1), &json!([1])));
    }

    #[test]
    fn another_key_does_not_hold() {
        let directory = tempfile::tempdir().unwrap();
        log(directory.path());
        let stranger = Signer::from_seed("vidimus/test", &[8; 32]).unwrap();
        let verified = check(directory.path(), stranger.verifier());
        let value: serde_json::Value = serde_json::from_str(&text(&verified, true)).unwrap();
        assert_eq!((&value["holds"], &value["root"]), (&json!(false), &json!(null)));
    }

    #[test]
    fn long_work_says_how_far_it_is() {
        let mut progress = Progress { told: Instant::now() };
        let mut out = Vec::new();
        progress.at(1, 9, &mut out);
        assert!(out.is_empty());
        progress.told = Instant::now().checked_sub(PROGRESS_INTERVAL).unwrap();
        progress.at(2, 9, &mut out);
        progress.at(3, 9, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "checked 2 of 9 entries\n");
    }
}
