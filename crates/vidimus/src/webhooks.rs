//! Webhooks: people's other systems are told of requests for approval, each step once it is on record.
//!
//! Each webhook has a task and a queue of its own, so that one that is down, slow or hostile delays no other and no caller.
//! What is not accepted is sent again under the same `webhook-id`, with a new signature; after a restart, and after a queue
//! was full, the requests that are still open are told again under theirs. So a receiver may hear a thing twice, and
//! knows it by its id. Redirects are not followed. A message has no arguments: whoever is told looks at the request with
//! an identity of its own.

mod delivery;
mod message;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use vidimus_gate::{ApprovalFeed, Gate, Heard};
use vidimus_net::Fetcher;
use vidimus_store::Approval;

pub(crate) use self::delivery::Signer;
use self::delivery::{Counters, Delivered, Delivery, Outlet};
use self::message::Message;
use crate::config;

/// Messages of one webhook that wait.
const MAX_WAITING: usize = 10_000;
/// Messages of one webhook that are on their way at once.
const MAX_AT_ONCE: usize = 4;

/// One webhook, ready to run.
pub(crate) struct Webhook {
    outlet: Arc<Outlet>,
    rules: Option<Vec<String>>,
    counters: Counters,
    gateway: Arc<str>,
    public_url: Arc<str>,
}

impl Webhook {
    /// Those of a configuration. Fails where a secret is not to be had.
    pub(crate) fn all(config: &config::Config, registry: &mut Registry) -> anyhow::Result<Vec<Self>> {
        let counters = Counters::register(registry);
        let webhook = |webhook: &config::Webhook| {
            let signer = Signer::of(&webhook.secret).with_context(|| format!("webhooks.{}", webhook.name))?;
            let fetcher = Fetcher::new(webhook.is_private_allowed)?;
            let url = webhook.url.to_string();
            Ok(Self {
                outlet: Arc::new(Outlet { name: webhook.name.clone(), url, signer, fetcher }),
                rules: webhook.rules.clone(),
                counters: counters.clone(),
                gateway: config.gateway.name.as_str().into(),
                public_url: config.gateway.public_url.to_string().trim_end_matches('/').into(),
            })
        };
        config.webhooks.iter().map(webhook).collect()
    }

    /// Tells of requests until the gateway stops.
    pub(crate) async fn run(self, gate: Gate, mut stopping: watch::Receiver<bool>) {
        let mut feed = gate.approval_feed();
        let mut queue = Queue::new(self);
        queue.announce(&feed);
        loop {
            tokio::select! {
                stopped = stopping.wait_for(|stopping| *stopping) => {
                    drop(stopped);
                    return;
                }
                heard = feed.next() => match heard {
                    Heard::Step(approval) => queue.tell(&approval),
                    Heard::Missed => queue.announce(&feed),
                },
                has_room_again = queue.work() => if has_room_again {
                    queue.announce(&feed);
                },
            }
        }
    }

    fn concerns(&self, approval: &Approval) -> bool {
        let is_wanted = |rules: &Vec<String>| approval.ask.quorums.iter().any(|quorum| rules.contains(&quorum.rule));
        self.rules.as_ref().is_none_or(is_wanted)
    }
}

/// What a webhook has still to be told.
struct Queue {
    webhook: Webhook,
    /// By when, and by which came first.
    waiting: BTreeMap<(Instant, u64), Delivery>,
    count: u64,
    /// The ids of what waits or is under way.
    known: HashSet<String>,
    under_way: JoinSet<(Delivery, Delivered)>,
    /// Whether something found no place.
    is_missing: bool,
    /// Since when nothing was accepted.
    down: Option<Instant>,
}

impl Queue {
    fn new(webhook: Webhook) -> Self {
        let (waiting, under_way) = (BTreeMap::new(), JoinSet::new());
        Self { webhook, waiting, count: 0, known: HashSet::new(), under_way, is_missing: false, down: None }
    }

    /// Puts the requests that are still open into the queue.
    fn announce(&mut self, feed: &ApprovalFeed) {
        self.is_missing = false;
        for approval in feed.open() {
            self.tell(&approval);
        }
    }

    fn tell(&mut self, approval: &Approval) {
        if !self.webhook.concerns(approval) {
            return;
        }
        let message = Message::of(approval, &self.webhook.gateway, &self.webhook.public_url);
        if self.known.contains(&message.id) {
            return;
        }
        if self.waiting.len() >= MAX_WAITING {
            if !self.is_missing {
                let webhook = &*self.webhook.outlet.name;
                tracing::warn!(
                    webhook,
                    waiting = MAX_WAITING,
                    "a webhook is not told of all steps: too many wait for it"
                );
            }
            self.is_missing = true;
            self.webhook.counters.dropped(&self.webhook.outlet.name);
            return;
        }
        self.known.insert(message.id.clone());
        self.put(Instant::now(), Delivery::new(message));
    }

    fn put(&mut self, due: Instant, delivery: Delivery) {
        self.count += 1;
        self.waiting.insert((due, self.count), delivery);
    }

    /// Sends what is due, or notes how what was sent has ended. True where something found no place before, and would now.
    /// Cancel safe: what is under way stays there.
    async fn work(&mut self) -> bool {
        let due = self.waiting.first_key_value().map(|((due, _), _)| *due);
        let has_room = self.under_way.len() < MAX_AT_ONCE;
        tokio::select! {
            Some(ended) = self.under_way.join_next() => {
                // A delivery does not panic; if one did, its message would not be told again before a restart.
                if let Ok((delivery, delivered)) = ended {
                    self.ended(delivery, delivered);
                }
                self.is_missing && self.waiting.len() < MAX_WAITING / 2
            }
            () = until(due), if has_room => {
                if let Some((_, delivery)) = self.waiting.pop_first() {
                    let outlet = Arc::clone(&self.webhook.outlet);
                    self.under_way.spawn(async move {
                        let delivered = outlet.send(&delivery).await;
                        (delivery, delivered)
                    });
                }
                false
            }
        }
    }

    fn ended(&mut self, mut delivery: Delivery, delivered: Delivered) {
        let name = self.webhook.outlet.name.clone();
        self.webhook.counters.ended(&name, delivered.is_ok());
        match delivered {
            Ok(()) => {
                self.known.remove(delivery.id());
                if let Some(since) = self.down.take() {
                    tracing::info!(webhook = name, after = ?since.elapsed(), "the webhook accepts messages again");
                }
            }
            Err(reason) => {
                if self.down.is_none() {
                    tracing::warn!(
                        webhook = name,
                        reason,
                        "a webhook does not accept a message; it is sent again until it does"
                    );
                    self.down = Some(Instant::now());
                }
                if let Some(after) = delivery.again() {
                    self.put(Instant::now() + after, delivery);
                } else {
                    let message = delivery.id();
                    self.known.remove(message);
                    tracing::warn!(webhook = name, message, reason, "a message to a webhook is given up");
                    self.webhook.counters.dropped(&name);
                }
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The wait before the attempt of this number, the first again being 1: doubled each time, within bounds, and somewhat
/// different for each message so that not all come at once.
fn back_off(attempt: u32, id: &str) -> Duration {
    const FIRST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_mins(5);
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(MOST);
    // Up to a quarter less, by the message.
    let share = id.bytes().fold(attempt % 7, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 256;
    doubled.saturating_sub(doubled / 1024 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_differ_by_message() {
        let waits: Vec<Duration> = (1..20).map(|attempt| back_off(attempt, "a-1")).collect();
        for (index, wait) in waits.iter().enumerate() {
            let most = Duration::from_secs(300.min(1 << index.min(9)));
            assert!(*wait <= most && *wait >= most * 3 / 4, "{index}: {wait:?}");
        }
        assert_ne!(back_off(9, "a-1"), back_off(9, "b-1"));
        assert!(back_off(u32::MAX, "a-1") <= Duration::from_mins(5));
    }
}
