//! The sessions of legacy clients: `Mcp-Session-Id` to a session, bound to the principal that opened it.
//!
//! An id is 256 random bits and authenticates nothing: whoever presents it must also be the principal the session
//! belongs to, by the same grant or by none, on the same target (MCP 2025-11-25, "Security Best Practices: Session Hijacking"). An unknown id and
//! another's id answer alike.

use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use vidimus_core::TargetName;
use vidimus_gate::{Caller, Session};

use crate::changed::Shown;
use crate::envelope::Id;
use crate::headers::{PROTOCOL_VERSION, SESSION_ID, request_headers};
use crate::initialize::Revision;
use crate::located::Located;
use crate::target::Target;
use crate::topics::Topics;

/// Bytes of randomness in a session id.
const ID_BYTES: usize = 32;

/// The longest text that a client says of itself and that goes on to targets at which it has a session beside.
const MAX_INTRODUCTION_BYTES: usize = 16 << 10;

/// Tasks remembered in one session.
const MAX_TASKS: usize = 1_024;

/// One session; of a legacy one, what both sides agreed on.
pub(crate) struct McpSession {
    /// The session in the gate.
    pub(crate) gate: Session,
    /// The target it is on.
    pub(crate) target: Arc<Target>,
    /// The target's own session id, if it gave one.
    pub(crate) upstream_id: OnceLock<HeaderValue>,
    /// The agreed protocol version.
    pub(crate) version: OnceLock<Revision>,
    /// Of the modern era: nothing of it is on the wire to the target.
    pub(crate) is_modern: bool,
    /// How the client came here.
    via: Via,
    /// The tasks that the target made for this session, with the tools they are of; the oldest first.
    tasks: Mutex<VecDeque<(Box<str>, Box<str>)>>,
    /// What the target may tell of: requests being answered, and what it asked.
    pub(crate) topics: Topics,
    /// Whose fault it was that a message got no answer, the last time.
    blame: Mutex<Option<Blame>>,
    lost: AtomicBool,
    /// The target's last word was one that it may say of a session it does not know.
    doubted: AtomicBool,
    last_used: AtomicU64,
    /// Numbers the requests to which the gateway gives an id of its own.
    numbered: AtomicU64,
    /// The requests being answered, each with what ends it when the client takes it back.
    running: Mutex<HashMap<Id, CancellationToken>>,
    /// The stream of the target's own.
    pub(crate) stream: Stream,
    /// The lists as the client knows them.
    pub(crate) shown: Shown,
}

/// Whose fault it is that a message got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The target's, towards everybody: it cannot be reached, breaks off, is silent, or fails.
    Target,
    /// This caller's: the target does not let it in.
    Caller,
    /// Of this message, or of nobody.
    Message,
}

/// How a client came to a session.
enum Via {
    /// By the target's own path: both sides speak the same era.
    Target,
    /// By the endpoint for all targets, where it speaks this era.
    Endpoint { client_is_modern: bool },
    /// It is at that endpoint, and has sessions beside at the targets behind it.
    Front(Box<Front>),
}

/// What a session at the endpoint for all targets has beside.
pub(crate) struct Front {
    beside: Mutex<Beside>,
    /// Counts the sessions beside that were opened.
    opened: watch::Sender<u64>,
    /// What the client said of itself when the session began: its `initialize`, in the era that has it.
    pub(crate) introduction: Bytes,
    /// The level of log messages that the client wants, as it said so: the last `logging/setLevel`.
    level: Mutex<Option<Bytes>>,
    /// What the client's lists depended on when it was last shown one.
    shown: Mutex<Option<u64>>,
    /// Which target has listed which resource to it.
    pub(crate) located: Located,
}

#[derive(Default)]
struct Beside {
    sessions: BTreeMap<TargetName, Place>,
    is_closed: bool,
}

impl Front {
    fn new(introduction: Bytes) -> Self {
        let introduction = if introduction.len() > MAX_INTRODUCTION_BYTES { Bytes::new() } else { introduction };
        let (beside, opened) = (Mutex::default(), watch::Sender::new(0));
        let (level, shown, located) = (Mutex::default(), Mutex::default(), Located::default());
        Self { beside, opened, introduction, level, shown, located }
    }

    /// The place of the session at a target, which is opened once.
    pub(crate) fn place(&self, target: &TargetName) -> Place {
        Arc::clone(self.beside().sessions.entry(target.clone()).or_default())
    }

    /// The sessions at targets that are open.
    pub(crate) fn open(&self) -> Vec<Arc<McpSession>> {
        self.beside().sessions.values().filter_map(|place| place.get().map(Arc::clone)).collect()
    }

    /// Gives the place of a session free that is no more.
    pub(crate) fn forget(&self, session: &Arc<McpSession>) {
        let is_it = |place: &Arc<OnceCell<_>>| place.get().is_some_and(|own| Arc::ptr_eq(own, session));
        self.beside().sessions.retain(|_, place| !is_it(place));
    }

    /// Says that one was opened; false when the client's own session has ended meanwhile, and nobody will end this one.
    pub(crate) fn entered(&self) -> bool {
        self.opened.send_modify(|opened| *opened += 1);
        !self.beside().is_closed
    }

    /// Tells when sessions are opened.
    pub(crate) fn openings(&self) -> watch::Receiver<u64> {
        self.opened.subscribe()
    }

    /// The last `logging/setLevel` of the client.
    pub(crate) fn level(&self) -> Option<Bytes> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the client's lists depended on when it was last shown one.
    pub(crate) fn shown(&self) -> Option<u64> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client is shown a list that depends on this.
    pub(crate) fn show(&self, digest: u64) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
    }

    /// Keeps a `logging/setLevel` of the client, for targets that it comes to later; not one that is padded.
    pub(crate) fn set_level(&self, request: Bytes) {
        if request.len() > MAX_INTRODUCTION_BYTES {
            return;
        }
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
    }

    /// Ends it: the sessions beside, which have to be closed.
    fn close(&self) -> Vec<Arc<McpSession>> {
        let mut beside = self.beside();
        beside.is_closed = true;
        std::mem::take(&mut beside.sessions).into_values().filter_map(|place| place.get().map(Arc::clone)).collect()
    }

    /// Whether something runs in a session beside.
    pub(crate) fn is_used(&self) -> bool {
        self.beside().sessions.values().any(|place| place.get().is_some_and(|session| Arc::strong_count(session) > 1))
    }

    fn beside(&self) -> MutexGuard<'_, Beside> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream of the target's own in one session: at most one is open, the newest.
pub(crate) struct Stream {
    /// Held while one is open.
    pub(crate) turn: Arc<Semaphore>,
    state: Mutex<StreamState>,
}

#[derive(Default)]
struct StreamState {
    /// Ends the one that is open.
    end: CancellationToken,
    /// The last event id of the target, to go on after.
    last_event: Box<str>,
}

impl Stream {
    /// Ends the stream that is open, if one is; what ends the next one.
    pub(crate) fn replace(&self) -> CancellationToken {
        let mut state = self.state();
        state.end.cancel();
        state.end = CancellationToken::new();
        state.end.clone()
    }

    /// The last event id of the target.
    pub(crate) fn last_event(&self) -> Option<HeaderValue> {
        let state = self.state();
        (!state.last_event.is_empty()).then(|| HeaderValue::from_str(&state.last_event).ok()).flatten()
    }

    /// Keeps the last event id of the target.
    pub(crate) fn set_last_event(&self, id: &str) {
        let mut state = self.state();
        if *state.last_event != *id {
            state.last_event = id.into();
        }
    }

    fn state(&self) -> MutexGuard<'_, StreamState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered; dropped when it is.
pub(crate) struct Running<'a> {
    session: &'a McpSession,
    id: &'a Id,
    pub(crate) cancelled: CancellationToken,
}

/// A request that waits for people; dropped when it does so no more.
pub(crate) struct Waiting {
    session: Arc<McpSession>,
    id: Id,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.session.client_is_modern() {
            self.session.running().remove(&self.id);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.session.client_is_modern() {
            self.session.running().remove(self.id);
        }
    }
}

impl McpSession {
    /// A session that is being initialised, or a modern one.
    pub(crate) fn new(gate: Session, target: Arc<Target>, is_modern: bool) -> Self {
        Self::via(gate, target, is_modern, Via::Target)
    }

    /// A session at a target, of a client that is at the endpoint for all of them.
    pub(crate) fn beside(gate: Session, target: Arc<Target>, is_modern: bool, client_is_modern: bool) -> Self {
        Self::via(gate, target, is_modern, Via::Endpoint { client_is_modern })
    }

    /// A session at that endpoint; `introduction` is what the client said of itself.
    pub(crate) fn front_of(gate: Session, endpoint: Arc<Target>, is_modern: bool, introduction: Bytes) -> Self {
        Self::via(gate, endpoint, is_modern, Via::Front(Box::new(Front::new(introduction))))
    }

    fn via(gate: Session, target: Arc<Target>, is_modern: bool, via: Via) -> Self {
        Self {
            is_modern,
            via,
            tasks: Mutex::default(),
            topics: Topics::default(),
            blame: Mutex::default(),
            gate,
            target,
            upstream_id: OnceLock::new(),
            version: OnceLock::new(),
            lost: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
            last_used: AtomicU64::new(0),
            numbered: AtomicU64::new(0),
            running: Mutex::default(),
            stream: Stream { turn: Arc::new(Semaphore::new(1)), state: Mutex::default() },
            shown: Shown::default(),
        }
    }

    /// Whether the client speaks the modern era.
    pub(crate) const fn client_is_modern(&self) -> bool {
        match self.via {
            Via::Endpoint { client_is_modern } => client_is_modern,
            Via::Target | Via::Front(_) => self.is_modern,
        }
    }

    /// Whether the client is at the endpoint for all targets, where names and ids say which target they are of.
    pub(crate) const fn is_beside(&self) -> bool {
        matches!(self.via, Via::Endpoint { .. })
    }

    /// Whether the client speaks another era than the target.
    pub(crate) const fn is_bridged(&self) -> bool {
        self.client_is_modern() != self.is_modern
    }

    /// What it has beside, if it is at that endpoint.
    pub(crate) const fn front(&self) -> Option<&Front> {
        match &self.via {
            Via::Front(front) => Some(front),
            Via::Target | Via::Endpoint { .. } => None,
        }
    }

    /// Itself and the sessions beside, to be closed.
    pub(crate) fn with_those_beside(session: Arc<Self>) -> Vec<Arc<Self>> {
        let beside = session.front().map(Front::close).unwrap_or_default();
        std::iter::once(session).chain(beside).collect()
    }

    /// An id that no other request of the session has, unless a client gives one such ids on purpose.
    pub(crate) fn own_id(&self) -> Id {
        Id::from_name(&format!("vidimus/{}", self.numbered.fetch_add(1, Ordering::Relaxed)))
    }

    /// Whether a request of this id is being answered.
    pub(crate) fn is_running(&self, id: &Id) -> bool {
        self.running().contains_key(id)
    }

    /// Enters a request that is being answered; none if one of its id is being answered already. Where ids are a
    /// connection's own and not a session's, none is entered twice, and none can be taken back by its id.
    pub(crate) fn run<'a>(&'a self, id: &'a Id) -> Option<Running<'a>> {
        let cancelled = self.enter(id)?;
        Some(Running { session: self, id, cancelled })
    }

    /// What is cancelled when the client takes back the request that is entered.
    fn enter(&self, id: &Id) -> Option<CancellationToken> {
        let cancelled = CancellationToken::new();
        if !self.client_is_modern() {
            match self.running().entry(id.clone()) {
                Entry::Occupied(_) => return None,
                Entry::Vacant(place) => place.insert(cancelled.clone()),
            };
        }
        Some(cancelled)
    }

    /// Enters a request that waits, in the same way: the client can take it back.
    pub(crate) fn enter_waiting(self: &Arc<Self>, id: &Id) -> Option<(Waiting, CancellationToken)> {
        let cancelled = self.enter(id)?;
        Some((Waiting { session: Arc::clone(self), id: id.clone() }, cancelled))
    }

    /// The client takes a request back.
    pub(crate) fn cancel(&self, id: &Id) {
        if let Some(token) = self.running().get(id) {
            token.cancel();
        }
    }

    /// Keeps a task that the target made when `tool` was called.
    pub(crate) fn enter_task(&self, id: &str, tool: &str) {
        let mut tasks = self.tasks();
        if tasks.iter().any(|(own, _)| **own == *id) {
            return;
        }
        if tasks.len() >= MAX_TASKS {
            tasks.pop_front();
        }
        tasks.push_back((id.into(), tool.into()));
    }

    /// The tool of a task, if the task is of this session.
    pub(crate) fn task(&self, id: &str) -> Option<Box<str>> {
        self.tasks().iter().find(|(own, _)| **own == *id).map(|(_, tool)| tool.clone())
    }

    /// Whether a task is of this session, and its tool one that the caller may know of still.
    pub(crate) fn may_know_task(&self, id: &str) -> bool {
        let Some((tool, tools)) = self.task(id).zip(self.target.tools.known()) else { return false };
        tools.get(&tool).is_some_and(|definition| self.gate.may_see(definition))
    }

    fn tasks(&self) -> MutexGuard<'_, VecDeque<(Box<str>, Box<str>)>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The headers of every message to the target. Nothing of the caller's request is among them.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = request_headers();
        if let Some(id) = self.upstream_id.get() {
            headers.insert(SESSION_ID, id.clone());
        }
        if let Some(version) = self.version.get() {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(version.name()));
        }
        headers
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Id, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target does not know its session any more.
    pub(crate) fn set_lost(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    /// A message got no answer, by the fault of this one.
    pub(crate) fn set_blame(&self, blame: Blame) {
        *self.blame.lock().unwrap_or_else(PoisonError::into_inner) = Some(blame);
    }

    /// Whose fault it was the last time; none when all were answered.
    pub(crate) fn blame(&self) -> Option<Blame> {
        *self.blame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Doubts that the target knows the session; whether that was in doubt already.
    pub(crate) fn doubt(&self) -> bool {
        self.doubted.swap(true, Ordering::Relaxed)
    }

    /// The target knows the session.
    pub(crate) fn set_known(&self) {
        self.doubted.store(false, Ordering::Relaxed);
    }

    /// Whether the target has forgotten the session.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

/// All sessions.
pub(crate) struct Sessions {
    started: Instant,
    open: RwLock<HashMap<Box<str>, Arc<McpSession>>>,
    /// Those being opened that further requests wait for.
    opening: Mutex<HashMap<Box<str>, Place>>,
    max: usize,
}

/// The place of a session that is opened once.
pub(crate) type Place = Arc<OnceCell<Arc<McpSession>>>;

impl Sessions {
    /// A table for at most `max` sessions.
    pub(crate) fn new(max: usize) -> Self {
        Self { started: Instant::now(), open: RwLock::default(), opening: Mutex::default(), max }
    }

    /// Whether there is room for one more, as far as can be said before it is entered.
    pub(crate) fn has_room(&self) -> bool {
        self.read().len() < self.max
    }

    /// Enters a session; its new id. `None` when there is no room.
    pub(crate) fn enter(&self, session: Arc<McpSession>) -> Option<String> {
        let mut bytes = [0; ID_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        let id = URL_SAFE_NO_PAD.encode(bytes);
        self.touch(&session);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.max {
            return None;
        }
        open.insert(id.clone().into(), session);
        Some(id)
    }

    /// The place of a modern session that is to be opened, by what tells it from others: first requests that come at once
    /// open one session. To be given to [`Self::opened`] afterwards.
    pub(crate) fn place(&self, key: &str) -> Place {
        Arc::clone(self.opening().entry(key.into()).or_default())
    }

    /// Nobody else is to wait at this place.
    pub(crate) fn opened(&self, key: &str, place: &Place) {
        let mut opening = self.opening();
        if opening.get(key).is_some_and(|own| Arc::ptr_eq(own, place)) {
            opening.remove(key);
        }
    }

    /// Enters a modern session under what tells it from others. False when there is no room, or one is there.
    pub(crate) fn enter_as(&self, key: &str, session: &Arc<McpSession>) -> bool {
        self.touch(session);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.max || open.contains_key(key) {
            return false;
        }
        open.insert(key.into(), Arc::clone(session));
        true
    }

    fn opening(&self) -> MutexGuard<'_, HashMap<Box<str>, Place>> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session with this id, if it is this caller's on this target.
    pub(crate) fn find(&self, id: &str, caller: &Caller, target: &Target) -> Option<Arc<McpSession>> {
        let session = self.read().get(id).map(Arc::clone)?;
        if !session.gate.is_of(caller) || session.target.spec.name != target.spec.name {
            return None;
        }
        self.touch(&session);
        Some(session)
    }

    /// Takes a session out.
    pub(crate) fn remove(&self, id: &str) -> Option<Arc<McpSession>> {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// Takes a session out, unless another one has taken its place.
    pub(crate) fn remove_own(&self, id: &str, session: &Arc<McpSession>) -> bool {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let is_own = open.get(id).is_some_and(|own| Arc::ptr_eq(own, session));
        is_own && open.remove(id).is_some()
    }

    /// Takes out those that are to end, by the reasons why.
    pub(crate) fn due(&self) -> BTreeMap<&'static str, Vec<Arc<McpSession>>> {
        let mut ended: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let due: Vec<_> = {
            let open = self.read();
            // One beside another may be over by itself: by a grant.
            for front in open.values().filter_map(|session| session.front()) {
                for session in front.open() {
                    let Some(reason) = session.gate.end_due() else { continue };
                    front.forget(&session);
                    ended.entry(reason).or_default().push(session);
                }
            }
            let due = open.iter().filter_map(|(id, session)| Some((id.clone(), session.gate.end_due()?)));
            due.collect()
        };
        for (id, reason) in due {
            if let Some(session) = self.remove(&id) {
                ended.entry(reason).or_default().push(session);
            }
        }
        ended
    }

    /// Takes out those unused for `idle`; with zero, all.
    pub(crate) fn expire(&self, idle: Duration) -> Vec<Arc<McpSession>> {
        let now = self.now();
        let limit = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        let mut expired = Vec::new();
        self.open.write().unwrap_or_else(PoisonError::into_inner).retain(|_, session| {
            let unused = now.saturating_sub(session.last_used.load(Ordering::Relaxed));
            // A call in flight holds the session, which is then in use however long it takes.
            let is_used = Arc::strong_count(session) > 1 || session.front().is_some_and(Front::is_used);
            let is_expired = limit == 0 || unused >= limit && !is_used;
            if is_expired {
                expired.push(Arc::clone(session));
            }
            !is_expired
        });
        expired
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Box<str>, Arc<McpSession>>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self, session: &McpSession) {
        session.last_used.store(self.now(), Ordering::Relaxed);
    }

    /// Milliseconds since the table was made.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
