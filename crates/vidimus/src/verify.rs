//! `vidimus verify`: the check of a proof or an archive, offline, with public keys alone.
//!
//! What judges is the crate `vidimus-verify`, which is a small program of its own too: both say the same and end alike.

use std::io::{self, Write};

use vidimus_verify::{Report, check_file, trust};

use crate::cli::Verify;

/// Checks the file and prints the report. The exit status.
pub(crate) fn run(options: &Verify, out: &mut impl Write) -> anyhow::Result<u8> {
    let trust = trust(&options.key, options.witness_policy.as_deref())?;
    let report: Report = check_file(&options.file, &trust, options.event.as_deref(), &mut io::stderr())?;
    let text = if options.output.json { report.to_json() } else { report.to_text() };
    out.write_all(text.as_bytes())?;
    Ok(report.exit_status())
}
