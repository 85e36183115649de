//! The operations of sessions: what was asked for, whether it passed, how it ended, and which data classes were masked.
//!
//! Names of actions and classes stand once. No argument and no result ever enters.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use rusqlite::{OptionalExtension as _, Statement, Transaction};

use crate::leaf::{Described, What};

/// The statements on operations, prepared once for a batch.
pub(crate) struct Operations<'t> {
    add: Statement<'t>,
    end: Statement<'t>,
    mask: Statement<'t>,
    actions: Names<'t>,
    classes: Names<'t>,
}

impl<'t> Operations<'t> {
    pub(crate) fn prepare(transaction: &'t Transaction<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            add: transaction.prepare("INSERT INTO operations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?,
            end: transaction.prepare("UPDATE operations SET status = ?3 WHERE session = ?1 AND seq = ?2")?,
            mask: transaction.prepare(
                "INSERT INTO masked VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            )?,
            actions: Names::prepare(transaction, "actions")?,
            classes: Names::prepare(transaction, "classes")?,
        })
    }

    /// Enters what an event says of an operation; the `seq` the operation goes by, when the event is of one.
    pub(crate) fn enter(
        &mut self,
        (session, seq, leaf): (i64, i64, i64),
        time: &str,
        what: &What<'_>,
    ) -> Result<Option<i64>, rusqlite::Error> {
        let (described, denied, status) = match what {
            What::Admitted(described) => (described, false, None),
            What::Denied(described) => (described, true, None),
            What::Held(described) => (described, false, Some("held")),
            What::Ended(described) => return self.end(session, described),
            _ => return Ok(None),
        };
        let action = self.actions.number(&described.operation.action)?;
        self.add.execute((session, seq, leaf, time, action, denied, status))?;
        self.masked(session, seq, &described.masked)?;
        Ok(Some(seq))
    }

    fn end(&mut self, session: i64, described: &Described<'_>) -> Result<Option<i64>, rusqlite::Error> {
        let Some(intent) = described.operation.intent.and_then(|intent| i64::try_from(intent).ok()) else {
            return Ok(None);
        };
        if let Some(outcome) = &described.outcome {
            self.end.execute((session, intent, outcome.status.as_ref()))?;
            self.masked(session, intent, &outcome.masked)?;
        }
        Ok(Some(intent))
    }

    /// Adds the values that masking found, by class.
    fn masked(&mut self, session: i64, seq: i64, classes: &BTreeMap<Cow<'_, str>, u64>) -> Result<(), rusqlite::Error> {
        for (class, count) in classes {
            let class = self.classes.number(class)?;
            self.mask.execute((session, seq, class, i64::try_from(*count).unwrap_or(i64::MAX)))?;
        }
        Ok(())
    }
}

/// A table of names, each with the number that stands for it.
struct Names<'t> {
    find: Statement<'t>,
    add: Statement<'t>,
    /// Those of this batch.
    known: HashMap<Box<str>, i64>,
}

impl<'t> Names<'t> {
    fn prepare(transaction: &'t Transaction<'_>, table: &str) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            find: transaction.prepare(&format!("SELECT number FROM {table} WHERE name = ?1"))?,
            add: transaction.prepare(&format!("INSERT INTO {table} (name) VALUES (?1) RETURNING number"))?,
            known: HashMap::new(),
        })
    }

    fn number(&mut self, name: &str) -> Result<i64, rusqlite::Error> {
        if let Some(number) = self.known.get(name) {
            return Ok(*number);
        }
        let stored = self.find.query_row((name,), |row| row.get(0)).optional()?;
        let number = match stored {
            Some(number) => number,
            None => self.add.query_row((name,), |row| row.get(0))?,
        };
        self.known.insert(name.into(), number);
        Ok(number)
    }
}
