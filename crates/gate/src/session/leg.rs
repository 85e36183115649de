//! A caller that waits for people: one leg, in a task of the gate, whose answers the adapter passes on like any other's.
//!
//! A leg holds no permit to run anything, and few of them wait at once. It ends when people have decided (the call is decided on
//! once more, and runs or is denied), when its patience is over, when its client goes or takes the call back, and when the
//! session or the gateway ends. Whatever ends it, the request stays.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vidimus_core::event::Status;

use super::meeting::{Held, Pending};
use super::{Refusal, Verdict};
use crate::answers::{self, Answer, AnswerSender, Answers};
use crate::flight::Admitted;
use crate::released::Released;

/// How often the client is told that the call still waits, if it asked for that.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
/// Answers that wait for a slow client.
const WAITING: usize = 4;
/// The largest call that a leg keeps: a larger one is not waited with.
const MAX_CALL_BYTES: usize = 64 << 10;
/// What waits less than this does not wait.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// How a leg waits.
pub struct Leg {
    /// How long. The rule may say less.
    pub patience: Duration,
    /// How long legs before it have waited for the same call.
    pub waited: Duration,
    /// Whether the client is told at once that an answer will come, so that it does not give up.
    pub is_stream: bool,
    /// What tells it of progress, by how often it was told; none if it did not ask.
    pub progress: Option<Box<dyn Fn(u64) -> Bytes + Send>>,
    /// Says that the client takes the call back, or that the gateway stops.
    pub cancelled: CancellationToken,
}

/// How a leg ended without the call having run.
#[derive(Debug)]
pub enum LegEnd<'a> {
    /// It still waits for people.
    Pending {
        /// For what.
        pending: &'a Pending,
        /// Whether the rule has patience for another leg.
        may_wait: bool,
    },
    /// It was denied.
    Denied(&'a Refusal),
}

impl Held {
    /// Waits in a task of the gate. `run` sends the call once it may pass, `told` words what ends the leg otherwise. Gives itself
    /// back where this call is not waited with: too many wait, it is too large, or the rule has no patience.
    pub fn wait<T>(
        self: Box<Self>,
        leg: Leg,
        run: impl FnOnce(Admitted) -> Answers + Send + 'static,
        told: impl FnOnce(LegEnd<'_>) -> Bytes + Send + 'static,
        guard: T,
    ) -> Result<Answers, Box<Self>>
    where
        T: Send + 'static,
    {
        let left = self.patience().saturating_sub(leg.waited);
        let patience = leg.patience.min(left);
        let may_wait = left.saturating_sub(patience) >= LEAST_PATIENCE;
        if patience < LEAST_PATIENCE || self.bytes() > MAX_CALL_BYTES {
            return Err(self);
        }
        let Some(places) = self.places() else { return Err(self) };
        let (sender, answers) = answers::channel(WAITING);
        let context = Arc::clone(self.context());
        let ends = context.tasks().ends();
        context.tasks().spawn_beyond(async move {
            let cancelled = leg.cancelled.clone();
            let waited = waited(self, (leg, Instant::now() + patience), &ends, &sender).await;
            drop(places);
            if let Some(held) = waited {
                settled(held, sender, (run, told), may_wait, (guard, cancelled)).await;
            }
        });
        Ok(answers)
    }
}

/// Waits until there is something to say; none when nobody is there to hear it.
async fn waited(
    mut held: Box<Held>,
    (leg, deadline): (Leg, Instant),
    [session_ends, gate_ends]: &[CancellationToken; 2],
    sender: &AnswerSender,
) -> Option<Box<Held>> {
    if leg.is_stream {
        sender.send(Answer::Opened).await.ok()?;
    }
    let mut told = 0;
    loop {
        let tick = tokio::time::sleep(if leg.progress.is_some() { PROGRESS_INTERVAL } else { leg.patience });
        tokio::select! {
            () = leg.cancelled.cancelled() => return None,
            () = sender.closed() => return None,
            () = held.decided() => return Some(held),
            () = tokio::time::sleep_until(deadline) => break,
            () = session_ends.cancelled() => break,
            () = gate_ends.cancelled() => break,
            () = tick => {
                told += 1;
                if let Some(progress) = &leg.progress {
                    sender.send(Answer::Chunk(Released::new(progress(told)))).await.ok()?;
                }
            }
        }
    }
    held.give_up_waiting();
    Some(held)
}

/// Decides on the call once more where people have, and gives the client what comes of it.
/// `guard` is where the client's taking the call back arrives, until it runs.
async fn settled<R, T, G>(
    held: Box<Held>,
    sender: AnswerSender,
    (run, told): (R, T),
    may_wait: bool,
    (guard, cancelled): (G, CancellationToken),
) where
    R: FnOnce(Admitted) -> Answers,
    T: FnOnce(LegEnd<'_>) -> Bytes,
{
    let last = |released| Answer::Last { status: Status::Error, released };
    let verdict = if held.has_given_up() { Verdict::Held(held) } else { held.again(None).await };
    // A client that has gone by now does not keep the call from its outcome.
    let sent = match verdict {
        // Taken back while the use of the approval was being recorded: what is dropped is recorded as not done.
        Verdict::Admitted(_) if cancelled.is_cancelled() => return,
        Verdict::Admitted(admitted) => {
            drop(guard);
            return passed(run(admitted), sender).await;
        }
        Verdict::Denied(denied) if denied.refusal().reference.is_none() => sender.send(Answer::Unrecorded).await,
        Verdict::Denied(denied) => sender.send(last(denied.release(|refusal| told(LegEnd::Denied(refusal))))).await,
        Verdict::Held(held) => {
            sender.send(last(held.release(|pending| told(LegEnd::Pending { pending, may_wait })))).await
        }
    };
    drop(sent);
}

/// Passes on what the call gives. When the client goes, so do its answers: what that means, the call's own era says.
async fn passed(mut answers: Answers, sender: AnswerSender) {
    let gone = sender.clone();
    let passing = async {
        while let Some(answer) = answers.next().await {
            if matches!(answer, Answer::Opened) {
                continue;
            }
            if sender.send(answer).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = passing => {}
        () = gone.closed() => {}
    }
}
