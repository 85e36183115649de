//! `vidimus-verify ARCHIVE [--key KEY|FILE]… [--json]`: the check of an archive, for whoever has no gateway.
//!
//! Reads the archive and the keys, writes the report to standard output, and nothing else; it opens no connection. Exit
//! status: 0 all of it was checked and holds by a given key; 1 something does not hold; 2 it could not begin; 3 all holds
//! together, but no key was given, so that nothing shows whose it is.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use vidimus_verify::{EXIT_UNUSABLE, check, trusted};

const HELP: &str = "Checks an archive of evidence, offline: every event, proof, session and payload in it.

Usage: vidimus-verify ARCHIVE [--key KEY|FILE]... [--json]

  --key KEY|FILE  the key that signs the log (name+hash+base64), or a file of such lines; several while it is replaced
  --json          print one line of JSON
  --help          print this
  --version       print the version

Exit status: 0 all was checked and holds; 1 something does not hold; 2 the command line, a key or the file cannot be
read; 3 it holds together, but no key was given, so that nothing shows whose it is.

Examples:
  vidimus-verify session.zip --key 'vidimus/gw-1+0a1b2c3d+AbC…'
  vidimus-verify session.zip --key /media/ours/log-keys --json
";

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Check { archive: PathBuf, keys: Vec<String>, json: bool },
    Print(String),
}

fn main() -> ExitCode {
    let arguments: Vec<_> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let (text, status) = match parse(&arguments) {
        Ok(Command::Print(text)) => (text, 0),
        Ok(Command::Check { archive, keys, json }) => {
            let report = trusted(&keys).and_then(|keys| check(&archive, keys.as_ref(), &mut io::stderr()));
            match report {
                Ok(report) => {
                    let text = if json { report.to_json() } else { report.to_text() };
                    (text, report.outcome().exit_status())
                }
                Err(error) => return unusable(&error.to_string()),
            }
        }
        Err(problem) => return unusable(&format!("{problem}; see vidimus-verify --help")),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(status),
        Err(error) => unusable(&format!("cannot write the report: {error}")),
    }
}

fn unusable(problem: &str) -> ExitCode {
    // Nothing is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "vidimus-verify: {problem}");
    ExitCode::from(EXIT_UNUSABLE)
}

fn parse(arguments: &[String]) -> Result<Command, String> {
    let (mut archive, mut keys, mut json) = (None, Vec::new(), false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Print(HELP.to_owned())),
            "--version" | "-V" => return Ok(Command::Print(format!("vidimus-verify {}\n", env!("CARGO_PKG_VERSION")))),
            "--json" => json = true,
            "--key" => keys.push(rest.next().ok_or("--key needs a key or a file")?.clone()),
            option if option.starts_with("--") => return Err(format!("there is no option {option}")),
            path if archive.is_none() => archive = Some(PathBuf::from(path)),
            path => return Err(format!("one archive at a time, and {path} is a second")),
        }
    }
    let archive = archive.ok_or("name an archive")?;
    Ok(Command::Check { archive, keys, json })
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
        let expected = Command::Check { archive: "a.zip".into(), keys, json: true };
        assert_eq!(parsed("--key k a.zip --json --key l"), Ok(expected));
        for bad in ["", "a b", "a --key", "a --keys k", "--json"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
        assert!(matches!(parsed("a --help"), Ok(Command::Print(text)) if text.contains("Exit status")));
    }
}
