//! One thing that is wrong with what an operator wrote: where it stands, what is wrong, what to write instead.
//!
//! The configuration, the policies and the files they name end up as these, so that `vidimus check`, `vidimus serve` and
//! the gateway's log say the same about the same fault. Never holds a secret.

use std::fmt;

use serde::Serialize;
use vidimus_policy::PolicyError;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// `file:line:column`, when it is the fault of one place.
    pub(crate) place: Option<String>,
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead, where that is known.
    pub(crate) help: Option<String>,
}

/// Several faults, none of which lets the gateway go on.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.0))]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problem {
    /// A fault of no one place.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), help: None }
    }
}

impl From<PolicyError> for Problem {
    fn from(error: PolicyError) -> Self {
        Self { place: error.place.map(|place| place.to_string()), message: error.message, help: error.help }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// The nearest of these words, as a question; `None` when none is near.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // A third of a word may be a slip; of a short one, one letter.
    let most = (word.chars().count() / 3).max(1);
    let distances = known.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
    let (_, nearest) = distances.filter(|(distance, _)| *distance <= most).min()?;
    Some(format!("did you mean `{nearest}`?"))
}

/// One fault a line, or more where a fault has more.
fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
