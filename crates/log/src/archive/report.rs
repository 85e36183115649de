//! What the check of an archive found: for people, for programs, and as an exit status.
//!
//! An archive came from somebody else: what it says is escaped before it reaches a terminal. Said besides: what was not
//! checked, so that nobody takes a part for the whole.

use std::fmt::Write as _;

use vidimus_core::canonical::ObjectWriter;

use crate::codec::{counted, printable};
use crate::note::Checkpoint;
use crate::trust::{NOT_WITNESSED, SeenBy};
use crate::verify::{Finding, MAX_FINDINGS};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was checked and holds, by a key that was given.
    Verified,
    /// Something does not hold.
    Refuted,
    /// All of it holds together, but whose it is was not shown: no key was given.
    Untrusted,
    /// All of it holds, by a key that was given, but sessions have no end: they were open when they were exported, or
    /// their last events were taken out since, and the archive alone does not tell which.
    Unended,
}

impl Outcome {
    /// The exit status: 0 verified, 1 refuted, 3 not all was shown: no key was given, or sessions have no end. 2 is for
    /// what could not be begun.
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Refuted => 1,
            Self::Untrusted | Self::Unended => 3,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Refuted => "refuted",
            Self::Untrusted => "untrusted",
            Self::Unended => "unended",
        }
    }
}

/// What was checked, and what was found.
#[derive(Debug, Clone, Default)]
pub struct ArchiveReport {
    /// The checkpoint, when a signature on it holds.
    pub checkpoint: Option<Checkpoint>,
    /// Whether the keys it was opened with were given, rather than the archive's own.
    pub is_trusted: bool,
    /// Whether the caller's policy asks for witnesses; one that its quorum has not cosigned is a finding.
    pub is_quorum: bool,
    /// Witnesses of the policy that have cosigned the checkpoint.
    pub witnesses: Vec<SeenBy>,
    /// Files whose size and SHA-256 were compared.
    pub files: u64,
    /// Events whose form, hash and proof were checked.
    pub events: u64,
    /// Sessions whose numbers were checked.
    pub sessions: u64,
    /// Those of them without their last event.
    pub open_sessions: u64,
    /// Operations that were admitted.
    pub operations: u64,
    /// Those of them without outcome, in sessions that are open.
    pub open_operations: u64,
    /// Operations that were denied.
    pub denied_operations: u64,
    /// Payloads that are what was committed to.
    pub payloads: u64,
    /// Payloads that events commit to and that are not in the archive.
    pub payloads_elsewhere: u64,
    /// Those of them whose recording was erased.
    pub payloads_erased: u64,
    /// Commitments to what was sent or delivered unmasked, which only the gateway can open.
    pub delivered: u64,
    /// The first [`MAX_FINDINGS`] findings.
    pub findings: Vec<Finding>,
    /// How many findings there were beyond those.
    pub further_findings: u64,
}

impl ArchiveReport {
    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        if !self.findings.is_empty() || self.checkpoint.is_none() {
            Outcome::Refuted
        } else if !self.is_trusted {
            Outcome::Untrusted
        } else if self.open_sessions > 0 {
            Outcome::Unended
        } else {
            Outcome::Verified
        }
    }

    /// The report for people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |content: String| {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{}", printable(&content));
        };
        for finding in &self.findings {
            line(finding.to_string());
        }
        if self.further_findings > 0 {
            line(format!("and {} more", self.further_findings));
        }
        let checked = format!(
            "{}, {}, {} ({} open), {} ({} open, {} denied), {}",
            counted(self.files, "file"),
            counted(self.events, "event"),
            counted(self.sessions, "session"),
            self.open_sessions,
            counted(self.operations + self.denied_operations, "operation"),
            self.open_operations,
            self.denied_operations,
            counted(self.payloads, "payload"),
        );
        match (self.outcome(), &self.checkpoint) {
            (Outcome::Verified, Some(checkpoint)) => line(format!(
                "verified: {checked}; every event is in {} of {} entries, which a given key signed",
                checkpoint.origin, checkpoint.size
            )),
            (Outcome::Unended, Some(checkpoint)) => {
                line(format!(
                    "not shown to be whole: {checked}; every event is in {} of {} entries, which a given key signed",
                    checkpoint.origin, checkpoint.size
                ));
                line(format!(
                    "without their last event: {}, open when exported or cut short since; export them when they are closed",
                    counted(self.open_sessions, "session")
                ));
            }
            (Outcome::Untrusted, Some(checkpoint)) => line(format!(
                "not verified: {checked} hold together, but by a key that only the archive names; give the key of {} \
                 with --key",
                checkpoint.origin
            )),
            _ => line(format!("the archive does not hold: {checked} were checked")),
        }
        for seen in &self.witnesses {
            line(seen.to_string());
        }
        if !self.is_quorum && matches!(self.outcome(), Outcome::Verified | Outcome::Unended) {
            line(NOT_WITNESSED.to_owned());
        }
        if self.payloads_elsewhere > 0 {
            line(format!(
                "not in the archive: {} that its events commit to{}",
                counted(self.payloads_elsewhere, "payload"),
                match self.payloads_erased {
                    0 => String::new(),
                    all if all == self.payloads_elsewhere => ", erased".to_owned(),
                    some => format!(", {some} of them erased"),
                }
            ));
        }
        if self.delivered > 0 {
            line(format!(
                "not checked: {} to what passed unmasked, which only the gateway's own key opens",
                counted(self.delivered, "commitment")
            ));
        }
        text
    }

    /// The report for programs: one line of canonical JSON.
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        if let Some(checkpoint) = &self.checkpoint {
            object.object("checkpoint", |object| {
                object.string("origin", &checkpoint.origin).string("root", &checkpoint.root.to_string());
                object.integer("size", checkpoint.size);
            });
        }
        let findings: Vec<String> = self.findings.iter().map(ToString::to_string).collect();
        object.integer("delivered_not_checked", self.delivered);
        object.integer("denied_operations", self.denied_operations).integer("events", self.events);
        object.integer("files", self.files).strings("findings", &findings);
        object.integer("further_findings", self.further_findings);
        object.integer("open_operations", self.open_operations).integer("open_sessions", self.open_sessions);
        object.integer("operations", self.operations).string("outcome", self.outcome().name());
        object.integer("payloads", self.payloads).integer("payloads_erased", self.payloads_erased);
        object.integer("payloads_not_in_archive", self.payloads_elsewhere);
        object.boolean("quorum", self.is_quorum).integer("sessions", self.sessions);
        object.array("witnesses", &self.witnesses, SeenBy::write_json);
        object.end();
        out.push(b'\n');
        String::from_utf8(out).unwrap_or_default()
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.further_findings += 1;
        }
    }
}
