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

/// What is known of one target's tools.
#[derive(Debug, Default)]
pub(crate) struct KnownTools {
    known: ArcSwapOption<Tools>,
    /// Held while reading; when the last reading ended.
    reading: Mutex<Option<Instant>>,
}

impl KnownTools {
    /// The tools as last read, however old.
    pub(crate) fn known(&self) -> Option<Arc<Tools>> {
        self.known.load_full()
    }

    /// Waits for a turn to read.
    pub(crate) async fn reading(&self) -> MutexGuard<'_, Option<Instant>> {
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
