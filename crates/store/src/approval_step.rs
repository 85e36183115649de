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
    /// What is asked for, if it is access for a time and no call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Box<GrantAsk>>,
}

/// Access for a time, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantAsk {
    /// Its name in the configuration; `break-glass` for that.
    pub name: String,
    /// How long, from when the credential is issued.
    pub seconds: u64,
    /// Sessions that may be opened with it; of no account for break-glass.
    pub sessions: u64,
    /// Why.
    pub reason: String,
    /// Whether it is break-glass, which nobody approves and which has no credential.
    pub is_break_glass: bool,
    /// Who asks, in full.
    pub principal: Grantee,
    /// Where who asks is.
    pub address: String,
}

/// A principal as events tell it in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grantee {
    /// `User` or `Workload`.
    pub kind: String,
    /// The configured name of the issuer.
    pub issuer: String,
    /// Its `sub` there.
    pub subject: String,
    /// Its groups, as `issuer/name`.
    pub groups: Vec<String>,
    /// Who acts for it, as `issuer|subject`, outermost first.
    pub actors: Vec<String>,
    /// How it has proved who it is.
    pub amr: Vec<String>,
    /// The client its token was issued to.
    pub client_id: Option<String>,
    /// For display alone.
    pub display: Option<String>,
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
    /// The credential of a grant is issued to who asked.
    Granted(Box<Issued>),
    /// Somebody broke the glass: what follows is in force at once.
    Opened(Box<Ask>, String),
    /// A grant that was in force is over.
    Ended {
        /// How.
        how: String,
        /// Why, in the words of who revoked it.
        reason: Option<String>,
    },
    /// The operation is about to be sent.
    Used {
        /// The number of the event that admitted it, in the session of the step.
        intent: u64,
    },
}

/// A credential that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// When the grant began.
    pub since: String,
    /// When it ends.
    pub until: String,
    /// HMAC-SHA-256 of the credential, in hex; none for break-glass, which has none.
    pub token: Option<String>,
    /// What it is proved by to those who ask by SCRAM, sealed by the gateway; none where it made none.
    #[serde(default)]
    pub verifier: Option<String>,
    /// Whom it stands for.
    pub principal: Grantee,
    /// The scopes of the token that it was fetched with.
    pub scopes: Vec<String>,
    /// Sessions that were opened with it.
    #[serde(default)]
    pub opened: u64,
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
