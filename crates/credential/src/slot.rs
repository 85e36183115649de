//! The place of one token: asked for once however many wait, renewed before it expires, left alone after a failure.
//!
//! The request runs in a task of its own, so whoever waits may go away. Cancel safe.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use vidimus_core::{Clock, Timestamp};

use crate::answer::Issued;
use crate::error::CredentialError;

/// How long nothing is asked after a failure: at first, and at most. It doubles.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// A target that refuses a fresh token is not the fault of the token: how long nothing is renewed for that.
const REFUSALS: Duration = Duration::from_secs(10);

/// What passes of time since the credential was made, by the monotonic clock. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    since: Instant,
}

/// The place of one token.
#[derive(Default)]
pub(crate) struct Slot(Mutex<State>);

#[derive(Default)]
struct State {
    issued: Option<Arc<Issued>>,
    flight: Option<watch::Receiver<Option<Landed>>>,
    failed: Failures,
    /// When a token was last renewed because the target refused it.
    refused: Option<Duration>,
}

/// How a request ended.
#[derive(Clone)]
struct Landed(Result<Arc<Issued>, CredentialError>);

/// Failures in a row.
#[derive(Default)]
pub(crate) struct Failures {
    count: u32,
    last: Option<(CredentialError, Duration)>,
}

impl Time {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, since: Instant::now() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.elapsed(self.since)
    }

    /// Whether it is later than `expires` by the wall clock.
    pub(crate) fn is_past(&self, expires: Timestamp) -> bool {
        self.clock.now() >= expires
    }
}

impl Failures {
    /// The failure because of which nothing is asked now.
    pub(crate) fn pause(&self, now: Duration) -> Option<CredentialError> {
        self.last.as_ref().filter(|(_, until)| now < *until).map(|(error, _)| error.clone())
    }

    pub(crate) fn failed(&mut self, error: CredentialError, now: Duration) {
        let pause = PAUSE.1.min(PAUSE.0 * 2_u32.saturating_pow(self.count.min(16)));
        self.count = self.count.saturating_add(1);
        self.last = Some((error, now + pause));
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

impl Slot {
    /// The token, by `request` if there is none that is good; `request` is given the last one, to be refreshed. With
    /// `refused`, one that the target did not take: another one, or the same if it is too soon for that.
    pub(crate) async fn obtain<F>(
        self: &Arc<Self>,
        refused: Option<&Arc<Issued>>,
        time: &Time,
        request: impl FnOnce(Option<Arc<Issued>>) -> F,
    ) -> Result<Arc<Issued>, CredentialError>
    where
        F: Future<Output = Result<Issued, CredentialError>> + Send + 'static,
    {
        let mut landing = {
            let mut state = self.state();
            let now = time.now();
            let known = state.issued.clone();
            // Others go on with it until there is another: it may be refused for what one caller did.
            let is_refused = |issued: &Arc<Issued>| refused.is_some_and(|refused| Arc::ptr_eq(refused, issued));
            let refused = known.as_ref().filter(|issued| is_refused(issued));
            if let Some(issued) = refused.filter(|_| state.flight.is_none()) {
                if state.refused.is_some_and(|last| now < last + REFUSALS) {
                    return Ok(Arc::clone(issued));
                }
                state.refused = Some(now);
            }
            let pause = state.failed.pause(now);
            match known.clone().filter(|issued| refused.is_none() && now < issued.expires) {
                Some(issued) => {
                    if now >= issued.renew_at && state.flight.is_none() && pause.is_none() {
                        self.take_off(&mut state, time, request(known));
                    }
                    return Ok(issued);
                }
                None => match (&state.flight, pause) {
                    (Some(flight), _) => flight.clone(),
                    (None, Some(error)) => return Err(error),
                    (None, None) => self.take_off(&mut state, time, request(known)),
                },
            }
        };
        match landing.wait_for(Option::is_some).await {
            Ok(landed) => landed.as_ref().map_or(Err(CredentialError::CutShort), |Landed(landed)| landed.clone()),
            Err(_) => Err(CredentialError::CutShort),
        }
    }

    fn take_off<F>(self: &Arc<Self>, state: &mut State, time: &Time, request: F) -> watch::Receiver<Option<Landed>>
    where
        F: Future<Output = Result<Issued, CredentialError>> + Send + 'static,
    {
        let (sender, receiver) = watch::channel(None);
        state.flight = Some(receiver.clone());
        let airborne =
            Airborne { slot: Arc::clone(self), time: time.clone(), sender, landed: Err(CredentialError::CutShort) };
        tokio::spawn(async move {
            let mut airborne = airborne;
            airborne.landed = request.await.map(Arc::new);
        });
        receiver
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running request. Dropping it lands it, also when its task panics or is cancelled, so nobody waits for ever.
struct Airborne {
    slot: Arc<Slot>,
    time: Time,
    sender: watch::Sender<Option<Landed>>,
    landed: Result<Arc<Issued>, CredentialError>,
}

impl Drop for Airborne {
    fn drop(&mut self) {
        let mut state = self.slot.state();
        state.flight = None;
        match &self.landed {
            Ok(issued) => {
                state.issued = Some(Arc::clone(issued));
                state.failed.succeeded();
            }
            // For those that are the endpoint's, nobody asks it for a while.
            Err(error) if error.is_of_the_endpoint() => {}
            Err(error) => state.failed.failed(error.clone(), self.time.now()),
        }
        drop(state);
        self.sender.send_replace(Some(Landed(self.landed.clone())));
    }
}
