//! What the log itself says of the custody of recordings, and of their retention.
//!
//! The index answers questions and is no evidence: whoever can write to the data directory can write there that two persons
//! want a recording erased, or that its time is up. Before anything is destroyed the steps and the rules are read from the
//! log and gone through once more. What was read is remembered, so that each entry is read once in the life of a process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vidimus_core::SessionId;
use vidimus_log::{ReadError, Snapshot};
use vidimus_store::{Custody, CustodyLog, Outcome, RetentionLog};

/// The entries read so far.
#[derive(Debug, Default)]
pub(crate) struct LoggedCustody(Mutex<Steps>);

#[derive(Debug, Default)]
struct Steps {
    custody: CustodyLog,
    /// What became of each step, by its place in the log.
    outcomes: HashMap<u64, Outcome>,
    retention: RetentionLog,
    read: u64,
}

impl LoggedCustody {
    /// The custody of these sessions by the entries below a checkpoint. Reads what was not read yet, so it blocks.
    pub(crate) fn of(&self, log: &Snapshot, sessions: &[SessionId]) -> Result<Vec<Custody>, ReadError> {
        let steps = self.read(log)?;
        Ok(sessions.iter().map(|session| steps.custody.custody(*session)).collect())
    }

    /// What became of the step in this entry, in the same way; none when there is none, or no checkpoint covers it yet.
    pub(crate) fn outcome(&self, log: &Snapshot, leaf: u64) -> Result<Option<Outcome>, ReadError> {
        Ok(self.read(log)?.outcomes.get(&leaf).copied())
    }

    /// The entry by which the last hold on a session's recording was removed, in the same way.
    pub(crate) fn released(&self, log: &Snapshot, session: SessionId) -> Result<Option<u64>, ReadError> {
        Ok(self.read(log)?.custody.released(session))
    }

    /// What the log says of retention, in the same way.
    pub(crate) fn retention<T>(&self, log: &Snapshot, ask: impl FnOnce(&RetentionLog) -> T) -> Result<T, ReadError> {
        Ok(ask(&self.read(log)?.retention))
    }

    fn read(&self, log: &Snapshot) -> Result<MutexGuard<'_, Steps>, ReadError> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Steps { custody, outcomes, retention, read } = &mut *guard;
        while *read < log.checkpoint().size {
            let mut index = *read;
            *read = log.bundle(*read, &mut |leaf| {
                outcomes.extend(custody.leaf(index, leaf).map(|outcome| (index, outcome)));
                retention.leaf(index, leaf);
                index += 1;
            })?;
        }
        Ok(guard)
    }
}
