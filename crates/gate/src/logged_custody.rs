//! What the log itself says of the custody of recordings.
//!
//! The index answers questions and is no evidence: whoever can write to the data directory can write there that two persons
//! want a recording erased. Before anything is destroyed the steps are read from the log and gone through once more. What
//! was read is remembered, so that each entry is read once in the life of a process.

use std::sync::{Mutex, PoisonError};

use vidimus_core::SessionId;
use vidimus_log::{ReadError, Snapshot};
use vidimus_store::{Custody, CustodyLog};

/// The steps read so far.
#[derive(Debug, Default)]
pub(crate) struct LoggedCustody(Mutex<Steps>);

#[derive(Debug, Default)]
struct Steps {
    custody: CustodyLog,
    read: u64,
}

impl LoggedCustody {
    /// The custody of these sessions by the entries below a checkpoint. Reads what was not read yet, so it blocks.
    pub(crate) fn of(&self, log: &mut Snapshot, sessions: &[SessionId]) -> Result<Vec<Custody>, ReadError> {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while steps.read < log.checkpoint().size {
            let leaf = log.leaf(steps.read)?;
            steps.custody.leaf(&leaf);
            steps.read += 1;
        }
        Ok(sessions.iter().map(|session| steps.custody.custody(*session)).collect())
    }
}
