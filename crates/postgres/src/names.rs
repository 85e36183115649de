//! Prepared statements and portals of a session, by name ("Extended Query"): what a `Bind` or an `Execute` is about.
//!
//! What a client defines counts for what it sends next in the same batch, since the server drops that too if the definition
//! fails. Behind a `Sync` it counts only when the server has said so: until then the name is [`Lookup::Unsettled`], because
//! it may still stand for what it did before. Refused: a name that is taken, one that stands for nothing, and more names or
//! bytes than are kept.
//!
//! SQL has names of its own in the same place. Before a statement is sent that is, or may run, `PREPARE`, `DEALLOCATE` or
//! `DISCARD`, call [`Names::forget_statement`] or [`Names::forget_statements`]; before `DECLARE`, `CLOSE`, `FETCH` or
//! `MOVE`, [`Names::forget_portal`] or [`Names::forget_portals`]. What is not known here is neither bound nor executed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use vidimus_gate::Age;

use crate::backend::{BackendMessage, TransactionStatus};
use crate::error::{Peer, Problem, ProtocolError};
use crate::frontend::{Bind, FrontendMessage, Named, Parse};
use crate::order::{Answer, Request, RequestId};
use crate::read::{Format, Text};
use crate::row::RowDescription;

/// Statements and portals that a session may have at once.
pub const DEFAULT_NAMES: usize = 10_000;
/// Bytes of a name that PostgreSQL keeps (`NAMEDATALEN`, less one).
pub const MAX_NAME: usize = 63;
/// Bytes of texts and values that they may hold together.
pub const DEFAULT_BYTES: usize = 256 << 20;

/// What is kept at the most, for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameLimits {
    /// Statements and portals.
    pub names: usize,
    /// Bytes of their texts and values.
    pub bytes: usize,
}

impl Default for NameLimits {
    fn default() -> Self {
        Self { names: DEFAULT_NAMES, bytes: DEFAULT_BYTES }
    }
}

/// A prepared statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text.
    pub text: Text,
    /// Types of its parameters, as the client declared them; 0 is left to the server.
    pub parameter_types: Vec<u32>,
    /// What the server said of it when it was described: types of parameters, and columns if it has rows.
    pub described: Option<Described>,
    /// The age in which it was prepared, where somebody tells ages apart.
    pub age: Option<Age>,
}

/// What the server said of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Types of its parameters.
    pub parameter_types: Vec<u32>,
    /// Its columns; none if it has no rows.
    pub columns: Option<RowDescription>,
}

/// A portal: a statement with values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portal {
    /// The statement.
    pub statement: Arc<Statement>,
    /// The name it had.
    pub statement_name: Text,
    /// Its values and formats.
    pub bind: Arc<Bind>,
    /// The columns that the server said it has; the outer is none if it was not asked, the inner if there are no rows.
    pub columns: Option<Option<RowDescription>>,
    /// Rows that it may have given: so many were asked for.
    pub given: u64,
    /// The age in which it was bound, and its statement prepared; none where these are two.
    pub age: Option<Age>,
}

impl Portal {
    /// The columns with their formats, from whatever description there is. The outer is none if there is none.
    pub fn columns(&self) -> Option<Option<RowDescription>> {
        let of_statement = || {
            let described = self.statement.described.as_ref()?;
            Some(described.columns.as_ref().map(|columns| columns.in_formats(&self.bind.result_formats)))
        };
        self.columns.clone().or_else(of_statement)
    }

    /// Types of its parameters, as the client declared them; 0 is left to the server.
    pub fn declared_types(&self) -> &[u32] {
        &self.statement.parameter_types
    }

    /// Type (0 if nobody said), format and bytes of each value, in order; no bytes are NULL.
    pub fn values(&self) -> impl Iterator<Item = (u32, Format, Option<&Bytes>)> {
        let described = self.statement.described.as_ref().map(|described| described.parameter_types.as_slice());
        let types = described.unwrap_or(&self.statement.parameter_types);
        let types = types.iter().copied().chain(std::iter::repeat(0));
        types.zip(self.bind.values()).map(|(type_id, (format, value))| (type_id, format, value))
    }
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// This.
    Known(T),
    /// Nothing that this table knows of: it is not to be used.
    Unknown,
    /// This or something else: the server has not answered an earlier batch that changes it. Ask again when it has.
    Unsettled,
}

/// The names of a session.
#[derive(Debug)]
pub struct Names {
    limits: NameLimits,
    statements: HashMap<Text, Arc<Statement>>,
    portals: HashMap<Text, Portal>,
    /// What the server has not confirmed, in the order of the requests.
    changes: VecDeque<(RequestId, Change)>,
    /// The newest change of each name.
    latest: HashMap<Named, RequestId>,
    /// The newest `Sync` that the server has not answered.
    sync: Option<RequestId>,
    /// Bytes of all of it.
    bytes: usize,
    /// How many of the changes define something.
    definitions: usize,
    age: Option<Age>,
}

/// A change that the server has not confirmed.
#[derive(Debug)]
enum Change {
    Statement(Text, Arc<Statement>),
    Portal(Text, Portal),
    Close(Named),
    /// A `Query`: the unnamed ones end.
    Query,
}

impl Default for Names {
    fn default() -> Self {
        Self::new(NameLimits::default())
    }
}

impl Names {
    /// None yet.
    pub fn new(limits: NameLimits) -> Self {
        Self {
            limits,
            statements: HashMap::new(),
            portals: HashMap::new(),
            changes: VecDeque::new(),
            latest: HashMap::new(),
            sync: None,
            bytes: 0,
            definitions: 0,
            age: None,
        }
    }

    /// What is defined from now on is of this age.
    pub fn set_age(&mut self, age: Age) {
        self.age = Some(age);
    }

    /// How many bytes are kept, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The statement that `name` stands for in what the client sends now.
    pub fn statement(&self, name: &Text) -> Lookup<Arc<Statement>> {
        match self.change_of(&Named::Statement(name.clone())) {
            Some((false, _)) => Lookup::Unsettled,
            Some((true, Change::Statement(_, statement))) => Lookup::Known(Arc::clone(statement)),
            Some((true, _)) => Lookup::Unknown,
            None => self.statements.get(name).map_or(Lookup::Unknown, |found| Lookup::Known(Arc::clone(found))),
        }
    }

    /// The portal that `name` stands for in what the client sends now.
    pub fn portal(&self, name: &Text) -> Lookup<Portal> {
        match self.change_of(&Named::Portal(name.clone())) {
            Some((false, _)) => Lookup::Unsettled,
            Some((true, Change::Portal(_, portal))) => Lookup::Known(portal.clone()),
            Some((true, _)) => Lookup::Unknown,
            None => match self.portals.get(name) {
                // The transaction may end there, and with it the portal.
                Some(_) if self.sync.is_some() => Lookup::Unsettled,
                Some(portal) => Lookup::Known(portal.clone()),
                None => Lookup::Unknown,
            },
        }
    }

    /// The newest change of a name, and whether nothing can come between it and what is sent now.
    fn change_of(&self, named: &Named) -> Option<(bool, &Change)> {
        let id = self.latest.get(named)?;
        let place = self.changes.binary_search_by_key(id, |(id, _)| *id).ok()?;
        let (_, change) = self.changes.get(place)?;
        Some((self.sync.is_none_or(|sync| sync < *id), change))
    }

    /// Whether a message of the client may be sent, as far as the names in it are concerned. Asked before
    /// [`Order::sends`](crate::order::Order::sends); then [`Names::sent`] tells of it. Of a request for
    /// [`NameError::Unsettled`] ask again when the server has answered more.
    pub fn check(&self, message: &FrontendMessage) -> Result<(), NameError> {
        fit(message)?;
        match message {
            FrontendMessage::Parse(parse) => {
                if !parse.name.is_empty() {
                    is_free(&self.statement(&parse.name), NameKind::Statement)?;
                }
                self.has_room(statement_bytes(&parse.name, &parse.text, &parse.parameter_types), true)
            }
            FrontendMessage::Bind(bind) => {
                is_known(&self.statement(&bind.statement), NameKind::Statement)?;
                if !bind.portal.is_empty() {
                    is_free(&self.portal(&bind.portal), NameKind::Portal)?;
                }
                self.has_room(portal_bytes(bind), true)
            }
            FrontendMessage::Describe(Named::Statement(name)) => is_known(&self.statement(name), NameKind::Statement),
            FrontendMessage::Describe(Named::Portal(name)) => is_known(&self.portal(name), NameKind::Portal),
            FrontendMessage::Execute(execute) => is_known(&self.portal(&execute.portal), NameKind::Portal),
            FrontendMessage::Close(named) => self.has_room(named.name().as_bytes().len(), false),
            _ => Ok(()),
        }
    }

    /// A message of the client that [`Names::check`] let pass is sent as `request`.
    pub fn sent(&mut self, request: Request, message: &FrontendMessage) {
        let id = request.id;
        match message {
            FrontendMessage::Parse(parse) => {
                let name = parse.name.detached();
                let statement = Arc::new(Statement { age: self.age, ..Statement::of(parse) });
                self.change(id, Named::Statement(name.clone()), Change::Statement(name, statement));
            }
            FrontendMessage::Bind(bind) => {
                let Lookup::Known(statement) = self.statement(&bind.statement) else { return };
                let portal = Portal {
                    age: self.age.filter(|age| statement.age == Some(*age)),
                    statement,
                    statement_name: bind.statement.detached(),
                    bind: Arc::new(if bind.portal.is_empty() { bind.clone() } else { detached_bind(bind) }),
                    columns: None,
                    given: 0,
                };
                let name = bind.portal.detached();
                self.change(id, Named::Portal(name.clone()), Change::Portal(name, portal));
            }
            FrontendMessage::Close(named) => {
                let named = match named {
                    Named::Statement(name) => Named::Statement(name.detached()),
                    Named::Portal(name) => Named::Portal(name.detached()),
                };
                self.change(id, named.clone(), Change::Close(named));
            }
            FrontendMessage::Query(_) => {
                self.latest.insert(UNNAMED_PORTAL, id);
                self.change(id, UNNAMED_STATEMENT, Change::Query);
            }
            FrontendMessage::Sync => self.sync = Some(id),
            _ => {}
        }
    }

    /// The server has sent `message`, which [`Order::receives`](crate::order::Order::receives) says is this answer.
    pub fn answered(&mut self, message: &BackendMessage, answer: &Answer) {
        if let Answer::To { request, is_last: true, skipped } = answer {
            if matches!(message, BackendMessage::ErrorResponse(_)) {
                self.failed(*request, skipped);
            } else {
                self.settled(*request);
            }
        }
        if matches!(message, BackendMessage::CopyInResponse(_)) {
            // Whatever `Sync` is under way, is part of the COPY.
            self.sync = None;
        }
        if matches!(message, BackendMessage::ReadyForQuery(TransactionStatus::Idle)) {
            // With the transaction all portals end; those of `DECLARE … WITH HOLD` are not ours.
            self.clear_portals();
        }
    }

    /// So many rows are asked of the portal `name`, in what the client sends now.
    pub fn asked_for(&mut self, name: &Text, rows: u64) {
        let latest = self.latest.get(&Named::Portal(name.clone()));
        let place = latest.and_then(|id| self.changes.binary_search_by_key(id, |(id, _)| *id).ok());
        let portal = match place.and_then(|place| self.changes.get_mut(place)) {
            Some((_, Change::Portal(_, portal))) => Some(portal),
            Some(_) => None,
            None => self.portals.get_mut(name),
        };
        if let Some(portal) = portal {
            portal.given = portal.given.saturating_add(rows);
        }
    }

    /// The server has described the statement `name`, as the answer to a request.
    pub fn statement_described(&mut self, name: &Text, described: Described) {
        // Whatever was sent before the request has been answered: the answer is about what is confirmed.
        let Some(statement) = self.statements.get_mut(name) else { return };
        let before = Arc::clone(statement);
        let after = Arc::new(Statement { described: Some(described), ..Statement::clone(&before) });
        *statement = Arc::clone(&after);
        let bound = self.changes.iter_mut().filter_map(|(_, change)| match change {
            Change::Portal(_, portal) => Some(portal),
            _ => None,
        });
        for portal in bound.chain(self.portals.values_mut()) {
            if Arc::ptr_eq(&portal.statement, &before) {
                portal.statement = Arc::clone(&after);
            }
        }
    }

    /// The server has described the portal `name`, as the answer to a request: its columns, or that it has no rows.
    pub fn portal_described(&mut self, name: &Text, columns: Option<RowDescription>) {
        if let Some(portal) = self.portals.get_mut(name) {
            portal.columns = Some(columns);
        }
    }

    /// The portal that the answer to an `Execute` is of, while it is being answered: what was sent later does not count.
    pub fn answering_portal(&self, name: &Text) -> Option<&Portal> {
        self.portals.get(name)
    }

    /// The statement that the answer to a `Describe` is of, while it is being answered.
    pub fn answering_statement(&self, name: &Text) -> Option<&Arc<Statement>> {
        self.statements.get(name)
    }

    /// By way of SQL, `name` may soon be something else.
    pub fn forget_statement(&mut self, name: &Text) {
        let named = Named::Statement(name.clone());
        self.end(&named);
        self.drop_changes(|_, change| matches!(change, Change::Statement(of, _) if of == name));
    }

    /// By way of SQL, all statements may soon be something else.
    pub fn forget_statements(&mut self) {
        for (name, statement) in std::mem::take(&mut self.statements) {
            self.bytes = self.bytes.saturating_sub(statement.bytes(&name));
        }
        self.drop_changes(|_, change| matches!(change, Change::Statement(..)));
    }

    /// By way of SQL, `name` may soon be something else.
    pub fn forget_portal(&mut self, name: &Text) {
        let named = Named::Portal(name.clone());
        self.end(&named);
        self.drop_changes(|_, change| matches!(change, Change::Portal(of, _) if of == name));
    }

    /// By way of SQL, all portals may soon be something else.
    pub fn forget_portals(&mut self) {
        self.clear_portals();
        self.drop_changes(|_, change| matches!(change, Change::Portal(..)));
    }

    fn has_room(&self, bytes: usize, is_definition: bool) -> Result<(), NameError> {
        let names = self.statements.len() + self.portals.len() + self.definitions;
        if is_definition && names >= self.limits.names {
            return Err(NameError::Full(too_many("statements and portals", self.limits.names)));
        }
        if self.bytes.saturating_add(bytes) > self.limits.bytes {
            return Err(NameError::Full(too_many("bytes of statements and portals", self.limits.bytes)));
        }
        Ok(())
    }

    fn change(&mut self, id: RequestId, named: Named, change: Change) {
        self.latest.insert(named, id);
        self.bytes += change.bytes();
        self.definitions += usize::from(change.is_definition());
        self.changes.push_back((id, change));
    }

    /// A request has been answered well: what it changes, counts.
    fn settled(&mut self, request: Request) {
        if self.sync == Some(request.id) {
            self.sync = None;
        }
        let Some((id, change)) = self.changes.pop_front_if(|(id, _)| *id <= request.id) else { return };
        for named in change.names() {
            if self.latest.get(&named) == Some(&id) {
                self.latest.remove(&named);
            }
        }
        self.definitions -= usize::from(change.is_definition());
        match change {
            Change::Statement(name, statement) => {
                if let Some(before) = self.statements.insert(name.clone(), statement) {
                    self.bytes = self.bytes.saturating_sub(before.bytes(&name));
                }
            }
            Change::Portal(name, portal) => {
                if let Some(before) = self.portals.insert(name, portal) {
                    self.bytes = self.bytes.saturating_sub(portal_bytes(&before.bind));
                }
            }
            Change::Close(named) => {
                self.bytes = self.bytes.saturating_sub(named.name().as_bytes().len());
                self.end(&named);
            }
            Change::Query => {
                self.end(&UNNAMED_STATEMENT);
                self.end(&UNNAMED_PORTAL);
            }
        }
    }

    /// A request has failed and others were dropped with it: what they would change, does not count.
    fn failed(&mut self, request: Request, skipped: &[Request]) {
        let last = skipped.last().map_or(request.id, |last| last.id);
        // The server makes room for an unnamed one before anything can fail.
        let unnamed = self.changes.front().filter(|(id, _)| *id == request.id).and_then(|(_, change)| match change {
            Change::Statement(name, _) if name.is_empty() => Some(UNNAMED_STATEMENT),
            Change::Portal(name, _) if name.is_empty() => Some(UNNAMED_PORTAL),
            _ => None,
        });
        self.drop_changes(|id, _| (request.id..=last).contains(&id));
        if let Some(unnamed) = unnamed {
            self.end(&unnamed);
        }
    }

    fn drop_changes(&mut self, is_dropped: impl Fn(RequestId, &Change) -> bool) {
        let before = self.changes.len();
        let (bytes, definitions) = (&mut self.bytes, &mut self.definitions);
        self.changes.retain(|(id, change)| {
            let is_dropped = is_dropped(*id, change);
            if is_dropped {
                *bytes = bytes.saturating_sub(change.bytes());
                *definitions -= usize::from(change.is_definition());
            }
            !is_dropped
        });
        if self.changes.len() < before {
            let changes = self.changes.iter();
            self.latest = changes.flat_map(|(id, change)| change.names().map(|named| (named, *id))).collect();
        }
    }

    fn clear_portals(&mut self) {
        for (_, portal) in std::mem::take(&mut self.portals) {
            self.bytes = self.bytes.saturating_sub(portal_bytes(&portal.bind));
        }
    }

    /// A confirmed name is gone. Portals outlive the statement they were made of: they hold its plan.
    fn end(&mut self, named: &Named) {
        let bytes = match named {
            Named::Statement(name) => self.statements.remove(name).map(|statement| statement.bytes(name)),
            Named::Portal(name) => self.portals.remove(name).map(|portal| portal_bytes(&portal.bind)),
        };
        self.bytes = self.bytes.saturating_sub(bytes.unwrap_or_default());
    }
}

const UNNAMED_STATEMENT: Named = Named::Statement(Text::EMPTY);
const UNNAMED_PORTAL: Named = Named::Portal(Text::EMPTY);

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Self::Statement(name, statement) => statement.bytes(name),
            Self::Portal(_, portal) => portal_bytes(&portal.bind),
            Self::Close(named) => named.name().as_bytes().len(),
            Self::Query => 0,
        }
    }

    fn is_definition(&self) -> bool {
        matches!(self, Self::Statement(..) | Self::Portal(..))
    }

    /// What it changes.
    fn names(&self) -> impl Iterator<Item = Named> + use<> {
        let (one, other) = match self {
            Self::Statement(name, _) => (Named::Statement(name.clone()), None),
            Self::Portal(name, _) => (Named::Portal(name.clone()), None),
            Self::Close(named) => (named.clone(), None),
            Self::Query => (UNNAMED_STATEMENT, Some(UNNAMED_PORTAL)),
        };
        std::iter::once(one).chain(other)
    }
}

/// What kind of thing a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// A name that cannot be defined or used so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It stands for something else.
    #[error("the name of this {} is taken: close it first", .0.noun())]
    Taken(NameKind),
    /// It stands for nothing.
    #[error("there is no {} of this name", .0.noun())]
    Unknown(NameKind),
    /// What it stands for depends on a batch that the server has not answered: wait for that. It does not occur when the
    /// server has answered everything.
    #[error("what {} this is depends on an earlier batch", .0.noun())]
    Unsettled(NameKind),
    /// PostgreSQL would cut it, and take another of the same beginning for it.
    #[error("this name of a {} has more than {MAX_NAME} bytes", .0.noun())]
    TooLong(NameKind),
    /// More than is kept.
    #[error(transparent)]
    Full(ProtocolError),
}

impl NameKind {
    fn noun(self) -> &'static str {
        match self {
            Self::Statement => "prepared statement",
            Self::Portal => "portal",
        }
    }
}

impl NameError {
    /// The SQLSTATE the client is told, which is the one PostgreSQL has for it.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Self::Taken(NameKind::Statement) => "42P05",
            Self::Taken(NameKind::Portal) => "42P03",
            Self::Unknown(NameKind::Statement) => "26000",
            Self::Unknown(NameKind::Portal) => "34000",
            Self::Unsettled(_) => "55000",
            Self::TooLong(_) => "42622",
            Self::Full(error) => error.sqlstate(),
        }
    }
}

/// Whether the names of a message are names for PostgreSQL as they are.
fn fit(message: &FrontendMessage) -> Result<(), NameError> {
    let fits =
        |name: &Text, kind| if name.as_bytes().len() > MAX_NAME { Err(NameError::TooLong(kind)) } else { Ok(()) };
    match message {
        FrontendMessage::Parse(parse) => fits(&parse.name, NameKind::Statement),
        FrontendMessage::Bind(bind) => {
            fits(&bind.statement, NameKind::Statement)?;
            fits(&bind.portal, NameKind::Portal)
        }
        FrontendMessage::Execute(execute) => fits(&execute.portal, NameKind::Portal),
        FrontendMessage::Describe(named) | FrontendMessage::Close(named) => match named {
            Named::Statement(name) => fits(name, NameKind::Statement),
            Named::Portal(name) => fits(name, NameKind::Portal),
        },
        _ => Ok(()),
    }
}

fn is_known<T>(found: &Lookup<T>, kind: NameKind) -> Result<(), NameError> {
    match found {
        Lookup::Known(_) => Ok(()),
        Lookup::Unknown => Err(NameError::Unknown(kind)),
        Lookup::Unsettled => Err(NameError::Unsettled(kind)),
    }
}

fn is_free<T>(found: &Lookup<T>, kind: NameKind) -> Result<(), NameError> {
    match found {
        Lookup::Known(_) => Err(NameError::Taken(kind)),
        Lookup::Unknown => Ok(()),
        Lookup::Unsettled => Err(NameError::Unsettled(kind)),
    }
}

fn too_many(what: &'static str, limit: usize) -> ProtocolError {
    ProtocolError::new(Peer::Client, Problem::TooMany { what, limit })
}

impl Statement {
    /// With memory of its own: a statement outlives the buffer it came in.
    fn of(parse: &Parse) -> Self {
        Self { text: parse.text.detached(), parameter_types: parse.parameter_types.clone(), described: None, age: None }
    }

    fn bytes(&self, name: &Text) -> usize {
        statement_bytes(name, &self.text, &self.parameter_types)
    }
}

fn detached_bind(bind: &Bind) -> Bind {
    let values = bind.values.iter().map(|value| value.as_ref().map(|value| Bytes::copy_from_slice(value)));
    Bind {
        portal: bind.portal.detached(),
        statement: bind.statement.detached(),
        value_formats: bind.value_formats.clone(),
        values: values.collect(),
        result_formats: bind.result_formats.clone(),
    }
}

/// What a name and what it stands for take beside their texts and values, about.
const ENTRY_BYTES: usize = 256;
/// What a value takes beside its bytes.
const VALUE_BYTES: usize = 32;

fn statement_bytes(name: &Text, text: &Text, parameter_types: &[u32]) -> usize {
    ENTRY_BYTES + name.as_bytes().len() + text.as_bytes().len() + size_of_val(parameter_types)
}

fn portal_bytes(bind: &Bind) -> usize {
    let values: usize = bind.values.iter().map(|value| value.as_ref().map_or(0, Bytes::len) + VALUE_BYTES).sum();
    ENTRY_BYTES + bind.portal.as_bytes().len() + bind.statement.as_bytes().len() + values
}

#[cfg(test)]
mod tests;
