//! What of an answer may be shown where columns are protected, and the looking up that this needs.
//!
//! The database is asked on the client's own connection, between two of its batches, so that names stand for what they do
//! there: by its `search_path`, its temporary tables, and what its transaction has changed. These operations are the gateway's
//! own, in a session of their own.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;
use vidimus_core::event::Status;
use vidimus_core::{Action, Operation};
use vidimus_gate::{
    Catalogue, Denied, Gate, Inferred, LookedUp, Messages, Session, TargetReader, Traced, Tracer, Verdict,
};

use super::running::Running;
use super::statements::{self, Asked, Known};
use super::{End, Lines, Proxy, TICK};
use crate::backend::{self, BackendMessage, TransactionStatus};
use crate::error::ProtocolError;
use crate::frame::Frame;
use crate::frontend::{Bind, Execute, FrontendMessage, Named, Parse};
use crate::names::Portal;
use crate::notice::{Notice, field};
use crate::order::RequestId;
use crate::read::Text;
use crate::shared::{Changes, Relying, Target};

/// After so long it is looked up again: others change the database too.
const GOOD_FOR: Duration = Duration::from_secs(15);
/// How long the database may take to tell.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a statement waits for another session's change of names, and such a change for what relies on them.
const RELY_PATIENCE: Duration = Duration::from_secs(10);
const CHANGE_PATIENCE: Duration = Duration::from_secs(30);

pub(super) const ENDS_BATCH: &str = "a statement that changes what names stand for ends its batch: send Sync after it";
const BEING_CHANGED: &str = "another session changes what names stand for in this database, which has protected columns: try \
                             again when it has ended";
const IN_USE: &str = "this changes what names stand for in a database with protected columns, and other sessions run statements that \
                      rely on them: try again when they have ended";
const CHANGED: &str = "what names stand for in this database has changed since this was sent, so the gateway cannot tell what is \
                       protected: send it again";
const PREPARED_BEFORE: &str = "what names stand for in this database has changed since this statement was prepared, so the gateway \
                               cannot tell what is protected: prepare it again";

/// How often it is asked when what asks is cancelled.
const ATTEMPTS: usize = 3;

/// One row of one text: JSON as [`LookedUp`] has it.
const LOOK_UP: &str = "\
SELECT pg_catalog.json_build_object(
  'is_of_snapshot', pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted'),
  'path', pg_catalog.current_schemas(true),
  'relations', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(c.oid::pg_catalog.int8, n.nspname, c.relname,
      CASE WHEN c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        THEN pg_catalog.pg_get_viewdef(c.oid) END,
      (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attname) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND n.nspname <> 'pg_toast'
      AND (n.nspname NOT LIKE 'pg\\_temp\\_%' OR n.oid = pg_catalog.pg_my_temp_schema())),
  'inherits', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(i.inhrelid::pg_catalog.int8, i.inhparent::pg_catalog.int8))
    FROM pg_catalog.pg_inherits i),
  'generated', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attrelid::pg_catalog.int8, a.attnum))
    FROM pg_catalog.pg_attribute a WHERE a.attgenerated <> '' AND NOT a.attisdropped),
  'functions', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(n.nspname, p.proname,
      CASE WHEN l.lanname = 'sql' AND p.prokind = 'f' AND p.pronargdefaults = 0 THEN p.prosrc END,
      l.lanname IN ('c', 'internal') AND p.provolatile = 'i' AND p.prokind = 'f' AND p.pronargdefaults = 0))
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')))";

/// What a session knows of what its database has.
pub(super) struct Tracing {
    /// The session that the gateway looks things up in.
    own: Session,
    tracer: Tracer,
    /// Whether names may stand for something else than they did.
    is_stale: bool,
    looked_up: Option<Instant>,
    /// Whether what ran last neither reads nor writes anything: `BEGIN`.
    is_at_begin: bool,
    /// The last request by which a failed transaction may have been ended, which the server has not answered.
    has_ended: Option<RequestId>,
    /// A name for the gateway's own statement and portal, which no client knows.
    name: Text,
    /// Changes of the database by all sessions, and how many of others there were when it was looked up.
    changes: Arc<Changes>,
    seen: Option<u64>,
    /// Beginnings and ends of the session's own.
    own_changes: u64,
    /// The same when it was looked up outside of a transaction.
    settled: Option<u64>,
}

/// What of the answer to an operation may be shown.
#[derive(Debug)]
pub(crate) struct Guarded {
    catalogue: Option<Arc<Catalogue>>,
    traced: Arc<Traced>,
    /// The statement that is being answered.
    statement: usize,
    messages: Messages,
    /// What names stand for does not change by other sessions before it is answered.
    relying: Option<Relying>,
}

impl Tracing {
    /// None where no rule can protect a column.
    pub(super) async fn begin(gate: &Gate, target: &Target, session: &Session) -> Result<Option<Self>, Denied> {
        if !session.has_column_rules() {
            return Ok(None);
        }
        let own = gate.open_own(Arc::clone(&target.spec)).await?;
        let changes = Arc::clone(&target.changes);
        Ok(Some(Self {
            own,
            tracer: Tracer::default(),
            is_stale: true,
            looked_up: None,
            is_at_begin: false,
            has_ended: None,
            name: Text::from(format!("vidimus_{}", Uuid::new_v4().simple()).as_str()),
            seen: None,
            settled: None,
            own_changes: 0,
            changes,
        }))
    }

    /// How many changes of other sessions there were; none where one is under way.
    fn changes_of_others(&self, session: &Session) -> Option<u64> {
        Some(self.changes.settled(session.id())?.saturating_sub(self.own_changes))
    }

    /// Whether another session has changed what names stand for.
    fn is_outdated(&self, session: &Session) -> bool {
        self.seen.is_none() || self.changes_of_others(session) != self.seen
    }

    /// Whether it was looked up longer ago than this.
    fn is_older_than(&self, age: Duration) -> bool {
        self.looked_up.is_none_or(|at| at.elapsed() > age)
    }

    /// The server is ready: what was asked up to this request has come to its end.
    pub(super) fn ready(&mut self, request: RequestId) {
        self.has_ended.take_if(|id| *id <= request);
    }

    /// What a portal is that a message has bound.
    pub(super) fn bound_as(&mut self, session: &Session, portal: &Portal) {
        let is_followed = !self.is_stale && !self.is_outdated(session) && portal.age == Some(self.tracer.age());
        self.tracer.bound_as(portal.bind.portal.as_str(), portal.statement.text.as_str(), is_followed);
    }

    /// A statement may be run by SQL as one that is prepared by SQL, by the name that a message gives it.
    pub(super) fn prepared_as(&mut self, name: &str, text: &str) {
        if !name.is_empty() {
            self.tracer.prepared_as(name.to_owned(), text);
        }
    }

    pub(super) async fn end(self) {
        if let Err(error) = self.own.close("client").await {
            tracing::error!(%error, session = %self.own.id(), "the end of a session cannot be recorded");
        }
    }
}

impl Proxy {
    /// Whether the database must be asked what it has, and can be.
    pub(super) fn must_look_up(&self) -> bool {
        let Some(tracing) = &self.tracing else { return false };
        // A transaction that has done nothing yet may still be told how it sees the others.
        let is_at_begin = tracing.is_at_begin && self.order.transaction_status() != TransactionStatus::Idle;
        let is_old = tracing.is_older_than(GOOD_FOR) && !is_at_begin;
        // While others change it, nobody can tell for how long it is true.
        let is_settled = !tracing.changes.is_changed_by_others(self.session.id());
        let is_due = tracing.is_stale || is_settled && (is_old || tracing.is_outdated(&self.session));
        is_due && self.may_look_up()
    }

    /// Whether the database can be asked: nothing of the client's is under way there.
    fn may_look_up(&self) -> bool {
        self.slots.is_empty()
            && self.order.pending() == self.heard.unsent
            // What was asked and is not ended with a `Sync` would be committed.
            && !self.heard.is_batch_sent
            && !self.order.is_failed()
            && self.order.transaction_status() != TransactionStatus::Failed
    }

    /// Whether what names stand for was changed in this batch, in a transaction that still runs something.
    pub(super) fn is_between_names(&self) -> bool {
        let is_stale = self.tracing.as_ref().is_some_and(|tracing| tracing.is_stale);
        is_stale && self.order.transaction_status() != TransactionStatus::Failed
    }

    /// Before a batch is read: waits for what is under way where the database must be asked before what comes next.
    pub(super) async fn drain(&mut self, from_target: &mut TargetReader) -> Result<(), End> {
        while let Some(tracing) = &self.tracing
            && (tracing.is_outdated(&self.session) || tracing.is_older_than(2 * GOOD_FOR))
            && self.order.pending() > 0
            && !self.heard.is_batch_open
            && !self.order.is_copy_in()
            && !tracing.changes.is_changed_by_others(self.session.id())
        {
            self.hear_more(from_target).await?;
        }
        Ok(())
    }

    /// Asks the database what it has.
    pub(super) async fn look_up(&mut self, from_target: &mut TargetReader) -> Result<(), End> {
        let seen = self.tracing.as_ref().and_then(|tracing| tracing.changes_of_others(&self.session));
        let asked = timeout(PATIENCE, self.ask(from_target));
        let Ok(told) = asked.await else {
            tracing::error!(session = %self.session.id(), "the database does not tell what it has, within {PATIENCE:?}");
            return Err(End::Target);
        };
        let looked_up = told?;
        let in_transaction = self.order.transaction_status() != TransactionStatus::Idle;
        if let Some(tracing) = &mut self.tracing {
            // What a transaction sees that keeps its snapshot is not what names stand for, once others have changed that.
            let is_of_now = !in_transaction || !looked_up.is_of_snapshot || seen.is_some() && seen == tracing.settled;
            let catalogue = is_of_now.then(|| Arc::new(tracing.own.catalogue(looked_up)));
            tracing.tracer.looked_up(catalogue, in_transaction);
            (tracing.is_stale, tracing.looked_up) = (false, Some(Instant::now()));
            tracing.seen = seen;
            if !in_transaction {
                tracing.settled = seen;
            }
            self.names.set_age(tracing.tracer.age());
        }
        Ok(())
    }

    async fn ask(&mut self, from_target: &mut TargetReader) -> Result<LookedUp, End> {
        let text = Text::from(LOOK_UP);
        let Some(name) = self.tracing.as_ref().map(|tracing| tracing.name.clone()) else { return Err(End::Target) };
        let (query, known) = (question(&name, &text).map_err(End::Protocol)?, self.statements.known(&text));
        let statements = [known];
        let asked = Asked::new(&statements, &[], BTreeSet::new());
        for _ in 0..ATTEMPTS {
            let Some(tracing) = &self.tracing else { return Err(End::Target) };
            let operation = statements::operation(&asked, query.clone(), self.address);
            let operation = Operation { action: Action::Method("catalogue".into()), ..operation };
            let Verdict::Admitted(admitted) = tracing.own.submit(operation).await else {
                return Err(End::Withheld);
            };
            let Some((running, wire)) = Running::take(admitted, None, None) else {
                return Err(End::Over("closed"));
            };
            self.target.send(wire).await?;
            // It has nothing else to do, so it reads.
            self.target.flush().await?;
            let told = self.told(from_target).await;
            let looked_up = match &told {
                Ok(Ok(row)) => serde_json::from_slice::<LookedUp>(row).map_err(|error| error.to_string()),
                Ok(Err(notice)) => Err(format!("{}: {}", notice.code(), notice.message())),
                Err(_) => Err("the connection has ended".to_owned()),
            };
            let (status, body) = match &looked_up {
                Ok(looked_up) => (Status::Ok, json!({ "relations": looked_up.relations.len() })),
                Err(error) => (Status::Error, json!({ "error": error })),
            };
            running.told(status, Bytes::from(body.to_string())).await;
            told.map(drop)?;
            match looked_up {
                Ok(looked_up) => return Ok(looked_up),
                Err(error) => {
                    tracing::error!(%error, session = %self.session.id(), "the database does not tell what it has");
                    // The error has ended the client's transaction, which does not know.
                    if self.order.transaction_status() != TransactionStatus::Idle {
                        return Err(End::Target);
                    }
                }
            }
        }
        Err(End::Target)
    }

    /// The only value of the answer to the gateway's own question, or the error.
    async fn told(&mut self, from_target: &mut TargetReader) -> Result<Result<Bytes, Notice>, End> {
        let (mut told, mut unasked) = (Ok(Bytes::new()), Vec::new());
        loop {
            let decoded = backend::decode(from_target.received(), &backend::Limits::default());
            let Some((message, frame)) = decoded.map_err(|error| self.broken_by(error))? else {
                from_target.receive().await?;
                continue;
            };
            match message {
                BackendMessage::ReadyForQuery(_) => break,
                BackendMessage::DataRow(row) => {
                    let value = row.cells().next().flatten().map(Bytes::copy_from_slice);
                    told = told.map(|_| value.unwrap_or_default());
                }
                BackendMessage::ErrorResponse(notice) if notice.is_fatal() => return Err(End::Target),
                BackendMessage::ErrorResponse(notice) => told = Err(notice),
                BackendMessage::ParameterStatus(_) | BackendMessage::NotificationResponse(_) => {
                    unasked.push((message, frame));
                }
                _ => {}
            }
        }
        for (message, frame) in unasked {
            // Boxed, since what comes unasked may become an operation, which is a part of this future's own type.
            Box::pin(self.answered(message, frame)).await?;
        }
        Ok(told)
    }

    /// What of the answer to a statement may be shown, run after others of its batch by a request; why it is refused.
    pub(super) fn traced(
        &mut self,
        request: RequestId,
        run: &Known,
        others: &[Arc<Known>],
    ) -> Result<Option<Guarded>, String> {
        let is_failed = self.order.transaction_status() == TransactionStatus::Failed;
        let Some(tracing) = &mut self.tracing else { return Ok(None) };
        tracing.is_at_begin = run.is_of_session();
        let had_ended = tracing.has_ended.is_some();
        if run.ends_transactions() {
            tracing.has_ended = Some(request);
        }
        if tracing.is_stale {
            if !is_failed || had_ended || !run.is_one() {
                return Err(ENDS_BATCH.to_owned());
            }
            // The server runs nothing now but what ends the transaction, and what comes after that in the batch.
            return Ok(Some(Guarded::new(None, Arc::new(Traced::end()))));
        }
        let traced = tracing.tracer.run(run.text());
        if let Some(reason) = &traced.refused {
            return Err(reason.clone());
        }
        let mut guarded = Guarded::new(tracing.tracer.catalogue(), traced);
        for other in others {
            guarded.hear_of(&tracing.tracer.prepare(other.text()));
        }
        Ok(Some(guarded))
    }

    /// Sees to it that what names stand for stays what a statement was followed by until it is answered; why it cannot be
    /// run, with its SQLSTATE, where it cannot.
    pub(super) async fn rely(
        &mut self,
        (request, portal): (RequestId, Option<&Portal>),
        guarded: &mut Guarded,
        statements: &[Arc<Known>],
        lines: &mut Lines<'_>,
    ) -> Result<Result<(), (&'static str, &'static str)>, End> {
        let Some((run, others)) = statements.split_first() else { return Ok(Ok(())) };
        if let Some((id, _)) = &mut self.changing {
            // Whatever is run while names change may be what ends it.
            *id = request;
        }
        let is_failed = self.order.transaction_status() == TransactionStatus::Failed && run.is_one();
        let Some(tracing) = &mut self.tracing else { return Ok(Ok(())) };
        // In a failed transaction nothing is run but its end, and what comes after that.
        let is_failed = is_failed && (tracing.has_ended.is_none() || run.is_of_session());
        if is_failed || run.is_of_session() && !guarded.traced.changes_database {
            tracing.is_stale |= guarded.traced.changes_names;
            return Ok(Ok(()));
        }
        let (changes, session) = (Arc::clone(&tracing.changes), self.session.id());
        if guarded.traced.changes_database && self.changing.is_none() {
            let Some(changing) = self.hear_until(lines, changes.change(session, CHANGE_PATIENCE)).await? else {
                return Ok(Err(("55P03", IN_USE)));
            };
            self.changing = Some((request, changing));
            if let Some(tracing) = &mut self.tracing {
                tracing.own_changes += 1;
            }
        }
        let Some(relying) = self.hear_until(lines, changes.rely(session, RELY_PATIENCE)).await? else {
            return Ok(Err(("55P03", BEING_CHANGED)));
        };
        guarded.relying = Some(relying);
        let Some(tracing) = &self.tracing else { return Ok(Ok(())) };
        let (is_outdated, may_look_up) = (tracing.is_outdated(&self.session), self.may_look_up());
        if is_outdated && !may_look_up {
            return Ok(Err(("40001", CHANGED)));
        }
        // People may have taken long to approve of it.
        if is_outdated || may_look_up && tracing.is_older_than(2 * GOOD_FOR) {
            self.look_up(lines.target).await?;
            match self.traced(request, run, others) {
                Ok(Some(again)) if again.is_as(guarded) => {
                    *guarded = Guarded { relying: guarded.relying.take(), ..again };
                }
                // What was decided on was something else.
                _ => return Ok(Err(("40001", CHANGED))),
            }
        }
        let Some(tracing) = &mut self.tracing else { return Ok(Ok(())) };
        if portal.is_some_and(|portal| portal.age != Some(tracing.tracer.age())) {
            return Ok(Err(("26000", PREPARED_BEFORE)));
        }
        tracing.is_stale |= guarded.traced.changes_names;
        Ok(Ok(()))
    }

    /// Waits for something while the server is heard.
    async fn hear_until<T>(&mut self, lines: &mut Lines<'_>, wanted: impl Future<Output = T>) -> Result<T, End> {
        let mut wanted = pin!(wanted);
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                biased;
                came = &mut wanted => return Ok(came),
                received = lines.target.receive() => {
                    received?;
                    self.hear_target(lines.target).await?;
                }
                sent = self.target.flush(), if self.target.is_waiting() => sent?,
                _ = tick.tick() => if let Some(reason) = self.session.end_due() {
                    return Err(End::Over(reason));
                },
            }
        }
    }

    /// The server is ready after a request: a change that it ended is done.
    pub(super) fn changed(&mut self, request: RequestId, status: TransactionStatus) {
        if status == TransactionStatus::Idle
            && let Some((_, changing)) = self.changing.take_if(|(id, _)| *id <= request)
        {
            drop(changing);
            if let Some(tracing) = &mut self.tracing {
                tracing.own_changes += 1;
            }
        }
    }

    /// The same of what is not run.
    pub(super) fn traced_unrun(&mut self, statements: &[Arc<Known>]) -> Option<Guarded> {
        let tracing = self.tracing.as_mut()?;
        let mut guarded = Guarded::new(None, Arc::new(Traced::unknown()));
        guarded.messages = if tracing.is_stale { Messages::Anything } else { Messages::Open };
        for statement in statements.iter().filter(|_| !tracing.is_stale) {
            guarded.hear_of(&tracing.tracer.prepare(statement.text()));
        }
        Some(guarded)
    }
}

impl Guarded {
    fn new(catalogue: Option<&Arc<Catalogue>>, traced: Arc<Traced>) -> Self {
        let messages = traced.messages;
        Self { catalogue: catalogue.cloned(), traced, statement: 0, messages, relying: None }
    }

    /// Messages may be of this statement, too.
    fn hear_of(&mut self, other: &Traced) {
        self.messages = self.messages.max(other.messages);
    }

    /// Whether what was decided of the other is decided of this.
    fn is_as(&self, other: &Self) -> bool {
        let (own, others) = (&self.traced, &other.traced);
        own.inferred == others.inferred && own.changes_database == others.changes_database
    }

    /// Whether names may stand for something else afterwards.
    pub(crate) fn changes_names(&self) -> bool {
        self.traced.changes_names
    }

    /// The protected columns that decide which rows come, `*` where it may be any.
    pub(crate) fn inferred(&self) -> BTreeSet<String> {
        match &self.traced.inferred {
            Inferred::Unknown => ["*".to_owned()].into(),
            Inferred::Columns(columns) => columns.clone(),
        }
    }

    /// The next statement is answered.
    pub(crate) const fn next_statement(&mut self) {
        self.statement += 1;
    }

    /// The column whose rule a column of a table is masked by.
    pub(crate) fn ruled(&self, table: u32, attribute: i16) -> Option<[&str; 3]> {
        self.catalogue.as_ref()?.protected(table, attribute)
    }

    /// Whether a column of a result may be shown, which has so many.
    pub(crate) fn may_show(&self, place: usize, count: usize) -> bool {
        self.traced.shown(self.statement).may_show(place, count)
    }

    /// Whether all of them may.
    pub(crate) fn may_show_all(&self) -> bool {
        self.traced.shown(self.statement).is_all()
    }

    /// A message of the server, without what may tell protected values.
    pub(crate) fn told(&self, message: BackendMessage, frame: Frame) -> Result<(BackendMessage, Frame), ProtocolError> {
        let hidden = match &message {
            BackendMessage::ErrorResponse(notice) => self.kept(notice).map(BackendMessage::ErrorResponse),
            BackendMessage::NoticeResponse(notice) => self.kept(notice).map(BackendMessage::NoticeResponse),
            _ => None,
        };
        let Some(hidden) = hidden else { return Ok((message, frame)) };
        let mut bytes = BytesMut::new();
        hidden.encode(&mut bytes)?;
        let frame = Frame::of(bytes.freeze());
        Ok((hidden, frame))
    }

    /// What the client may know of a message, where that is not all of it.
    fn kept(&self, notice: &Notice) -> Option<Notice> {
        if self.messages == Messages::Open {
            return None;
        }
        if !self.may_tell(notice) {
            return Some(withheld(notice));
        }
        // Where it happened, and by which other statements, may tell more than what happened.
        let is_told = |letter: u8| !matches!(letter, field::DETAIL | field::WHERE | field::INTERNAL_QUERY);
        let kept: Vec<_> = notice.fields().iter().filter(|(letter, _)| is_told(*letter)).cloned().collect();
        (kept.len() < notice.fields().len()).then(|| Notice::of(kept))
    }

    /// Whether the text of a message tells nothing of values.
    fn may_tell(&self, notice: &Notice) -> bool {
        let has = |letter| notice.field(letter).is_some();
        // What is about a place in the statement's own text was found before anything was run.
        let is_of_text = has(field::POSITION) && !has(field::INTERNAL_QUERY) && !has(field::WHERE);
        let code = notice.code();
        match self.messages {
            Messages::Open => true,
            Messages::Values => is_of_text || tells_nothing(&code),
            // Besides, that the transaction is aborted already, or the statement cancelled.
            Messages::Anything => is_of_text || code == "25P02" || code == "57014",
        }
    }
}

/// The gateway's own question, by names of its own: a `Query` would end the client's unnamed statement and portal.
fn question(name: &Text, text: &Text) -> Result<Bytes, ProtocolError> {
    let (statement, portal) = (Named::Statement(name.clone()), Named::Portal(name.clone()));
    let messages = [
        // Where the last attempt failed, it is there still; closing what is not there is no error.
        FrontendMessage::Close(statement.clone()),
        FrontendMessage::Parse(Parse::plain(name, text)),
        FrontendMessage::Bind(Bind::plain(name, name)),
        FrontendMessage::Execute(Execute { portal: name.clone(), max_rows: 0 }),
        FrontendMessage::Close(portal),
        FrontendMessage::Close(statement),
        FrontendMessage::Sync,
    ];
    let mut bytes = BytesMut::new();
    messages.iter().try_for_each(|message| message.encode(&mut bytes))?;
    Ok(bytes.freeze())
}

/// Whether the text of an error tells of the server and of no values (PostgreSQL, appendix A): its class, or itself.
fn tells_nothing(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    ["08", "25", "40", "53", "57"].contains(&class) || ["42501", "55P03"].contains(&code)
}

/// The same without its text.
fn withheld(notice: &Notice) -> Notice {
    let text = "the text of this message is withheld, since it may tell values of protected columns";
    let kept = notice
        .fields()
        .iter()
        .filter(|(letter, _)| matches!(*letter, field::SEVERITY | field::SEVERITY_PLAIN | field::CODE));
    let kept = kept.cloned().chain([(field::MESSAGE, Bytes::from_static(text.as_bytes()))]);
    Notice::of(kept.collect())
}
