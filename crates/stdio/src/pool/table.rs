//! The task that owns a pool's table.
//!
//! Each entry is starting, running, ending or backing off. Starts and ends are waited for in a set of tasks whose results
//! come back here. An entry stays until the one end of its child has been told, so no result is of another child.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::{Lease, PoolError, PoolKey, PoolLimits, PoolState};
use crate::child::{Cause, Child, ChildError, Ended, Launch, Messages};

/// The shortest time between two looks at what is idle.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
/// Failures beyond this double the wait no more.
const MAX_DOUBLINGS: u32 = 16;
/// Keys whose failures are remembered: beyond, the pool refuses rather than forgets.
const MAX_REMEMBERED: usize = 10_000;

type Answer = oneshot::Sender<Result<Lease, PoolError>>;

#[derive(Debug)]
pub(super) enum Request {
    Lease { key: PoolKey, launch: Box<Launch>, answer: Answer },
    End { key: PoolKey },
    Close { answer: oneshot::Sender<()> },
}

/// What a task of the set has to say.
#[derive(Debug)]
enum News {
    Started { key: PoolKey, result: Result<(Child, Messages), ChildError> },
    Ended { key: PoolKey, ended: Ended },
}

#[derive(Debug)]
struct Entry {
    state: State,
    owner: String,
    /// In a row.
    failures: u32,
}

#[derive(Debug)]
enum State {
    /// `unwanted`: its session was over before it had started.
    Starting {
        waiting: Vec<Answer>,
        unwanted: bool,
    },
    Running(Running),
    Ending {
        pid: u32,
    },
    BackingOff {
        until: Instant,
    },
}

#[derive(Debug)]
struct Running {
    child: Child,
    messages: Option<Messages>,
    held: Arc<()>,
    since: Instant,
    last_used: Instant,
}

#[derive(Debug)]
pub(super) struct Table {
    limits: PoolLimits,
    entries: HashMap<PoolKey, Entry>,
    tasks: JoinSet<News>,
    counted: PoolState,
    publish: watch::Sender<PoolState>,
    /// None while the pool is open.
    closing: Option<Closing>,
}

#[derive(Debug)]
struct Closing {
    /// Who waits for everything to have ended.
    waiting: Vec<oneshot::Sender<()>>,
    /// When they wait no longer.
    until: Instant,
}

impl Table {
    pub(super) fn new(limits: PoolLimits, publish: watch::Sender<PoolState>) -> Self {
        let (entries, tasks) = (HashMap::new(), JoinSet::new());
        Self { limits, entries, tasks, counted: PoolState::default(), publish, closing: None }
    }

    /// Runs until every handle is dropped, or it was closed and all has ended.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut look = interval((self.limits.idle / 4).max(SHORTEST_LOOK));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let overdue = self.closing.as_ref().map(|closing| closing.until);
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.answer(request),
                    // What is dropped with the table is killed.
                    None => return,
                },
                Some(news) = self.tasks.join_next() => {
                    if let Ok(news) = news {
                        self.note(news);
                    } else {
                        // The error's text may hold values.
                        tracing::error!("A task of the servers' pool failed");
                    }
                }
                _ = look.tick() => self.end_idle(),
                () = sleep_until(overdue.unwrap_or_else(Instant::now)), if overdue.is_some() => {
                    self.name_what_is_left();
                    self.tasks.abort_all();
                    while self.tasks.join_next().await.is_some() {}
                }
            }
            self.publish();
            if let Some(closing) = self.closing.take_if(|_| self.tasks.is_empty()) {
                for waiting in closing.waiting {
                    // An error: whoever waited has gone.
                    let _ = waiting.send(());
                }
                return;
            }
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Lease { answer, .. } if self.closing.is_some() => refuse(answer, PoolError::Stopped),
            Request::Lease { key, launch, answer } => self.lease(key, *launch, answer),
            Request::End { key } => self.end(&key),
            Request::Close { answer } => {
                let until = Instant::now() + self.limits.close;
                self.closing.get_or_insert_with(|| Closing { waiting: Vec::new(), until }).waiting.push(answer);
                let keys: Vec<PoolKey> = self.entries.keys().cloned().collect();
                for key in &keys {
                    self.end(key);
                }
            }
        }
    }

    /// The gateway stops all the same: its evidence is to be closed in order.
    fn name_what_is_left(&self) {
        for (PoolKey { target, .. }, Entry { state, .. }) in &self.entries {
            match state {
                State::Ending { pid } => tracing::error!(
                    target,
                    pid,
                    "A server does not end although it was killed, and is left behind: see what holds it (`ps -o stat,wchan`)"
                ),
                State::Starting { .. } => tracing::error!(target, "A server that was being started is left behind"),
                State::Running(_) | State::BackingOff { .. } => {}
            }
        }
    }

    fn lease(&mut self, key: PoolKey, launch: Launch, answer: Answer) {
        let now = Instant::now();
        let failures = match self.entries.get_mut(&key).map(|entry| (&mut entry.state, entry.failures)) {
            Some((State::Starting { waiting, unwanted: false }, _)) => return waiting.push(answer),
            Some((State::Running(running), _)) => return running.lease(answer, now),
            Some((State::Starting { .. } | State::Ending { .. }, _)) => return refuse(answer, PoolError::Ending),
            Some((State::BackingOff { until }, _)) if *until > now => {
                return refuse(answer, PoolError::BackingOff { remaining: *until - now });
            }
            Some((State::BackingOff { .. }, failures)) => failures,
            None => 0,
        };
        if let Err(error) = self.has_room(&key.target, &launch.owner) {
            self.counted.refused += 1;
            return refuse(answer, error);
        }
        let state = State::Starting { waiting: vec![answer], unwanted: false };
        self.entries.insert(key.clone(), Entry { state, owner: launch.owner.clone(), failures });
        self.tasks.spawn(async move { News::Started { result: Child::spawn(&launch).await, key } });
    }

    fn has_room(&self, target: &str, owner: &str) -> Result<(), PoolError> {
        let living = |entry: &Entry| !matches!(entry.state, State::BackingOff { .. });
        let (mut total, mut of_target, mut of_owner) = (0, 0, 0);
        for (key, entry) in self.entries.iter().filter(|(_, entry)| living(entry)) {
            total += 1;
            of_target += usize::from(key.target == target);
            of_owner += usize::from(key.target == target && entry.owner == owner);
        }
        if of_owner >= self.limits.per_owner {
            return Err(PoolError::OwnerFull { limit: self.limits.per_owner });
        }
        if of_target >= self.limits.per_target {
            return Err(PoolError::TargetFull { limit: self.limits.per_target });
        }
        if total >= self.limits.total || self.entries.len() >= MAX_REMEMBERED {
            return Err(PoolError::Full { limit: self.limits.total });
        }
        Ok(())
    }

    fn note(&mut self, news: News) {
        match news {
            News::Started { key, result } => self.has_started(&key, result),
            News::Ended { key, ended } => self.has_ended(&key, ended),
        }
    }

    fn has_started(&mut self, key: &PoolKey, result: Result<(Child, Messages), ChildError>) {
        let MapEntry::Occupied(mut occupied) = self.entries.entry(key.clone()) else { return };
        let entry = occupied.get_mut();
        let State::Starting { waiting, unwanted } = &mut entry.state else { return };
        let (waiting, unwanted) = (std::mem::take(waiting), *unwanted);
        match result {
            Ok((child, messages)) => {
                self.counted.started += 1;
                let now = Instant::now();
                let held = Arc::new(());
                let mut running =
                    Running { child: child.clone(), messages: Some(messages), held, since: now, last_used: now };
                for waiting in waiting {
                    running.lease(waiting, now);
                }
                entry.state = State::Running(running);
                let ended = key.clone();
                self.tasks.spawn(async move { News::Ended { ended: child.ended().await, key: ended } });
                if unwanted {
                    self.end(key);
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                tracing::warn!(target = key.target, %error, "A server did not start");
                for waiting in waiting {
                    refuse(waiting, PoolError::Start(Arc::clone(&error)));
                }
                if unwanted {
                    occupied.remove();
                } else {
                    self.back_off(key);
                }
            }
        }
    }

    fn has_ended(&mut self, key: &PoolKey, ended: Ended) {
        let is_early = match self.entries.get(key).map(|entry| &entry.state) {
            Some(State::Running(running)) => {
                ended.cause != Cause::Closed && running.since.elapsed() < self.limits.good_run
            }
            _ => false,
        };
        if is_early {
            self.back_off(key);
        } else {
            self.entries.remove(key);
        }
    }

    fn back_off(&mut self, key: &PoolKey) {
        self.counted.failed += 1;
        let Some(entry) = self.entries.get_mut(key) else { return };
        let (first, longest) = self.limits.back_off;
        let wait = first.saturating_mul(1 << entry.failures.min(MAX_DOUBLINGS)).min(longest);
        entry.failures = entry.failures.saturating_add(1);
        entry.state = State::BackingOff { until: Instant::now() + wait };
    }

    /// Ends what belongs to `key`. Its failures go with it.
    fn end(&mut self, key: &PoolKey) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        match &mut entry.state {
            State::Starting { waiting, unwanted } => {
                *unwanted = true;
                for waiting in std::mem::take(waiting) {
                    refuse(waiting, PoolError::Ending);
                }
            }
            State::Running(running) => {
                // The task that waits for the end tells of it.
                running.child.ask_to_close();
                entry.state = State::Ending { pid: running.child.id() };
            }
            State::Ending { .. } => {}
            State::BackingOff { .. } => drop(self.entries.remove(key)),
        }
    }

    fn end_idle(&mut self) {
        let now = Instant::now();
        let mut idle = Vec::new();
        for (key, entry) in &mut self.entries {
            if let State::Running(running) = &mut entry.state {
                if now.duration_since(running.since) >= self.limits.good_run {
                    entry.failures = 0;
                }
                if Arc::strong_count(&running.held) > 1 {
                    running.last_used = now;
                } else if now.duration_since(running.last_used) >= self.limits.idle {
                    idle.push(key.clone());
                }
            }
        }
        for key in &idle {
            self.end(key);
        }
        // Failures are forgotten when their wait is over for as long as a good run takes.
        let good_run = self.limits.good_run;
        self.entries.retain(|_, entry| !matches!(entry.state, State::BackingOff { until } if until + good_run < now));
    }

    fn publish(&self) {
        let mut state = PoolState { starting: 0, running: 0, ending: 0, backing_off: 0, ..self.counted };
        for entry in self.entries.values() {
            match entry.state {
                State::Starting { .. } => state.starting += 1,
                State::Running(_) => state.running += 1,
                State::Ending { .. } => state.ending += 1,
                State::BackingOff { .. } => state.backing_off += 1,
            }
        }
        self.publish.send_if_modified(|published| std::mem::replace(published, state) != state);
    }
}

impl Running {
    fn lease(&mut self, answer: Answer, now: Instant) {
        self.last_used = now;
        let messages = self.messages.take();
        let lease = Lease { child: self.child.clone(), messages, _held: Arc::clone(&self.held) };
        // Whoever asked has gone: the messages are for the next one.
        if let Err(Ok(lease)) = answer.send(Ok(lease)) {
            self.messages = lease.messages;
        }
    }
}

fn refuse(answer: Answer, error: PoolError) {
    // Whoever asked has gone.
    drop(answer.send(Err(error)));
}
