//! The real file system, until it is told to fail.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use vidimus_log::Storage;
use vidimus_log::testing::{Faulty, Operation};

/// What fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Every write.
    Write(io::ErrorKind),
    /// Every write but those into the journal's ready segments, whose room was taken before.
    Grow(io::ErrorKind),
    /// Every sync.
    Sync,
}

/// Clones share the fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Option<Fault>>>);

impl Disk {
    pub(crate) fn fail(&self, fault: Fault) {
        *self.0.lock().unwrap() = Some(fault);
    }

    pub(crate) fn work(&self) {
        *self.0.lock().unwrap() = None;
    }

    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        let disk = self.clone();
        Arc::new(Faulty::new(move |operation, path| disk.decide(operation, path)))
    }

    fn decide(&self, operation: Operation, path: &Path) -> io::Result<()> {
        let writes = matches!(operation, Operation::Write | Operation::CreateDir);
        let in_journal = path.parent().is_some_and(|dir| dir.ends_with("journal"));
        let is_ready = in_journal && path.extension().is_some_and(|extension| extension == "seg");
        match *self.0.lock().unwrap() {
            Some(Fault::Write(kind)) if writes => Err(io::Error::new(kind, "injected")),
            Some(Fault::Grow(kind)) if writes && !is_ready => Err(io::Error::new(kind, "injected")),
            Some(Fault::Sync) if operation == Operation::Sync => Err(io::Error::other("injected")),
            _ => Ok(()),
        }
    }
}
