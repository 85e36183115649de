//! What every store of control state promises (design 2, "State"): the boundary behind which a database stands.
//!
//! Control state is what people decided: about evidence, the custody of recordings; about servers, which definitions of
//! tools are accepted. It is a projection of the log. A
//! control event names the version it was decided on; a store applies it when that is the version still, and keeps it as
//! void if not. So the log's order decides, nobody holds a lock while people think, and replay gives the same result.
//! `tests/contract` holds every store to this, against a second telling of the rules.

use vidimus_core::{SessionId, TargetName};

use crate::StoreError;
use crate::custody::{Custody, Outcome};
use crate::pins::{Pin, StoredDefinition};

/// A store of control state, held by the one who writes it.
///
/// All leaves of a call are applied, or none; what [`apply`](Self::apply) has returned from may be lost by a power cut,
/// the last calls first, and is then applied again. After a crash at any moment the state is that of some earlier point of
/// the log, which [`applied`](Self::applied) names.
pub trait ControlStore {
    /// What reads it.
    type State: ControlState;

    /// How many leaves, from the first of the log on, it holds.
    fn applied(&self) -> u64;

    /// Applies `leaves`, the first of which stands at `first_index` in the log. Those already applied are passed over;
    /// leaving some out is refused.
    fn apply(&mut self, first_index: u64, leaves: &[&[u8]]) -> Result<(), StoreError>;

    /// Forgets everything, to be made again from the first leaf.
    fn clear(&mut self) -> Result<(), StoreError>;

    /// The state as of the last call of [`apply`](Self::apply), and of later ones.
    fn state(&self) -> Result<Self::State, StoreError>;
}

/// Control state as it is read.
pub trait ControlState {
    /// The custody of a session's recording; the beginning where there was no step.
    fn custody(&self, session: SessionId) -> Result<Custody, StoreError>;

    /// What became of the control event at this leaf; none when it is not applied yet, or no control event.
    fn outcome(&self, leaf: u64) -> Result<Option<Outcome>, StoreError>;

    /// The sessions whose recording is to be destroyed and is not yet, as far as the log says.
    fn erasures_under_way(&self) -> Result<Vec<SessionId>, StoreError>;

    /// The pins of all tools, by target and tool.
    fn pins(&self) -> Result<Vec<(TargetName, String, Pin)>, StoreError>;

    /// A definition of a tool that its pin names; none when it names another one, or not all of it is applied yet.
    fn definition(&self, target: &str, tool: &str, fingerprint: &str) -> Result<Option<StoredDefinition>, StoreError>;
}
