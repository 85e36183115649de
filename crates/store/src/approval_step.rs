//! What is asked of people, and the steps of a request for approval: the words that its events and its state share.

use serde::{Deserialize, Serialize};
use vidimus_core::SessionId;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Who asks: `issuer|subject`.
    pub who: String,
    /// The target.
    pub target: String,
    /// The action, as events name it: `crm/refund`.
    pub action: String,
    /// What binds the request to principal, target, action and arguments: HMAC-SHA-256, in hex.
    pub digest: String,
    /// The session it was asked in.
    #[serde(with = "as_text")]
    pub session: SessionId,
    /// The `seq` of the `operation.held` there.
    pub held: u64,
    /// When: RFC 3339, UTC, nine fractional digits.
    pub requested: String,
    /// When it ends unused.
    pub expires: String,
    /// The policies that held it.
    pub policies: Vec<String>,
    /// The version of the policies then.
    pub policy: String,
    /// Every rule that must approve.
    pub quorums: Vec<Quorum>,
    /// Who may not approve besides who asks.
    pub barred: Vec<String>,
}

/// How many people must approve by one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// The rule.
    pub rule: String,
    /// How many distinct people.
    pub approvers: u64,
}

/// A step of a request for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is made.
    Requested(Box<Ask>),
    /// One person approves it.
    Approved {
        /// By these rules.
        rules: Vec<String>,
        /// Why.
        reason: Option<String>,
    },
    /// One person denies it.
    Denied {
        /// Why.
        reason: String,
    },
    /// Its time is up.
    Expired,
    /// It is not needed any more.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// The operation is about to be sent.
    Used {
        /// The number of the event that admitted it, in the session of the step.
        intent: u64,
    },
}

/// Ids as the text they are in events.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(id: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom("no id"))
    }
}
