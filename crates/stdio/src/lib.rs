//! Programs started as stdio servers: code nobody here wrote, on the gateway's machine.
//!
//! Three processes: the gateway holds a [`Child`]; a *supervisor* stands between, adopts whatever the program leaves
//! behind and kills it at the end, also when the gateway dies; the *confiner* restricts itself and becomes the program.
//! The last two are stages of one hidden subcommand ([`stage`]), because a process cannot be restricted between fork and
//! exec without `unsafe`. Nothing here knows of MCP beyond one message a line.

mod child;
mod confine;
mod confinement;
mod connection;
mod descendants;
mod endpoint;
mod grants;
mod handover;
mod isolation;
mod lines;
mod pool;
mod processes;
pub mod stage;
mod standard_error;
mod supervise;
mod switch;
mod system_calls;

pub use child::{Cause, Child, ChildError, ChildLimits, Ended, Launch, Messages};
pub use confinement::{Confinement, ConfinementError, Isolation, ResourceLimits, RunAs, Variables};
pub use endpoint::{Answer, Beginning, Chained, Endpoint, EndpointError};
pub use handover::Status;
pub use isolation::{LandlockError, landlock_available};
pub use pool::{Lease, Pool, PoolError, PoolKey, PoolLimits, PoolState};
pub use processes::{descends_from_this_process, protect_memory};
pub use standard_error::{LogLimits, LogPiece, LogPieces, LogSink};
pub use switch::{Delivered, Held, Stream, Switch, Untaken, is_initialize};
