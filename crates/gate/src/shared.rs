//! What all sessions of a gate share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use tokio::sync::watch;
use vidimus_core::Timestamp;
use vidimus_credential::Subjects;
use vidimus_log::VerifierKey;
use vidimus_policy::Policies;

use crate::authenticate::Authenticator;
use crate::capacity::Capacity;
use crate::chains::Chains;
use crate::evidence::{Evidence, Strand};
use crate::grants::{Books, Grants};
use crate::holds::Holds;
use crate::limits::{CallerLimits, Limiter};
use crate::logged_custody::LoggedCustody;
use crate::metrics::Metrics;
use crate::pins::PinBook;
use crate::refusals::Refusals;
use crate::seal::Sealer;
use crate::steps::Steps;
use crate::tasks::Tasks;
use crate::unauthenticated::Unauthenticated;

/// The issuer under which the gateway itself acts.
pub(crate) const OWN_ISSUER: &str = "vidimus";

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) evidence: Arc<Evidence>,
    pub(crate) policies: ArcSwap<Policies>,
    /// Told when others come into force.
    pub(crate) policies_changed: watch::Sender<()>,
    /// The strand of what belongs to no session.
    pub(crate) control: Strand,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: Tasks,
    /// What callers may take at most.
    pub(crate) limits: CallerLimits,
    pub(crate) limiter: Limiter,
    /// Those that took more.
    pub(crate) refusals: Refusals,
    /// All keys that sign the log, the newest first.
    pub(crate) log_keys: Vec<VerifierKey>,
    /// Where recordings are.
    pub(crate) recordings: PathBuf,
    pub(crate) sealer: Sealer,
    /// The key of the masking operator `hmac`.
    pub(crate) hmac_key: [u8; 32],
    /// The key that names tokens in events.
    pub(crate) token_names: hmac::Key,
    /// The callers' tokens that are held, to be exchanged.
    pub(crate) subjects: Subjects,
    /// Whether there is a target for which that is done.
    pub(crate) exchanges: AtomicBool,
    pub(crate) authenticator: Authenticator,
    pub(crate) unauthenticated: Unauthenticated,
    /// Calls that wait for approval.
    pub(crate) holds: Holds,
    /// Tells whoever listens of steps of requests and grants.
    pub(crate) steps: Steps,
    /// Access for a time that is in force.
    pub(crate) grants: Grants,
    /// The credentials of programs that were started for sessions.
    pub(crate) chains: Chains,
    /// When the newest event was written that was read at the start, if grants were.
    pub(crate) newest: Option<Timestamp>,
    /// The custody of recordings, by the log.
    pub(crate) logged_custody: LoggedCustody,
    /// Which definition of each tool is accepted.
    pub(crate) pins: PinBook,
    /// When this process began to write, for [`Self::up`].
    pub(crate) started: Instant,
    /// How much room there is for evidence.
    pub(crate) capacity: Capacity,
}

impl Shared {
    /// How the gateway itself is called in events: `vidimus|NAME`.
    pub(crate) fn own_id(&self) -> String {
        format!("{OWN_ISSUER}|{}", self.evidence.gateway)
    }

    /// Where the ends of grants are recorded.
    pub(crate) fn books(&self) -> Books<'_> {
        let Self { evidence, control, metrics, started, .. } = self;
        Books { evidence, control, metrics, started: *started }
    }

    /// Now by the wall clock, and how long the gateway has run.
    pub(crate) fn times(&self) -> (Timestamp, Duration) {
        (self.evidence.clock.now(), self.up())
    }

    /// How long the gateway has run, by the monotonic clock.
    pub(crate) fn up(&self) -> Duration {
        self.evidence.clock.elapsed(self.started)
    }
}
