//! `vidimus-verify FILE [--key KEY|FILE]… [--json]`: the check of an archive or a proof, for whoever has no gateway.
//!
//! Reads the file and the keys, writes the report to standard output, and nothing else; it opens no connection. Exit
//! status: 0 all of it was checked and holds by a given key; 1 something does not hold; 2 it could not begin; 3 all holds
//! together, but no key was given, so that nothing shows whose it is, or a session has no last event.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use vidimus_verify::{EXIT_UNUSABLE, check_file, trust};

const HELP: &str =
    "Checks evidence offline: an archive, with every event, proof, session and payload in it, or one proof.

Usage: vidimus-verify FILE [--key KEY|FILE]... [--witness-policy FILE] [--event FILE] [--json]

  FILE                   an archive (.zip), or a proof (.tlog-proof)
  --key KEY|FILE         the key that signs the log (name+hash+base64), or a file of such lines; several while it is
                         replaced
  --witness-policy FILE  the witnesses that must have cosigned (C2SP tlog-policy); it may list the log's key as well
  --event FILE           for proofs that do not carry their event: the event, one line of canonical JSON
  --json                 print one line of JSON
  --help                 print this
  --version              print the version

Exit status: 0 all was checked and holds; 1 something does not hold; 2 the command line, a key or the file cannot be
read; 3 it holds together, but no key was given, so that nothing shows whose it is, or sessions have no last event.

Examples:
  vidimus-verify session.zip --key 'vidimus/gw-1+0a1b2c3d+AbC…'
  vidimus-verify session.zip --key /media/ours/log-keys --json
  vidimus-verify session.zip --key /media/ours/log-keys --witness-policy witnesses.policy
  vidimus-verify event.tlog-proof --key 'vidimus/gw-1+0a1b2c3d+AbC…' --witness-policy witnesses.policy
";

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Check { file: PathBuf, keys: Vec<String>, policy: Option<PathBuf>, event: Option<PathBuf>, json: bool },
    Print(String),
}

fn main() -> ExitCode {
    let arguments: Vec<_> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let (text, status) = match parse(&arguments) {
        Ok(Command::Print(text)) => (text, 0),
        Ok(Command::Check { file, keys, policy, event, json }) => {
            let checked = trust(&keys, policy.as_deref())
                .and_then(|trust| check_file(&file, &trust, event.as_deref(), &mut io::stderr()));
            match checked {
                Ok(report) => (if json { report.to_json() } else { report.to_text() }, report.exit_status()),
                Err(error) => return unusable(&error.to_string()),
            }
        }
        Err(problem) => return unusable(&format!("{problem}; see vidimus-verify --help")),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(status),
        // A reader that has seen enough changes nothing of what was found.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(status),
        Err(error) => unusable(&format!("cannot write the report: {error}")),
    }
}

fn unusable(problem: &str) -> ExitCode {
    // Nothing is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "vidimus-verify: {problem}");
    ExitCode::from(EXIT_UNUSABLE)
}

fn parse(arguments: &[String]) -> Result<Command, String> {
    let (mut file, mut keys, mut policy, mut event, mut json) = (None, Vec::new(), None, None, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Print(HELP.to_owned())),
            "--version" | "-V" => return Ok(Command::Print(format!("vidimus-verify {}\n", env!("CARGO_PKG_VERSION")))),
            "--json" => json = true,
            "--key" => keys.push(rest.next().ok_or("--key needs a key or a file")?.clone()),
            "--witness-policy" if policy.is_none() => {
                policy = Some(PathBuf::from(rest.next().ok_or("--witness-policy needs a file")?));
            }
            "--event" if event.is_none() => {
                event = Some(PathBuf::from(rest.next().ok_or("--event needs a file")?));
            }
            "--witness-policy" | "--event" => return Err(format!("{argument} is given twice")),
            option if option.starts_with("--") => return Err(format!("there is no option {option}")),
            path if file.is_none() => file = Some(PathBuf::from(path)),
            path => return Err(format!("one file at a time, and {path} is a second")),
        }
    }
    let file = file.ok_or("name an archive or a proof")?;
    Ok(Command::Check { file, keys, policy, event, json })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(&line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_line_is_read_strictly() {
        let keys = vec!["k".to_owned(), "l".to_owned()];
        let (policy, event) = (Some("p".into()), Some("e".into()));
        let expected = Command::Check { file: "a.zip".into(), keys, policy, event, json: true };
        assert_eq!(parsed("--key k a.zip --json --witness-policy p --key l --event e"), Ok(expected));
        for bad in
            ["", "a b", "a --event", "a --event e --event f", "a --witness-policy", "a --key", "a --keys k", "--json"]
        {
            assert!(parsed(bad).is_err(), "{bad}");
        }
        assert!(matches!(parsed("a --help"), Ok(Command::Print(text)) if text.contains("Exit status")));
    }
}
