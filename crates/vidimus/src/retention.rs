//! Erases recordings whose time is up, and completes erasures that a crash cut off (NIST SP 800-53 AU-11, SI-12(3)).
//!
//! What fails is said and tried again at the next round; evidence is complete meanwhile.

use std::time::Duration;

use tokio::sync::watch;
use vidimus_gate::{Expiry, Gate, Rule};

/// How often erasures that were cut off are looked for.
const FINISH_INTERVAL: Duration = Duration::from_secs(30);
/// Of those rounds, each so manyth looks for recordings whose time is up: every hour.
const EXPIRE_ROUNDS: u64 = 120;

/// Keeps to the rules until the gateway is told to stop.
pub(crate) async fn keep(gate: Gate, rules: Vec<Rule>, mut stop: watch::Receiver<bool>) {
    let custodian = gate.custodian();
    let mut round = 0_u64;
    loop {
        match custodian.finish().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "Erasures that were cut off are completed"),
            Err(error) => tracing::error!(%error, "An erasure that was cut off cannot be completed yet"),
        }
        for rule in rules.iter().filter(|_| round.is_multiple_of(EXPIRE_ROUNDS)) {
            match custodian.expire(rule).await {
                Ok(Expiry::Erased(0)) => {}
                Ok(Expiry::Erased(count)) => tracing::info!(%rule, count, "Recordings whose time was up are erased"),
                Ok(Expiry::Waits(why)) => tracing::warn!(%rule, %why, "Recordings whose time is up are not erased yet"),
                Err(error) => tracing::error!(%rule, %error, "Recordings whose time is up cannot be erased yet"),
            }
        }
        round = round.wrapping_add(1);
        tokio::select! {
            () = tokio::time::sleep(FINISH_INTERVAL) => {}
            () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
        }
    }
}
