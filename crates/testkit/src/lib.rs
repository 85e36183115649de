//! What tests share: real servers on free ports, pinned clients, child processes that end with the test.
//!
//! Everything listens on loopback alone, lives in a directory of its own, and is installed once per lock file below
//! `<target>/testkit`, so that parallel tests and later runs find it there. Nothing here is part of the gateway: it is a
//! dev-dependency only (`cargo xtask floors` checks that).

pub mod certificates;
pub mod everything;
pub mod fixture;
pub mod forwarder;
pub mod http_client;
pub mod install;
pub mod official;
pub mod oidc_provider;
pub mod port;
pub mod postgres;
pub mod process;
pub mod script;
pub mod scripts;
pub mod sigstore;

pub use certificates::Authority;
pub use everything::EverythingServer;
pub use fixture::FixtureServer;
pub use forwarder::Forwarder;
pub use official::{Endpoint, Era, Registration, Sdk, Session, SignedIn};
pub use oidc_provider::OidcProvider;
pub use port::free_port;
pub use postgres::Postgres;
pub use process::Process;
pub use scripts::{node_script, python_client, python_script};
pub use tempfile::{TempDir, tempdir};
