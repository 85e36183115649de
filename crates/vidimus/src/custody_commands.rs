//! `vidimus erase` and `vidimus hold`: the custody of recordings, asked of the running gateway.
//!
//! Erasing takes two persons, each with a token of their own: `--token-file`, or the variable `VIDIMUS_TOKEN`. A token is
//! never an argument, which other users of the machine could read.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;
use zeroize::Zeroizing;

use crate::api::{self, CustodyState};
use crate::cli::{Erase, Hold, HoldChange};
use crate::client;
use crate::output::{self, printable, whole_seconds};

/// The variable that holds a token.
const TOKEN: &str = "VIDIMUS_TOKEN";
/// The longest token, in bytes.
const MAX_TOKEN: usize = 64 << 10;

/// Asks to erase a recording, or confirms it.
pub(crate) async fn erase(erase: Erase, out: &mut impl Write) -> anyhow::Result<()> {
    let token = token(erase.token_file.as_deref())?;
    let token = token.context(format!("erasing is done by persons: give your token by --token-file or {TOKEN}"))?;
    let step = match &erase.reason {
        Some(reason) => format!("erasure?reason={}", api::encode(reason)),
        None => "erasure/confirmation".to_owned(),
    };
    let path = format!("{}/{}/{step}", api::SESSIONS, api::encode(&erase.session));
    let state: CustodyState = client::post(&erase.gateway.places()?.1, &path, Some(&token)).await?;
    if erase.output.json {
        output::json(out, &state)?;
    } else {
        write_state(&state, &erase.gateway.option(), out)?;
    }
    Ok(())
}

/// Adds or removes a legal hold.
pub(crate) async fn hold(hold: Hold, out: &mut impl Write) -> anyhow::Result<()> {
    let (step, HoldChange { session, reason, token_file, gateway, output }) = match hold {
        Hold::Add(change) => ("hold", change),
        Hold::Remove(change) => ("hold/removal", change),
    };
    let token = token(token_file.as_deref())?;
    let path = format!("{}/{}/{step}?reason={}", api::SESSIONS, api::encode(&session), api::encode(&reason));
    let token = token.as_ref().map(|token| token.as_str());
    let state: CustodyState = client::post(&gateway.places()?.1, &path, token).await?;
    if output.json {
        output::json(out, &state)?;
    } else {
        write_state(&state, &gateway.option(), out)?;
    }
    Ok(())
}

/// The token in a file, else in the variable.
pub(crate) fn token(file: Option<&Path>) -> anyhow::Result<Option<Zeroizing<String>>> {
    let text = match file {
        Some(file) => {
            let text = std::fs::read_to_string(file).map(Zeroizing::new);
            Some(text.with_context(|| format!("cannot read the token in {}", file.display()))?)
        }
        None => std::env::var(TOKEN).ok().map(Zeroizing::new),
    };
    let token = text.map(|text| Zeroizing::new(text.trim().to_owned())).filter(|token| !token.is_empty());
    if let Some(token) = &token {
        let is_token = token.len() <= MAX_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic());
        anyhow::ensure!(is_token, "what was given as a token is none: it is one line of printable ASCII");
    }
    Ok(token)
}

/// Says what holds now; `gateway` is the option that names the gateway, for the next command.
fn write_state(state: &CustodyState, gateway: &str, out: &mut impl Write) -> io::Result<()> {
    let session = printable(&state.session);
    match (state.state.as_str(), &state.hold) {
        (_, Some(reason)) => writeln!(out, "session {session} is under a legal hold: {}", printable(reason)),
        ("requested", None) => {
            let by = printable(state.requested_by.as_deref().unwrap_or_default());
            let expires = whole_seconds(state.expires.as_deref().unwrap_or_default());
            writeln!(out, "{by} asks to erase the recording of session {session}")?;
            writeln!(out, "another person confirms it until {expires}: vidimus erase {session} --confirm{gateway}")
        }
        ("erased", None) => writeln!(out, "the recording of session {session} is erased; its events stay"),
        ("confirmed", None) => writeln!(out, "the recording of session {session} is being erased"),
        (_, None) => writeln!(out, "session {session} is under no hold"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(state: &str, hold: Option<&str>) -> String {
        let state = CustodyState {
            session: "0199".into(),
            state: state.into(),
            hold: hold.map(str::to_owned),
            requested_by: Some("corp|alice".into()),
            expires: Some("2026-11-21T00:00:00.123456789Z".into()),
            reason: None,
        };
        let mut out = Vec::new();
        write_state(&state, " --config 'my gateway.toml'", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_state_is_said_with_what_to_do_next() {
        let requested = shown("requested", None);
        assert!(
            requested.contains("corp|alice asks") && requested.contains("until 2026-11-21T00:00:00Z: "),
            "{requested}"
        );
        assert!(requested.ends_with("vidimus erase 0199 --confirm --config 'my gateway.toml'\n"), "{requested}");
        assert!(shown("erased", None).ends_with("is erased; its events stay\n"));
        assert!(shown("none", Some("case\u{1b} 7")).ends_with("under a legal hold: case\\u{1b} 7\n"));
        assert_eq!(shown("none", None), "session 0199 is under no hold\n");
    }

    #[test]
    fn a_token_comes_from_a_file_and_is_one_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, "eyJhbGciOi.x.y\n").unwrap();
        assert_eq!(token(Some(&file)).unwrap().unwrap().as_str(), "eyJhbGciOi.x.y");
        std::fs::write(&file, "two lines\nX-Other: header").unwrap();
        assert!(token(Some(&file)).is_err());
        assert!(token(Some(&directory.path().join("none"))).is_err());
    }
}
