//! Clients of PostgreSQL and their targets: each connection is a session of its principal at one target.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;
use vidimus_gate::{ClientLine, Gate};
use vidimus_net::ServerTls;

use crate::cancel::Cancels;
use crate::shared::{Guest, Inner, Target};
use crate::{proxy, welcome};

/// Serves clients of PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct Adapter(Arc<Inner>);

impl Adapter {
    /// An adapter for these targets.
    pub fn new(gate: Gate, targets: Vec<Target>, tls: Option<ServerTls>) -> Self {
        let targets = targets.into_iter().map(|target| (target.spec.name.clone(), target)).collect();
        let (cancels, is_for_programs) = (Cancels::default(), false);
        Self(Arc::new(Inner { gate, targets, tls, cancels, is_for_programs }))
    }

    /// The same for programs that the gateway has started for sessions, which connect in plain text, on loopback.
    pub fn for_programs(gate: Gate, targets: Vec<Target>) -> Self {
        let targets = targets.into_iter().map(|target| (target.spec.name.clone(), target)).collect();
        let (cancels, is_for_programs) = (Cancels::default(), true);
        Self(Arc::new(Inner { gate, targets, tls: None, cancels, is_for_programs }))
    }

    /// Serves one connection until it ends, or `closing` turns true and nothing runs on it any more.
    pub async fn serve(self, line: ClientLine, address: IpAddr, closing: watch::Receiver<bool>) {
        match welcome::meet(&self.0, line, address).await {
            Ok(Some(guest)) => self.host(*guest, address, closing).await,
            // A request to cancel, or a client that was refused and told so.
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, %address, "a client of PostgreSQL went away before it was known"),
        }
    }

    async fn host(&self, guest: Guest, address: IpAddr, closing: watch::Receiver<bool>) {
        let session = guest.session.clone();
        let reason = proxy::run(&self.0, guest, address, closing).await;
        if let Err(error) = session.close(reason).await {
            tracing::error!(%error, session = %session.id(), "the end of a session cannot be recorded");
        }
    }
}
