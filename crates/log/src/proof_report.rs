//! The check of one proof, for people and programs: that an event is in the log, and which witnesses vouch for the log.
//!
//! A proof that carries its event shows that this very event is in the log; another takes the event from the caller. The
//! file came from somebody else: what it says is escaped before it reaches a terminal.

use std::fmt::Write as _;

use vidimus_core::canonical::ObjectWriter;

use crate::codec::printable;
use crate::proof::{InclusionProof, ProofError};
use crate::trust::{NOT_WITNESSED, SeenBy, Trust};

/// How the check of a proof ended.
#[derive(Debug)]
pub struct ProofReport {
    /// What was shown, or why nothing is.
    pub proven: Result<Proven, String>,
}

/// What a proof shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The event's leaf.
    pub event: Vec<u8>,
    /// Where it is in the log.
    pub index: u64,
    /// How many entries the log had.
    pub size: u64,
    /// The log.
    pub origin: String,
    /// Witnesses that have cosigned that state of the log, and when by their clocks.
    pub witnesses: Vec<SeenBy>,
    /// Whether the caller's policy asks for witnesses.
    pub is_quorum: bool,
}

/// Checks the text of a proof by a policy, and by the sizes that the log's keys sign for. `event` stands for the one that
/// the proof carries, or does not carry.
pub fn check(text: &str, event: Option<Vec<u8>>, trust: &Trust) -> ProofReport {
    ProofReport { proven: proven(text, event, trust) }
}

fn proven(text: &str, event: Option<Vec<u8>>, trust: &Trust) -> Result<Proven, String> {
    let keys = trust.keys().ok_or("nothing says which log is believed; give its key with --key")?;
    let policy = trust.policy(keys);
    let proof: InclusionProof = text.parse().map_err(|error: ProofError| error.to_string())?;
    let carried = proof.extra.clone();
    let Some(event) = event.or(carried) else {
        return Err("the proof does not carry its event; give the event with --event".to_owned());
    };
    let witnessed = proof.verify_by(&event, &policy).map_err(|error| error.to_string())?;
    keys.open(&proof.checkpoint).map_err(|error| error.to_string())?;
    Ok(Proven {
        event,
        index: proof.index,
        size: witnessed.checkpoint.size,
        witnesses: SeenBy::all(&witnessed),
        origin: witnessed.checkpoint.origin,
        is_quorum: policy.asks_for_witnesses(),
    })
}

impl ProofReport {
    /// The exit status: 0 it holds, 1 it does not.
    pub const fn exit_status(&self) -> u8 {
        if self.proven.is_ok() { 0 } else { 1 }
    }

    /// The report for people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |content: &str| {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{}", printable(content));
        };
        match &self.proven {
            Ok(proven) => {
                line(&String::from_utf8_lossy(&proven.event));
                line(&format!(
                    "verified: entry {} of {} in {}, which a given key signed",
                    proven.index, proven.size, proven.origin
                ));
                for seen in &proven.witnesses {
                    line(&seen.to_string());
                }
                if !proven.is_quorum {
                    line(NOT_WITNESSED);
                }
            }
            Err(why) => line(&format!("the proof does not hold: {why}")),
        }
        text
    }

    /// The report for programs: one line of JSON.
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        match &self.proven {
            Ok(proven) => {
                object.string("event", &String::from_utf8_lossy(&proven.event));
                object.boolean("holds", true).integer("index", proven.index).string("origin", &proven.origin);
                object.boolean("quorum", proven.is_quorum).integer("size", proven.size);
                object.array("witnesses", &proven.witnesses, SeenBy::write_json);
            }
            Err(why) => {
                object.boolean("holds", false).string("why", why);
            }
        }
        object.end();
        out.push(b'\n');
        String::from_utf8(out).unwrap_or_default()
    }
}
