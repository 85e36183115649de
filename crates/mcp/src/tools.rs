//! The definitions of a target's tools, as last read, and when they are read again. `definitions` reads them, in one task
//! for each target: everybody else asks for a reading and goes on with what is known. Waiting is for callers of a target
//! of which nothing is known yet, and for lists that hold what is not known; both end with the reading, and the first
//! also with their client.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vidimus_core::ToolDefinition;

use crate::pinned::ToolPin;

/// The least time between the end of one reading of a target and the beginning of the next.
pub(crate) const LEAST_INTERVAL: Duration = Duration::from_secs(5);

/// After this time definitions are read again at the next call.
const MAX_AGE: Duration = Duration::from_mins(5);

/// How long a list waits for a reading that tells of the tools in it: for one to become due, and for the reading itself.
const LIST_PATIENCE: Duration = Duration::from_secs(10);

/// Names of tools that were looked for and not found, that are kept.
const MAX_ABSENT: usize = 1_024;

/// The tools of one target by name.
#[derive(Debug)]
pub struct Tools {
    by_name: HashMap<String, Tool>,
    /// None when they are those that an earlier process has left.
    read_at: Option<Instant>,
}

/// A tool: the definition that is in force, if there is one, and its pin, where it has one.
#[derive(Debug, PartialEq)]
pub(crate) struct Tool(Option<(ToolDefinition, Option<ToolPin>)>);

impl Tool {
    /// One without a pin.
    pub(crate) const fn free(definition: ToolDefinition) -> Self {
        Self(Some((definition, None)))
    }

    /// One with a pin and the accepted definition.
    pub(crate) const fn pinned(definition: ToolDefinition, pin: ToolPin) -> Self {
        Self(Some((definition, Some(pin))))
    }

    /// One of which no definition is accepted.
    pub(crate) const fn hidden() -> Self {
        Self(None)
    }
}

impl Tools {
    /// The definition of a tool that is in force.
    pub fn get(&self, name: &str) -> Option<&ToolDefinition> {
        self.by_name.get(name)?.0.as_ref().map(|(definition, _)| definition)
    }

    /// All definitions that are in force, in no order.
    pub fn all(&self) -> impl Iterator<Item = &ToolDefinition> {
        self.by_name.values().filter_map(|tool| tool.0.as_ref().map(|(definition, _)| definition))
    }

    /// Whether the target has a tool of this name, accepted or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The accepted definition of a tool that has a pin, by its fingerprint.
    pub(crate) fn accepted(&self, name: &str) -> Option<&str> {
        self.pin(name).map(|(_, pin)| pin.accepted.as_str())
    }

    /// A tool that has a pin, with the definition that is in force.
    pub(crate) fn pin(&self, name: &str) -> Option<(&ToolDefinition, &ToolPin)> {
        let (definition, pin) = self.by_name.get(name)?.0.as_ref()?;
        Some((definition, pin.as_ref()?))
    }
}

/// Why definitions are not to be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DefinitionsError {
    /// The gate refused the reading.
    #[error("the definitions of the target cannot be read: {0}")]
    Refused(String),
    /// The target did not answer as it must.
    #[error("the definitions of the target cannot be read: {0}")]
    Upstream(String),
    /// The target did not tell all of them in time.
    #[error("the definitions of the target cannot be read: it did not tell them within {0:?}")]
    Slow(Duration),
    /// As many as may be are waiting already.
    #[error("the definitions of the target are not known yet, and many calls wait for them; try again later")]
    Crowded,
    /// Whoever asked has gone.
    #[error("the definitions of the target are not known yet, and the client did not wait for them")]
    ClientGone,
    /// A fault of the gateway's own.
    #[error("the definitions of the target cannot be read: the gateway failed; its log says where")]
    Failed,
    /// The gateway stops.
    #[error("the definitions of the target are not known: the gateway is stopping")]
    Stopping,
}

/// The capabilities of servers that the endpoint for all targets can offer for them.
pub(crate) const CAPABILITIES: [&str; 5] = ["completions", "logging", "prompts", "resources", "tools"];

/// What a target says of itself, masked as far as it can be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// The capabilities it has.
    pub(crate) capabilities: Vec<&'static str>,
    /// How it is to be used.
    pub(crate) instructions: Option<Box<str>>,
}

/// What is known of one target's tools.
#[derive(Debug)]
pub(crate) struct KnownTools {
    known: ArcSwapOption<Tools>,
    /// What an earlier process has left, for as long as the target was not read.
    left: ArcSwapOption<Tools>,
    about: ArcSwapOption<About>,
    /// When a caller last waited for it in vain.
    missed: Mutex<Option<Instant>>,
    /// The number of readings that were asked for so far.
    asked: watch::Sender<u64>,
    ended: watch::Sender<Ended>,
    /// Sent when a reading has found other tools than the one before.
    changed: watch::Sender<()>,
    /// Tools that callers were listed, and that were looked for once.
    absent: Mutex<HashSet<Box<str>>>,
}

/// The last reading that has ended.
#[derive(Debug, Default)]
struct Ended {
    /// Every reading asked for up to this number is done.
    number: u64,
    /// When it ended, and why it failed.
    failed: Option<(Instant, DefinitionsError)>,
}

impl Default for KnownTools {
    fn default() -> Self {
        Self {
            known: ArcSwapOption::empty(),
            left: ArcSwapOption::empty(),
            about: ArcSwapOption::empty(),
            missed: Mutex::default(),
            asked: watch::Sender::new(0),
            ended: watch::Sender::default(),
            changed: watch::Sender::default(),
            absent: Mutex::default(),
        }
    }
}

impl KnownTools {
    /// The tools as last read, however old.
    pub(crate) fn known(&self) -> Option<Arc<Tools>> {
        self.known.load_full()
    }

    /// Takes what holds until the target was read, or for as long as it cannot be.
    pub(crate) fn leave(&self, by_name: HashMap<String, Tool>) {
        self.left.store(Some(Arc::new(Tools { by_name, read_at: None })));
    }

    /// The tools as last read; read again beside it when they are old. While none are known, those of the reading that is
    /// asked for then, or of the one that runs, unless `gone` comes first: to wait takes a `place`.
    pub(crate) async fn get<P>(
        &self,
        gone: &CancellationToken,
        place: impl FnOnce() -> Option<P>,
    ) -> Result<Arc<Tools>, DefinitionsError> {
        if let Some(tools) = self.known() {
            if tools.read_at.is_none_or(|read_at| read_at.elapsed() >= MAX_AGE) {
                self.refresh();
            }
            return Ok(tools);
        }
        self.refresh();
        let number = *self.asked.borrow();
        // A target that is down is not waited for by each caller.
        let failed = self.ended.borrow().failed.clone();
        if let Some((_, error)) = failed.filter(|(at, _)| at.elapsed() < LEAST_INTERVAL) {
            return Err(error);
        }
        let Some(_place) = place() else { return Err(DefinitionsError::Crowded) };
        tokio::select! {
            () = self.until_ended(number) => {}
            () = gone.cancelled() => return Err(DefinitionsError::ClientGone),
        }
        let failed = || self.ended.borrow().failed.clone().map_or(DefinitionsError::Stopping, |(_, error)| error);
        self.known().ok_or_else(failed)
    }

    /// What the target says of itself, as last read.
    pub(crate) fn about(&self) -> Option<Arc<About>> {
        self.about.load_full()
    }

    /// Takes what the target says of itself.
    pub(crate) fn introduce(&self, about: About) {
        self.about.store(Some(Arc::new(about)));
    }

    /// Whether the target did not answer lately: the last reading failed, or a caller waited in vain after it. It is read
    /// again then, so that it is seen when it is back.
    pub(crate) fn is_down(&self) -> bool {
        let read_at = self.known().and_then(|tools| tools.read_at);
        let missed = *self.missed();
        let is_missed = missed.is_some_and(|missed| read_at.is_none_or(|read_at| read_at < missed));
        is_missed || self.ended.borrow().failed.is_some()
    }

    /// It is not there for anybody.
    pub(crate) fn miss(&self) {
        *self.missed() = Some(Instant::now());
        self.changed.send_replace(());
        self.read_anew();
    }

    /// Tells when a reading has found other tools than the one before, and when the target goes or comes back.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Asks for a reading, unless one is asked for already. Waits for nothing.
    pub(crate) fn refresh(&self) {
        self.asked.send_if_modified(|asked| {
            let is_idle = *asked <= self.ended.borrow().number;
            *asked += u64::from(is_idle);
            is_idle
        });
    }

    /// Asks for a reading that begins after this: the target has other tools now, or so it says. Its number.
    pub(crate) fn read_anew(&self) -> u64 {
        self.asked.send_modify(|asked| *asked += 1);
        *self.asked.borrow()
    }

    /// Waits for a reading that may tell of tools that a target has just listed, if they are new. Whether there was one.
    pub(crate) async fn catch_up(&self, names: &[Box<str>]) -> bool {
        if self.absent().is_superset(&names.iter().cloned().collect()) {
            // Perhaps the target lists them in some sessions alone.
            self.refresh();
            return false;
        }
        let number = self.read_anew();
        let has_ended = tokio::time::timeout(LIST_PATIENCE, self.until_ended(number)).await.is_ok();
        let known = self.known();
        let mut absent = self.absent();
        // Also when it failed: no list waits for the same name again.
        absent.extend(names.iter().filter(|name| known.as_ref().is_none_or(|tools| !tools.has(name))).cloned());
        if absent.len() > MAX_ABSENT {
            absent.clear();
        }
        has_ended
    }

    /// Waits until a reading is asked for.
    pub(crate) async fn wanted(&self) {
        let mut asked = self.asked.subscribe();
        let done = self.ended.borrow().number;
        // The sender is a part of this, so it is there.
        drop(asked.wait_for(|asked| *asked > done).await);
    }

    /// The number of the latest reading that was asked for.
    pub(crate) fn latest(&self) -> u64 {
        *self.asked.borrow()
    }

    /// Takes what was read, which tells those that wait for any number up to this.
    pub(crate) fn learn(&self, number: u64, read: Result<HashMap<String, Tool>, DefinitionsError>) {
        let was_down = self.is_down();
        let failed = match read {
            Ok(by_name) => {
                self.absent().retain(|name| !by_name.contains_key(&**name));
                let is_other = self.known().is_none_or(|known| known.by_name != by_name);
                self.known.store(Some(Arc::new(Tools { by_name, read_at: Some(Instant::now()) })));
                if is_other {
                    self.changed.send_replace(());
                }
                None
            }
            Err(error) => {
                if self.known().is_none() {
                    // It may be down for long: what was accepted before is what it has, as far as anybody knows.
                    self.known.store(self.left.load_full());
                }
                Some((Instant::now(), error))
            }
        };
        self.ended.send_replace(Ended { number, failed });
        if was_down != self.is_down() {
            self.changed.send_replace(());
        }
    }

    async fn until_ended(&self, number: u64) {
        let mut ended = self.ended.subscribe();
        // The sender is a part of this, so it is there.
        drop(ended.wait_for(|ended| ended.number >= number).await);
    }

    fn missed(&self) -> MutexGuard<'_, Option<Instant>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn absent(&self) -> MutexGuard<'_, HashSet<Box<str>>> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    fn named(names: &[&str]) -> HashMap<String, Tool> {
        let tool = |name: &&str| {
            let (annotations, input_schema) = (vidimus_core::ToolAnnotations::default(), "{}".into());
            Tool::free(ToolDefinition { name: (*name).into(), annotations, input_schema, output_schema: None })
        };
        names.iter().map(|name| ((*name).to_owned(), tool(name))).collect()
    }

    #[tokio::test]
    async fn one_reading_is_for_all_that_asked_before_it() {
        let tools = KnownTools::default();
        for _ in 0..3 {
            tools.refresh();
        }
        tools.wanted().await;
        assert_eq!(tools.latest(), 1);
        // Who knows of something new while it runs wants another one.
        let again = tools.read_anew();
        tools.learn(1, Ok(named(&["a"])));
        assert!(tokio::time::timeout(Duration::from_millis(20), tools.until_ended(again)).await.is_err());
        tools.wanted().await;
        tools.learn(tools.latest(), Ok(named(&["b"])));
        tools.until_ended(again).await;
        assert!(tokio::time::timeout(Duration::from_millis(20), tools.wanted()).await.is_err(), "nobody asked again");
        let known = tools.get(&CancellationToken::new(), || Some(())).await.unwrap();
        assert!(known.get("a").is_none() && known.get("b").is_some());
    }

    #[tokio::test]
    async fn who_waits_for_the_first_reading_has_a_place_and_gives_up_with_its_client() {
        let tools = Arc::new(KnownTools::default());
        let (gone, places) = (CancellationToken::new(), Arc::new(Semaphore::new(2)));
        let wait = || {
            let (tools, gone, places) = (Arc::clone(&tools), gone.clone(), Arc::clone(&places));
            tokio::spawn(async move { tools.get(&gone, || places.try_acquire().ok()).await.map(drop) })
        };
        let waiting = [wait(), wait()];
        while places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(wait().await.unwrap(), Err(DefinitionsError::Crowded)));
        gone.cancel();
        for waited in waiting {
            assert!(matches!(waited.await.unwrap(), Err(DefinitionsError::ClientGone)));
        }
        assert_eq!(places.available_permits(), 2);
        tools.learn(tools.latest(), Err(DefinitionsError::Slow(Duration::ZERO)));
        let told = tools.get(&CancellationToken::new(), || Some(())).await.map(drop);
        assert!(matches!(told, Err(DefinitionsError::Slow(_))), "nobody waits again at once");
    }
}
