//! Statements of one session, followed one after another.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use vidimus_core::{SqlKind, SqlKinds};
use vidimus_sql::lineage::{Lineage, Origin, Outputs, lineage};
use vidimus_sql::{Discarded, Effect, Statement};

use super::Catalogue;

/// Texts whose lineage is remembered.
const REMEMBERED: usize = 1_024;
/// How long such a text may be, in bytes.
const REMEMBERED_BYTES: usize = 16 << 10;
/// Statements, and cursors, that may go by one name, one after another.
const MOST_OF_A_NAME: usize = 8;
/// Names of statements that are kept in mind.
const MOST_NAMES: usize = 10_000;
/// The same of cursors, each of which has a word on each of its columns.
const MOST_CURSORS: usize = 1_000;
/// Bytes of the texts of prepared statements that are kept in mind.
const MOST_BYTES: usize = 8 << 20;

/// What a text's statements give that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Of each statement, in order.
    pub(super) shown: Vec<Visible>,
    /// Whether all of it may be, since nothing is protected.
    pub(super) is_open: bool,
    /// What the server's messages may tell.
    pub messages: Messages,
    /// Why it is not sent.
    pub refused: Option<String>,
    /// Protected columns that decide which rows come, or in which order; all, where nobody can tell.
    pub inferred: Inferred,
    /// Whether names may stand for something else afterwards: the catalogue must be looked up again before what follows.
    pub changes_names: bool,
    /// Whether they may for other sessions, too.
    pub changes_database: bool,
}

/// Which protected columns what comes may tell of without showing them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inferred {
    /// These.
    Columns(BTreeSet<String>),
    /// Any.
    Unknown,
}

/// Which columns of a result may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visible {
    /// All.
    All,
    /// Those that are true here, if it has as many.
    Columns(Vec<bool>),
    /// None.
    Nothing,
}

impl Visible {
    /// Whether a column may be, of a result that has so many.
    pub fn may_show(&self, place: usize, count: usize) -> bool {
        match self {
            Self::All => true,
            Self::Columns(columns) => columns.len() == count && columns.get(place).is_some_and(|may| *may),
            Self::Nothing => false,
        }
    }

    /// Whether all of them may.
    pub fn is_all(&self) -> bool {
        match self {
            Self::All => true,
            Self::Columns(columns) => columns.iter().all(|may| *may),
            Self::Nothing => false,
        }
    }
}

/// What the server's messages may tell of protected values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Messages {
    /// Nothing.
    Open,
    /// Values of tables that the statement names: in messages that tell of values.
    Values,
    /// Anything, in any message.
    Anything,
}

impl Traced {
    /// Of which nothing is known, and which is refused for this reason.
    fn refused(reason: String) -> Self {
        Self { refused: Some(reason), ..Self::unknown() }
    }

    /// Of which nothing is known.
    pub fn unknown() -> Self {
        Self {
            shown: Vec::new(),
            is_open: false,
            messages: Messages::Anything,
            refused: None,
            inferred: Inferred::Unknown,
            changes_names: false,
            changes_database: false,
        }
    }

    /// Of one statement that ends a transaction, in which nothing else is run.
    pub fn end() -> Self {
        Self { changes_names: true, ..Self::unknown() }
    }

    /// The same where nothing is protected: what it changes counts all the same, for what comes later.
    fn opened(self) -> Self {
        // What would be refused may do anything.
        let may_change = self.refused.is_some();
        Self {
            is_open: true,
            messages: Messages::Open,
            refused: None,
            inferred: Inferred::Columns(BTreeSet::new()),
            changes_names: self.changes_names || may_change,
            changes_database: self.changes_database || may_change,
            ..self
        }
    }

    /// What may be shown of the result of a statement.
    pub fn shown(&self, statement: usize) -> &Visible {
        if self.is_open { &Visible::All } else { self.shown.get(statement).unwrap_or(&Visible::Nothing) }
    }

    /// The same where it is one.
    fn of_only(&self) -> Visible {
        if self.is_open || self.shown.len() == 1 { self.shown(0).clone() } else { Visible::Nothing }
    }
}

/// What is known of a statement that was prepared, or of a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    shown: Visible,
    messages: Messages,
    /// Whether its query changes what names stand for when it moves.
    changes_names: bool,
    /// The age for which all of this is true, where a message has bound it: the server plans it when it is sent, by what names
    /// stand for then.
    age: Option<Age>,
}

impl Cursor {
    /// Of which nothing is known.
    const UNKNOWN: Self =
        Self { shown: Visible::Nothing, messages: Messages::Anything, changes_names: true, age: None };
}

/// The texts that a name of a prepared statement may stand for.
#[derive(Debug, Default)]
enum Prepared {
    /// One of these, each with the age in which it was prepared: its plan may be of then.
    Texts(Vec<(Arc<str>, Age)>),
    /// More, or longer ones, than are kept.
    #[default]
    Unknown,
}

/// A time in which names stood for the same, in a session. A plan is made of what they stand for, and kept: a table that hides
/// another ends none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Age(u64);

/// Follows the statements of a session.
#[derive(Debug, Default)]
pub struct Tracer {
    catalogue: Option<Arc<Catalogue>>,
    age: Age,
    known: HashMap<Arc<str>, Arc<Traced>>,
    /// What may go by a name of a cursor. A name is never forgotten: what was closed, or failed, may not have been.
    cursors: HashMap<String, Vec<Cursor>>,
    /// The same of the texts of prepared statements.
    prepared: HashMap<String, Prepared>,
    /// Bytes of these.
    prepared_bytes: usize,
    /// What they give, as long as the catalogue is the same.
    followed: HashMap<Arc<str>, Arc<Traced>>,
    /// Whether names were changed in a transaction that may be undone.
    has_changed: bool,
    /// Whether others' were.
    has_changed_database: bool,
}

/// What is found of one statement.
struct Found {
    shown: Visible,
    messages: Messages,
    refused: Option<String>,
    inferred: Inferred,
    changes_names: bool,
    changes_database: bool,
    /// Whether it depends on what names of statements and cursors stand for.
    is_by_name: bool,
}

impl Tracer {
    /// Knows from now on what the database has; none where it cannot be told. `in_transaction`: of what was changed, something
    /// may still be undone.
    pub fn looked_up(&mut self, catalogue: Option<Arc<Catalogue>>, in_transaction: bool) {
        let print = |known: &Option<Arc<Catalogue>>| known.as_ref().map(|known| known.print);
        if self.catalogue.is_none() || print(&self.catalogue) != print(&catalogue) {
            self.age.0 += 1;
        }
        self.catalogue = catalogue;
        self.has_changed &= in_transaction;
        self.has_changed_database &= in_transaction;
        self.known.clear();
        self.followed.clear();
    }

    /// What the database has, as far as it is known.
    pub const fn catalogue(&self) -> Option<&Arc<Catalogue>> {
        self.catalogue.as_ref()
    }

    /// The age that it is.
    pub const fn age(&self) -> Age {
        self.age
    }

    /// Follows what is about to run.
    pub fn run(&mut self, text: &str) -> Arc<Traced> {
        let traced = self.followed(text, true);
        self.has_changed |= traced.changes_names;
        self.has_changed_database |= traced.changes_database;
        traced
    }

    /// Follows what is prepared, and not run.
    pub fn prepare(&mut self, text: &str) -> Arc<Traced> {
        self.followed(text, false)
    }

    fn followed(&mut self, text: &str, runs: bool) -> Arc<Traced> {
        let Some(catalogue) = self.catalogue.clone() else {
            if only_ends_a_transaction(text) {
                return Arc::new(Traced::end());
            }
            let reason = "what names stand for in this database has changed while the transaction keeps to what it saw before, so the \
                          gateway cannot tell what is protected: end the transaction";
            return Arc::new(Traced::refused(reason.to_owned()));
        };
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        // What a transaction has taken away may come back with its end.
        let is_open = !catalogue.protects() && !self.has_changed;
        let (traced, is_by_name) = self.traced(&catalogue, text, runs);
        let traced = Arc::new(if is_open { traced.opened() } else { traced });
        if !is_by_name && text.len() <= REMEMBERED_BYTES {
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
            self.known.insert(text.into(), Arc::clone(&traced));
        }
        traced
    }

    fn traced(&mut self, catalogue: &Catalogue, text: &str, runs: bool) -> (Traced, bool) {
        let script = match vidimus_sql::parse(text) {
            Ok(script) => script,
            Err(error) => {
                let reason = format!("it cannot be read, in a database with protected columns: {error}");
                return (Traced::refused(reason), false);
            }
        };
        let mut all = Traced {
            shown: Vec::new(),
            is_open: false,
            messages: Messages::Open,
            refused: None,
            inferred: Inferred::Columns(BTreeSet::new()),
            changes_names: false,
            changes_database: false,
        };
        let mut is_by_name = false;
        for statement in script.statements() {
            if all.changes_names {
                let reason =
                    "a statement that changes what names stand for must be sent by itself, where columns are protected";
                all.refused.get_or_insert_with(|| reason.to_owned());
            }
            let found = self.statement(catalogue, &statement, runs);
            all.messages = all.messages.max(found.messages);
            all.refused = all.refused.or(found.refused);
            all.inferred.add(found.inferred);
            all.changes_names |= found.changes_names;
            all.changes_database |= found.changes_database;
            is_by_name |= found.is_by_name;
            all.shown.push(found.shown);
        }
        (all, is_by_name)
    }

    fn statement(&mut self, catalogue: &Catalogue, statement: &Statement<'_>, runs: bool) -> Found {
        let lineage = lineage(statement, &catalogue.catalog);
        let kinds: SqlKinds = statement.kinds().into_iter().map(SqlKind::from).collect();
        let mut found = Found {
            shown: shown(catalogue, &lineage.outputs),
            messages: messages(catalogue, &lineage, kinds),
            refused: refused(catalogue, statement, &lineage),
            inferred: Inferred::of(catalogue, &lineage.inferred),
            changes_names: false,
            changes_database: false,
            is_by_name: false,
        };
        for effect in statement.effects() {
            match effect {
                Effect::Declare(name) => {
                    // Only what runs gives a name, so what is known of a text that did not is not of one that does.
                    found.is_by_name = true;
                    if runs {
                        let changes_names = may_change_names(statement);
                        let (shown, messages) = (found.shown.clone(), found.messages);
                        let cursor = Cursor { shown, messages, changes_names, age: None };
                        self.declare(name, cursor);
                    }
                }
                Effect::Fetch(name) => {
                    found.is_by_name = true;
                    let cursor = self.cursor(&name);
                    (found.shown, found.messages) = (cursor.shown, cursor.messages);
                    found.changes_names |= cursor.changes_names;
                }
                Effect::Prepare(name) => {
                    found.is_by_name = true;
                    match statement.inner() {
                        Some(inner) if runs => self.prepared_as(name, inner.text()),
                        Some(_) => {}
                        None => found.refused = Some("the statement that is prepared cannot be read".to_owned()),
                    }
                }
                Effect::Execute(name) => {
                    found.is_by_name = true;
                    self.execute(catalogue, &name, &mut found);
                }
                // `SET TRANSACTION SNAPSHOT`
                Effect::Set { name: Some(name), value: None, .. } if name == "transaction" => {
                    let reason = "what names stand for in another transaction's snapshot is not known, in a database with protected \
                                  columns";
                    found.refused.get_or_insert_with(|| reason.to_owned());
                }
                effect => found.changes_names |= changes_names(&effect),
            }
        }
        // Two-phase commits end transactions, this one's or others'. Settings and what is temporary are the session's own.
        let is_own = |effect: &Effect| matches!(effect, Effect::Temporary(_) | Effect::Set { .. } | Effect::Reset(_));
        let changes = kinds.contains(SqlKind::Ddl) || kinds.contains(SqlKind::Admin);
        found.changes_database |= changes && !statement.effects().iter().any(is_own);
        found.changes_names |= changes;
        // What is undone may be what names stand for.
        let ends =
            |effect: &Effect| matches!(effect, Effect::Commit { .. } | Effect::Rollback { .. } | Effect::RollbackTo(_));
        let is_end = statement.effects().iter().any(ends);
        found.changes_names |= is_end && self.has_changed;
        found.changes_database |= is_end && self.has_changed_database;
        // Whether it is depends on what was before it.
        found.is_by_name |= is_end;
        found
    }

    fn declare(&mut self, name: String, cursor: Cursor) {
        // Names for which there is no room stay unknown for good: one that was forgotten could be taken for another.
        if self.cursors.len() >= MOST_CURSORS && !self.cursors.contains_key(&name) {
            return;
        }
        let known = self.cursors.entry(name).or_default();
        if !known.contains(&cursor) && known.len() <= MOST_OF_A_NAME {
            known.push(cursor);
        }
    }

    /// What a cursor of this name may be.
    fn cursor(&self, name: &str) -> Cursor {
        match self.cursors.get(name).map(Vec::as_slice) {
            Some([only]) if only.age.is_none_or(|age| age == self.age) => only.clone(),
            _ => Cursor::UNKNOWN,
        }
    }

    /// Keeps in mind that a portal that a message has bound may go by a name: it is a cursor, too. Where nobody can tell what
    /// the names in its text stand for now, nothing is known of it.
    pub fn bound_as(&mut self, name: &str, text: &str, is_followed: bool) {
        let traced = is_followed.then(|| self.prepare(text));
        let known = traced.filter(|traced| traced.is_open || traced.shown.len() == 1);
        let cursor = known.map_or(Cursor::UNKNOWN, |traced| Cursor {
            shown: traced.of_only(),
            messages: traced.messages,
            changes_names: traced.changes_names,
            age: Some(self.age),
        });
        self.declare(name.to_owned(), cursor);
    }

    /// Keeps in mind that a statement of this text may go by a name from now on, by whatever way it got it.
    pub fn prepared_as(&mut self, name: String, text: &str) {
        if self.prepared.len() >= MOST_NAMES && !self.prepared.contains_key(&name) {
            return;
        }
        let known = self.prepared.entry(name).or_insert_with(|| Prepared::Texts(Vec::new()));
        let Prepared::Texts(texts) = known else { return };
        if texts.iter().any(|(known, age)| **known == *text && *age == self.age) {
            return;
        }
        let bytes = self.prepared_bytes.saturating_add(text.len());
        if texts.len() >= MOST_OF_A_NAME || bytes > MOST_BYTES {
            let freed: usize = texts.iter().map(|(text, _)| text.len()).sum();
            self.prepared_bytes = self.prepared_bytes.saturating_sub(freed);
            *known = Prepared::Unknown;
            return;
        }
        self.prepared_bytes = bytes;
        texts.push((text.into(), self.age));
    }

    /// What a prepared statement does is what every statement of its name may do.
    fn execute(&mut self, catalogue: &Catalogue, name: &str, found: &mut Found) {
        let texts = match self.prepared.get(name) {
            Some(Prepared::Texts(texts)) => texts.clone(),
            Some(Prepared::Unknown) | None => Vec::new(),
        };
        if texts.is_empty() {
            let reason = "which statement was prepared by this name is not known, in a database with protected columns";
            found.refused.get_or_insert_with(|| reason.to_owned());
            return;
        }
        if texts.iter().any(|(_, age)| *age != self.age) {
            let reason = "names stand for something else than when a statement was prepared by this name: prepare it again, by \
                          another name";
            found.refused.get_or_insert_with(|| reason.to_owned());
            return;
        }
        let mut given: Option<Visible> = None;
        for (text, _) in texts {
            if found.refused.is_some() {
                return;
            }
            let traced = self.prepared_text(catalogue, &text);
            found.messages = if given.is_none() { traced.messages } else { found.messages.max(traced.messages) };
            found.refused.clone_from(&traced.refused);
            found.inferred.add(traced.inferred.clone());
            found.changes_names |= traced.changes_names;
            found.changes_database |= traced.changes_database;
            let shown = traced.of_only();
            given = Some(match given {
                Some(other) if other != shown => Visible::Nothing,
                _ => shown,
            });
        }
        found.shown = given.unwrap_or(Visible::Nothing);
    }

    /// What a text gives that was prepared; it is followed once as long as the catalogue is the same.
    fn prepared_text(&mut self, catalogue: &Catalogue, text: &Arc<str>) -> Arc<Traced> {
        if let Some(traced) = self.followed.get(text) {
            return Arc::clone(traced);
        }
        // A message prepares anything. What gives names, or changes what they stand for, is not followed through an `EXECUTE`.
        let traced = if is_plain(text) {
            self.traced(catalogue, text, false).0
        } else {
            Traced::refused("EXECUTE is followed to statements that read and change rows, and to no others".to_owned())
        };
        let traced = Arc::new(traced);
        self.followed.insert(Arc::clone(text), Arc::clone(&traced));
        traced
    }
}

impl Inferred {
    fn of(catalogue: &Catalogue, origin: &Origin) -> Self {
        catalogue.of(origin).map_or(Self::Unknown, |columns| Self::Columns(columns.into_iter().collect()))
    }

    fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Columns(columns), Self::Columns(others)) => columns.extend(others),
            _ => *self = Self::Unknown,
        }
    }
}

/// Whether a text is one statement that reads or changes rows, as `PREPARE` takes it.
fn is_plain(text: &str) -> bool {
    let Ok(script) = vidimus_sql::parse(text) else { return false };
    let mut statements = script.statements();
    let (Some(only), None) = (statements.next(), statements.next()) else { return false };
    let is_of_rows = |kind: &vidimus_sql::Kind| {
        use vidimus_sql::Kind;
        matches!(
            kind,
            Kind::Select | Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge | Kind::Code | Kind::Session
        )
    };
    only.is_plain() && only.kinds().iter().all(is_of_rows)
}

/// Whether a text is one `COMMIT` or `ROLLBACK`.
fn only_ends_a_transaction(text: &str) -> bool {
    let Ok(script) = vidimus_sql::parse(text) else { return false };
    let mut statements = script.statements();
    let (Some(only), None) = (statements.next(), statements.next()) else { return false };
    matches!(only.effects().as_slice(), [Effect::Commit { .. } | Effect::Rollback { .. }])
}

/// Whether what a statement's query calls may give names another meaning, whenever it does.
fn may_change_names(statement: &Statement<'_>) -> bool {
    let is_code = |kind: &vidimus_sql::Kind| {
        matches!(kind, vidimus_sql::Kind::Code | vidimus_sql::Kind::Admin | vidimus_sql::Kind::Other)
    };
    statement.kinds().iter().any(is_code) || statement.effects().iter().any(changes_names)
}

/// Whether an effect may give names another meaning.
fn changes_names(effect: &Effect) -> bool {
    let is_of_names = |name: &str| matches!(name, "search_path" | "role" | "session_authorization");
    match effect {
        Effect::Set { name, .. } | Effect::Reset(name) => name.as_deref().is_none_or(is_of_names),
        Effect::Temporary(_) | Effect::Discard(Discarded::All | Discarded::Temporary) => true,
        _ => false,
    }
}

fn shown(catalogue: &Catalogue, outputs: &Outputs) -> Visible {
    let is_open = |origin: &Origin| catalogue.of(origin).is_some_and(|protected| protected.is_empty());
    match outputs {
        Outputs::Columns(outputs) => Visible::Columns(outputs.iter().map(|output| is_open(&output.origin)).collect()),
        // As many as there are, of one origin: it is not known how many.
        Outputs::All(_) => Visible::Nothing,
    }
}

fn messages(catalogue: &Catalogue, lineage: &Lineage, kinds: SqlKinds) -> Messages {
    if lineage.whole() == Origin::Unknown {
        return Messages::Anything;
    }
    // What was put off is checked at the end of a transaction.
    let touches =
        kinds.contains(SqlKind::Transaction) || lineage.tables.iter().any(|table| catalogue.tables.contains(table));
    if touches { Messages::Values } else { Messages::Open }
}

fn refused(catalogue: &Catalogue, statement: &Statement<'_>, lineage: &Lineage) -> Option<String> {
    match catalogue.of(&lineage.stored) {
        None => {
            let reason = "this could keep values of protected columns where no rule protects them, or change what names stand for, \
                          in a way that the gateway cannot follow";
            return Some(reason.to_owned());
        }
        Some(kept) if !kept.is_empty() => {
            let kept = kept.join(", ");
            return Some(format!("this would keep values of protected columns where no rule protects them: {kept}"));
        }
        Some(_) => {}
    }
    // Lines of COPY are not taken apart.
    let copies = statement.kinds().iter().any(|kind| *kind == vidimus_sql::Kind::CopyOut);
    let is_open = shown(catalogue, &lineage.outputs).is_all();
    (copies && !is_open).then(|| "COPY cannot show protected columns, or what derives from them: use SELECT".to_owned())
}
