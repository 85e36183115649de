//! Statements as operations of the gate's: what they would do, and how they stand in the record.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::{Value, json};
use vidimus_core::json::{Document, Limits};
use vidimus_core::operation::Arguments;
use vidimus_core::{Action, Members, Operation, Protocol, SqlFacts, SqlKind, SqlKinds, StatementChanges};
use vidimus_gate::{Capped, Statements as Read};

use crate::names::Portal;
use crate::read::{Format, Text};
use crate::value;

/// Texts whose statements are remembered on one connection.
const REMEMBERED: usize = 1_024;
/// How many bytes they may have together.
const REMEMBERED_BYTES: usize = 4 << 20;

/// What a text says, and what its statements would do.
#[derive(Debug)]
pub(crate) struct Known {
    text: Text,
    read: Read,
    /// The same with so many rows, once that was wanted: policies seldom want more than one number.
    fewer: OnceLock<(u64, Option<Arc<Fewer>>)>,
}

/// A text with fewer rows.
#[derive(Debug)]
pub(crate) struct Fewer {
    pub(crate) capped: Capped,
    pub(crate) known: Arc<Known>,
}

impl Known {
    pub(crate) fn of(text: Text) -> Self {
        Self { read: Read::of_postgres(text.as_str()), text, fewer: OnceLock::new() }
    }

    /// The same with so many rows; none where that cannot be for sure.
    pub(crate) fn fewer(&self, most: u64) -> Option<Arc<Fewer>> {
        let make = || {
            let capped = Read::capped(self.text(), most)?;
            let known = Arc::new(Self::of(Text::from(&*capped.text)));
            Some(Arc::new(Fewer { capped, known }))
        };
        match self.fewer.get_or_init(|| (most, make())) {
            (kept, fewer) if *kept == most => fewer.clone(),
            _ => make(),
        }
    }

    /// The most rows that its text gives, if that is limited.
    pub(crate) fn limit(&self) -> Option<u64> {
        self.read.facts.limit
    }

    /// Whether it is one query that only reads.
    pub(crate) const fn is_query(&self) -> bool {
        self.read.is_query
    }

    /// Whether it is one statement that only reads.
    pub(crate) fn only_reads(&self) -> bool {
        self.read.only_reads()
    }

    /// The text as it is sent.
    pub(crate) const fn whole(&self) -> &Text {
        &self.text
    }

    /// What it says.
    pub(crate) fn text(&self) -> &str {
        self.text.as_str()
    }

    /// A setting that must stay as it is, and would not.
    pub(crate) const fn misreads(&self) -> Option<&'static str> {
        self.read.misreads
    }

    /// Whether it may change settings in a way that its text does not tell.
    pub(crate) fn may_change_settings(&self) -> bool {
        self.read.kinds.contains(SqlKind::Code) || self.read.kinds.contains(SqlKind::Other)
    }

    /// Whether it neither reads nor changes what is in tables: transactions, settings.
    pub(crate) fn is_of_session(&self) -> bool {
        self.read.kinds.iter().all(SqlKind::is_of_session)
    }

    /// Whether it may end a transaction.
    pub(crate) fn ends_transactions(&self) -> bool {
        self.read.kinds.contains(SqlKind::Transaction) || self.read.kinds.contains(SqlKind::Admin)
    }

    /// Whether it is one statement.
    pub(crate) fn is_one(&self) -> bool {
        self.read.facts.parsed && self.read.facts.statements == 1
    }

    /// Whether it runs what its text does not show.
    pub(crate) fn runs_code(&self) -> bool {
        self.read.kinds.contains(SqlKind::Code)
    }

    /// Whether prepared statements may stand for something else after it.
    pub(crate) const fn renames_statements(&self) -> bool {
        self.read.renames_statements
    }

    /// The same of cursors.
    pub(crate) const fn moves_cursors(&self) -> bool {
        self.read.moves_cursors
    }
}

/// Texts that were read before.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    known: HashMap<Text, Arc<Known>>,
    bytes: usize,
}

impl Statements {
    /// What the statements of a text would do.
    pub(crate) fn known(&mut self, text: &Text) -> Arc<Known> {
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        if self.known.len() >= REMEMBERED || self.bytes >= REMEMBERED_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        let text = text.detached();
        self.bytes += text.as_bytes().len();
        let known = Arc::new(Known::of(text.clone()));
        self.known.insert(text, Arc::clone(&known));
        known
    }
}

/// What is asked for.
pub(crate) struct Asked<'a> {
    /// The first of these is run; the others are sent before it in the same batch.
    pub(crate) statements: &'a [Arc<Known>],
    /// The portal that is run, and what was bound besides.
    pub(crate) portals: &'a [Portal],
    /// Protected columns that decide which rows come, `*` where it may be any.
    pub(crate) inferred: BTreeSet<String>,
    /// What was done to it because policies want that, and how many rows are asked of the portal then.
    pub(crate) changes: StatementChanges,
    pub(crate) max_rows: Option<i32>,
}

impl<'a> Asked<'a> {
    /// As it came.
    pub(crate) const fn new(statements: &'a [Arc<Known>], portals: &'a [Portal], inferred: BTreeSet<String>) -> Self {
        let changes = StatementChanges { max_rows: None, read_only: false };
        Self { statements, portals, inferred, changes, max_rows: None }
    }
}

/// Something that is run.
pub(crate) fn operation(asked: &Asked<'_>, wire: Bytes, address: IpAddr) -> Operation {
    of(asked, wire, None, address)
}

/// Statements that are prepared, described or bound, and not run.
pub(crate) fn preparation(asked: &Asked<'_>, wire: Bytes, address: IpAddr) -> Operation {
    of(asked, wire, Some("prepare"), address)
}

/// What a server says between operations.
pub(crate) fn remark(address: IpAddr) -> Operation {
    Operation {
        action: Action::Method("remark".into()),
        ..of(&Asked::new(&[], &[], BTreeSet::new()), Bytes::new(), None, address)
    }
}

fn of(asked: &Asked<'_>, wire: Bytes, method: Option<&'static str>, address: IpAddr) -> Operation {
    let (statements, portals) = (asked.statements, asked.portals);
    let mut kinds: SqlKinds = statements.iter().flat_map(|known| known.read.kinds.iter()).collect();
    if kinds == SqlKinds::default() && !statements.is_empty() {
        kinds.insert(SqlKind::Session);
    }
    let mut record = serde_json::Map::new();
    if let Some(first) = statements.first() {
        record.insert("sql".into(), first.text.as_str().into());
    }
    let values = |portal: &Portal| -> Vec<Value> {
        portal.values().map(|(type_id, format, value)| parameter(type_id, format, value)).collect()
    };
    if let Some(values) = portals.first().map(values).filter(|values| !values.is_empty()) {
        record.insert("parameters".into(), values.into());
    }
    // The same bytes are another value of another type.
    let types = portals.first().map(Portal::declared_types).unwrap_or_default();
    if types.iter().any(|type_id| *type_id != 0) {
        record.insert("types".into(), json!(types));
    }
    let bound: Vec<Value> = portals.iter().skip(1).map(|portal| values(portal).into()).collect();
    if !bound.is_empty() {
        record.insert("bound".into(), bound.into());
    }
    let rest: Vec<&str> = statements.iter().skip(1).map(|known| known.text.as_str()).collect();
    let others: Vec<&str> = rest.into_iter().filter(|text| record.get("sql").is_none_or(|sql| sql != text)).collect();
    if !others.is_empty() {
        record.insert("prepared".into(), json!(others));
    }
    if !asked.inferred.is_empty() {
        record.insert("inferred".into(), json!(asked.inferred));
    }
    if let Some(rows) = asked.max_rows {
        record.insert("max_rows".into(), rows.into());
    }
    if asked.changes.read_only {
        record.insert("read_only".into(), true.into());
    }
    let record = Bytes::from(Value::Object(record).to_string());
    let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
    let document = Document::parse(record.clone(), &limits).ok();
    Operation {
        protocol: Protocol::Postgres,
        action: Action::Sql(kinds),
        method,
        wire,
        record: Some(record),
        members: Members::NONE,
        arguments: document.map(|document| Arguments { document: Arc::new(document), path: &[] }),
        sql: Some(changed(facts(statements, &asked.inferred), asked.changes)),
        annotations: None,
        address: Some(address),
        trace: None,
    }
}

/// The facts of all of them together. What is prepared, bound, described and run in one batch is one statement.
fn facts(statements: &[Arc<Known>], inferred: &BTreeSet<String>) -> Arc<SqlFacts> {
    let Some((first, rest)) = statements.split_first() else { return Arc::new(SqlFacts::none()) };
    if inferred.is_empty() && rest.iter().all(|known| Arc::ptr_eq(known, first)) {
        return Arc::clone(&first.read.facts);
    }
    let mut all = SqlFacts::clone(&first.read.facts);
    for (known, before) in rest.iter().zip(statements) {
        if !Arc::ptr_eq(known, before) {
            all.add(&known.read.facts);
        }
    }
    all.inferred.extend(inferred.iter().cloned());
    Arc::new(all)
}

/// The facts of statements to which this is done.
fn changed(facts: Arc<SqlFacts>, changes: StatementChanges) -> Arc<SqlFacts> {
    if changes == StatementChanges::default() {
        return facts;
    }
    let limit = facts.limit.into_iter().chain(changes.max_rows).min();
    Arc::new(SqlFacts { limit, read_only: facts.read_only || changes.read_only, ..SqlFacts::clone(&facts) })
}

/// A value as it stands in the record.
fn parameter(type_id: u32, format: Format, value: Option<&Bytes>) -> Value {
    let read = value.and_then(|value| value::to_text(type_id, format, value));
    match (format, value) {
        (_, None) => Value::Null,
        _ if read.is_some() => read.into(),
        (Format::Text, Some(text)) => String::from_utf8_lossy(text).into(),
        // PostgreSQL's own way to write bytes down, told apart from a text that looks like it.
        (Format::Binary, Some(bytes)) => {
            let mut hex = String::with_capacity(2 + 2 * bytes.len());
            hex.push_str("\\x");
            for byte in bytes {
                // Writing into a string cannot fail.
                let _ = write!(hex, "{byte:02x}");
            }
            json!({ "binary": hex })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Arc<Known> {
        Arc::new(Known::of(Text::from(text)))
    }

    #[test]
    fn a_statement_that_is_prepared_bound_and_run_in_one_batch_is_one() {
        let (one, other) = (known("select a from t"), known("delete from u"));
        let of = |statements: &[&Arc<Known>]| {
            let facts = facts(&statements.iter().map(|known| Arc::clone(known)).collect::<Vec<_>>(), &BTreeSet::new());
            (facts.statements, facts.unbounded, facts.reads.len() + facts.writes.len())
        };
        assert_eq!(of(&[]), (0, false, 0));
        assert_eq!(of(&[&one]), (1, false, 1));
        assert_eq!(of(&[&one, &one, &one]), (1, false, 1));
        assert_eq!(of(&[&one, &other, &other]), (2, true, 2));
        assert_eq!(of(&[&one, &other, &one]), (3, true, 2));
    }
}
