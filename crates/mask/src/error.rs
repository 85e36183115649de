//! What can be wrong with a masking configuration.

use vidimus_core::ErrorKind;

/// A configuration that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A class that does not exist.
    #[error("no data class is called {name:?}{}; `vidimus mask --list` shows them all", hint(.nearest.as_ref()))]
    UnknownClass {
        /// The name as written.
        name: String,
        /// The known name nearest to it.
        nearest: Option<String>,
    },
    /// More classes than an engine holds.
    #[error("more than {limit} data classes; take some out")]
    TooManyClasses {
        /// How many are allowed.
        limit: usize,
    },
    /// More of something else than is allowed.
    #[error("more than {limit} {what}; take some out")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A custom class that is not as it must be.
    #[error("the data class {name:?} is wrong: {why}")]
    Custom {
        /// The name as written.
        name: String,
        /// What is wrong, and what to write.
        why: String,
    },
    /// An entry of the allow-list that cannot be used. Values are not told.
    #[error("entry {number} of the allow-list is wrong: {why}")]
    Allow {
        /// Which, from 1.
        number: usize,
        /// What is wrong, and what to write.
        why: &'static str,
    },
    /// A field rule that cannot be read.
    #[error("the field rule {rule:?} is wrong at character {at}: {why}")]
    FieldRule {
        /// The rule as written.
        rule: String,
        /// The character, from 1.
        at: usize,
        /// What is wrong there, and what to write.
        why: String,
    },
    /// Shapes that do not compile together.
    #[error("the patterns do not compile: {why}")]
    Patterns {
        /// The compiler's words.
        why: String,
    },
}

fn hint(nearest: Option<&String>) -> String {
    nearest.map(|name| format!(" (did you mean {name:?}?)")).unwrap_or_default()
}

impl ConfigError {
    /// Always [`ErrorKind::Configuration`]: the operator's to mend.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Configuration
    }
}
