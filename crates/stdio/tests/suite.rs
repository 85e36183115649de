//! Real programs as stdio servers: `/bin/sh`, Python, and npm's file server, confined by this kernel.
//!
//! One binary, so that it is linked once. As root the programs run as `nobody`, else as the user of the tests. Where the
//! kernel has no Landlock every test of confinement fails and says so: what cannot be shown is not claimed.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "suite/confinement.rs"]
mod confinement;
#[path = "suite/endpoint.rs"]
mod endpoint;
#[path = "suite/escape.rs"]
mod escape;
#[path = "suite/filesystem_server.rs"]
mod filesystem_server;
#[path = "suite/lifecycle.rs"]
mod lifecycle;
#[path = "suite/pool.rs"]
mod pool;
#[path = "suite/sandbox.rs"]
mod sandbox;
#[path = "suite/system_calls.rs"]
mod system_calls;
