//! The definitions of a target's tools, as last read. `definitions` reads them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, MutexGuard};
use vidimus_core::ToolDefinition;

/// The tools of one target by name.
#[derive(Debug)]
pub struct Tools {
    by_name: HashMap<String, ToolDefinition>,
    read_at: Instant,
}

impl Tools {
    /// The definition of a tool.
    pub fn get(&self, name: &str) -> Option<&ToolDefinition> {
        self.by_name.get(name)
    }

    /// How long ago they were read.
    pub(crate) fn age(&self) -> Duration {
        self.read_at.elapsed()
    }

    /// All definitions, in no order.
    pub fn all(&self) -> impl Iterator<Item = &ToolDefinition> {
        self.by_name.values()
    }
}

/// The last reading of definitions.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// When it began.
    pub(crate) at: Instant,
    /// Why it failed, if it did.
    pub(crate) error: Option<DefinitionsError>,
}

/// Why definitions are not to be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DefinitionsError {
    /// The gate refused the reading.
    #[error("the definitions of the target cannot be read: {0}")]
    Refused(String),
    /// The target did not answer as it must.
    #[error("the definitions of the target cannot be read: {0}")]
    Upstream(String),
}

/// What is known of one target's tools.
#[derive(Debug, Default)]
pub(crate) struct KnownTools {
    known: ArcSwapOption<Tools>,
    /// Held while reading.
    reading: Mutex<Option<Attempt>>,
}

impl KnownTools {
    /// The tools as last read, however old.
    pub(crate) fn known(&self) -> Option<Arc<Tools>> {
        self.known.load_full()
    }

    /// Waits for a turn to read.
    pub(crate) async fn reading(&self) -> MutexGuard<'_, Option<Attempt>> {
        self.reading.lock().await
    }

    /// Takes what was read.
    pub(crate) fn learn(&self, definitions: Vec<ToolDefinition>) -> Arc<Tools> {
        let by_name = definitions.into_iter().map(|tool| (tool.name.clone(), tool)).collect();
        let tools = Arc::new(Tools { by_name, read_at: Instant::now() });
        self.known.store(Some(Arc::clone(&tools)));
        tools
    }
}
