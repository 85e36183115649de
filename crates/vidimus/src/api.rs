//! What the gateway answers on its socket, as both sides know it: JSON over HTTP/1.1, GET to read and POST to change.
//!
//! `/v1/sessions?…`, `/v1/sessions/{id}`, `/v1/sessions/{id}/recording`, `/v1/log/status`, `/v1/log/proof/{event}`,
//! `/v1/retention`, `/v1/tools/{target}`, `/v1/export?…` (the one answer that is no JSON: an archive).
//! Event leaves travel as the JSON they are in the log, byte for byte, so that a client can check their proof.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use vidimus_core::{Effect, TargetName, Timestamp, ToolDefinition};
use vidimus_gate::{Frame, Kept, PayloadName, Recorded, Rule, RuleStatus, Selection, Viewed};
use vidimus_log::{Health, InclusionProof, Status, VerifierKey};
use vidimus_store::{Covered, Erasure, MAX_SESSIONS, SessionFilter, SessionRow};

use crate::integrity::Progress;

/// Sessions listed when the query does not say how many.
pub(crate) const DEFAULT_LIMIT: u32 = 100;

const SECONDS_OF_DAY: u64 = 24 * 60 * 60;

/// The path of the list of sessions.
pub(crate) const SESSIONS: &str = "/v1/sessions";
/// The path of the log's status.
pub(crate) const LOG_STATUS: &str = "/v1/log/status";
/// Below it, the proofs by event id.
pub(crate) const LOG_PROOF: &str = "/v1/log/proof";
/// The archive of the sessions of a query: `session`, or the keys of the list of sessions.
pub(crate) const EXPORT: &str = "/v1/export";
/// Below it, the tools by target.
pub(crate) const TOOLS: &str = "/v1/tools";
/// The path of how retention stands.
pub(crate) const RETENTION: &str = "/v1/retention";
/// Below a session, its recording.
pub(crate) const RECORDING: &str = "recording";

/// The answer to `/v1/sessions`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SessionList {
    /// The latest opened first.
    pub(crate) sessions: Vec<SessionSummary>,
    /// After which session the next page begins; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// The custody of a session's recording: the answer to `POST /v1/sessions/{id}/erasure`, `…/erasure/confirmation`,
/// `…/hold` and `…/hold/removal`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CustodyState {
    pub(crate) session: String,
    /// `none`, `requested`, `confirmed` or `erased`.
    pub(crate) state: String,
    /// Why it is held.
    pub(crate) hold: Option<String>,
    /// Who asks to erase it, why, and until when that can be confirmed.
    pub(crate) requested_by: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) expires: Option<String>,
}

impl From<Kept> for CustodyState {
    fn from(kept: Kept) -> Self {
        let Kept { session, custody } = kept;
        let (state, request) = match custody.erasure {
            Erasure::None => ("none", None),
            Erasure::Requested(request) => ("requested", Some(request)),
            Erasure::Confirmed { .. } => ("confirmed", None),
            Erasure::Erased => ("erased", None),
        };
        let (requested_by, reason, expires) = match request {
            Some(request) => (Some(request.by), Some(request.reason), Some(request.expires)),
            None => (None, None, None),
        };
        Self {
            session: session.to_string(),
            state: state.to_owned(),
            hold: custody.hold,
            requested_by,
            reason,
            expires,
        }
    }
}

/// The `reason` in a query, and nothing else.
pub(crate) fn reason(query: &str) -> Result<String, String> {
    let value = query.strip_prefix("reason=").ok_or("the query must be `reason=…`")?;
    decode(value).ok_or_else(|| "the value of `reason` is not percent-encoded UTF-8".to_owned())
}

/// One session. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionSummary {
    pub(crate) id: String,
    pub(crate) opened: String,
    pub(crate) closed: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) who: Option<String>,
    pub(crate) display: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) durability: Option<String>,
    pub(crate) record: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) events: u64,
    pub(crate) operations: u64,
    pub(crate) denied: u64,
    /// The session at the endpoint for all targets that it was opened for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
}

/// The answer to `/v1/sessions/{id}`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SessionDetail {
    pub(crate) session: SessionSummary,
    /// By `seq`.
    pub(crate) events: Vec<EventEntry>,
}

/// One event and where it stands in the log.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EventEntry {
    pub(crate) index: u64,
    pub(crate) event: Box<RawValue>,
}

/// The answer to `/v1/sessions/{id}/recording`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recording {
    pub(crate) session: SessionSummary,
    /// In the order they were recorded.
    pub(crate) frames: Vec<RecordingFrame>,
    /// How operations ended, as far as that is on record and signed.
    #[serde(default)]
    pub(crate) ends: Vec<RecordedEnd>,
}

/// How an operation of a recording ended.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedEnd {
    /// The `seq` of the event that began it, which its request has.
    pub(crate) intent: u64,
    /// The `seq` of the event that ended it, which its response has; the same where it went no further.
    pub(crate) seq: u64,
    /// As in its event; `denied` where it was refused, `held` where it had to wait for people, and is another if it passed.
    pub(crate) status: String,
    /// How long it took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) us: Option<u64>,
    /// Why it went no further, or by which policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// One recorded payload.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordingFrame {
    /// The `seq` of the event it belongs to.
    pub(crate) seq: u64,
    /// What the operation was, as in its event.
    pub(crate) operation: Option<String>,
    pub(crate) direction: Direction,
    pub(crate) time: String,
    /// Bytes of the payload that passed.
    pub(crate) bytes: u64,
    /// Absent when the target keeps sizes only.
    pub(crate) body: Option<FrameBody>,
}

/// Which way a payload went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// From the caller.
    Request,
    /// To the target, in place of what the caller sent.
    Rewritten,
    /// To the caller, whole or last.
    Response,
    /// To the caller, one part of a streamed result.
    Chunk,
    /// To nobody: what a program of the session wrote to its standard error.
    Log,
}

/// A payload: text when it is UTF-8.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FrameBody {
    Text(String),
    Base64(String),
}

/// The answer to `/v1/log/status`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogStatus {
    /// The newest verifier key of its checkpoints, `name+hash+base64`.
    pub(crate) key: String,
    /// All that sign, the newest first: several while one takes the place of another.
    pub(crate) keys: Vec<String>,
    /// Who watches over it.
    pub(crate) witnesses: Vec<WitnessState>,
    /// `running`, `no_space` or `failed`.
    pub(crate) health: String,
    /// What is missing or failed.
    pub(crate) why: Option<String>,
    /// Leaves appended, of those durable, of those covered by the checkpoint.
    pub(crate) appended: u64,
    pub(crate) durable: u64,
    pub(crate) integrated: u64,
    /// The checkpoint's root, in base64.
    pub(crate) root: String,
    pub(crate) checkpoint_at: String,
    pub(crate) journal_bytes: u64,
    /// Syncs since start, and how long the last took, in microseconds.
    pub(crate) syncs: u64,
    pub(crate) last_sync_us: u64,
    /// How far the gateway has checked its own evidence.
    pub(crate) integrity: Progress,
}

/// The answer to `/v1/retention`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RetentionStatus {
    pub(crate) rules: Vec<RetentionRule>,
}

/// A rule of retention and what it covers now.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RetentionRule {
    /// The target, or the data class, that it is on.
    pub(crate) target: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) keep_days: u64,
    /// Recordings that are there, of those due to be erased, of those held.
    pub(crate) recordings: u64,
    pub(crate) due: u64,
    pub(crate) held: u64,
    /// Those that would be due, and were under a hold until lately.
    pub(crate) released: u64,
    /// Why what is due is not erased yet, if it is not.
    pub(crate) waits: Option<String>,
    /// When the session of the oldest one ended.
    pub(crate) oldest: Option<String>,
    /// Days the gateway has run since, as the log says; not looked up before by the clock it is old enough.
    pub(crate) counted_days: Option<u64>,
    /// The sessions that are due, the longest ended first; not more than some.
    pub(crate) due_sessions: Vec<String>,
}

impl From<RuleStatus> for RetentionRule {
    fn from(status: RuleStatus) -> Self {
        let RuleStatus { rule: Rule { covered, keep }, standing, counted, due, waits } = status;
        let (target, class) = match covered {
            Covered::Target(name) => (Some(name.to_string()), None),
            Covered::Class(name) => (None, Some(name)),
        };
        Self {
            target,
            class,
            keep_days: keep.as_secs() / SECONDS_OF_DAY,
            recordings: standing.kept,
            due: standing.due,
            held: standing.held,
            released: standing.released,
            waits: waits.map(|why| why.to_string()),
            oldest: standing.oldest,
            counted_days: counted.map(|counted| counted.as_secs() / SECONDS_OF_DAY),
            due_sessions: due.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A witness of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WitnessState {
    /// Its name in the configuration.
    pub(crate) name: String,
    /// `cosigning`, `lagging`, or `asked` until its first answer.
    pub(crate) state: String,
    /// Entries it has cosigned, as far as known.
    pub(crate) cosigned: Option<u64>,
    /// Entries under the newest checkpoint that it has not.
    pub(crate) behind: u64,
    /// Seconds since it did not cosign any more.
    pub(crate) lagging_s: Option<u64>,
}

/// The answer to `/v1/log/proof/{event}`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProofFile {
    /// The event's leaf, byte for byte.
    pub(crate) event: Box<RawValue>,
    /// The text of a `.tlog-proof` file.
    pub(crate) proof: String,
    /// The verifier key the gateway signs with. Whoever does not trust the gateway has it from elsewhere.
    pub(crate) key: String,
}

/// The answer to `/v1/tools/{target}`: what a `tools/list` of the target has, as far as policies are checked against it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToolList {
    /// By name.
    pub(crate) tools: Vec<Tool>,
}

/// The definition of a tool (MCP 2025-11-25, schema `Tool`).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) annotations: Annotations,
    /// As the target gave it.
    pub(crate) input_schema: Box<RawValue>,
}

/// The hints of a tool, with MCP's defaults where the target is silent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the four hints of the specification, each independent")]
pub(crate) struct Annotations {
    pub(crate) read_only_hint: bool,
    pub(crate) destructive_hint: bool,
    pub(crate) idempotent_hint: bool,
    pub(crate) open_world_hint: bool,
}

/// The answer when something went wrong.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) error: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
}

impl From<SessionRow> for SessionSummary {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id.to_string(),
            opened: row.opened,
            closed: row.closed,
            reason: row.reason,
            who: row.who,
            display: row.display,
            target: row.target,
            protocol: row.protocol,
            durability: row.durability,
            record: row.record,
            client: row.client,
            events: row.events,
            operations: row.operations,
            denied: row.denied,
            parent: row.parent,
        }
    }
}

impl TryFrom<Viewed> for SessionDetail {
    type Error = serde_json::Error;

    fn try_from(viewed: Viewed) -> Result<Self, Self::Error> {
        let entry = |(index, leaf): (u64, Vec<u8>)| Ok(EventEntry { index, event: serde_json::from_slice(&leaf)? });
        let events = viewed.events.into_iter().map(entry).collect::<Result<_, Self::Error>>()?;
        Ok(Self { session: viewed.session.into(), events })
    }
}

impl TryFrom<Recorded> for Recording {
    type Error = serde_json::Error;

    fn try_from(recorded: Recorded) -> Result<Self, Self::Error> {
        let (mut operations, mut ends) = (std::collections::BTreeMap::new(), Vec::new());
        for (_, leaf) in &recorded.viewed.events {
            let event: Described = serde_json::from_slice(leaf)?;
            ends.extend(event.end());
            operations.insert(event.seq, event.described());
        }
        let frames = recorded.frames.into_iter().filter_map(|frame| RecordingFrame::new(frame, &operations)).collect();
        Ok(Self { session: recorded.viewed.session.into(), frames, ends })
    }
}

impl ToolList {
    pub(crate) fn new<'a>(tools: impl Iterator<Item = &'a ToolDefinition>) -> Result<Self, serde_json::Error> {
        let tool = |tool: &ToolDefinition| {
            Ok(Tool {
                name: tool.name.clone(),
                annotations: Annotations {
                    read_only_hint: tool.annotations.read_only,
                    destructive_hint: tool.annotations.destructive,
                    idempotent_hint: tool.annotations.idempotent,
                    open_world_hint: tool.annotations.open_world,
                },
                input_schema: serde_json::from_slice(&tool.input_schema)?,
            })
        };
        let mut tools = tools.map(tool).collect::<Result<Vec<_>, serde_json::Error>>()?;
        tools.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(Self { tools })
    }
}

impl SessionDetail {
    /// How many of the session's events no checkpoint covers yet, so that they are not shown.
    pub(crate) fn unsigned(&self) -> u64 {
        self.session.events.saturating_sub(u64::try_from(self.events.len()).unwrap_or(u64::MAX))
    }
}

/// What an event says of its operation.
#[derive(Deserialize)]
struct Described {
    seq: u64,
    operation: Option<DescribedOperation>,
    decision: Option<Value>,
    outcome: Option<Value>,
}

#[derive(Deserialize)]
struct DescribedOperation {
    action: String,
    object: Option<String>,
    intent: Option<u64>,
}

impl Described {
    /// How an operation ended, where the event says that.
    fn end(&self) -> Option<RecordedEnd> {
        let operation = self.operation.as_ref()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let (Some(outcome), Some(intent)) = (&self.outcome, operation.intent) {
            let status = text(outcome.get("status")?)?;
            return Some(RecordedEnd {
                intent,
                seq: self.seq,
                status,
                us: outcome.get("us").and_then(Value::as_u64),
                reason: None,
            });
        }
        let decision = self.decision.as_ref()?;
        let status = match decision.get("effect")?.as_str()? {
            "deny" => "denied",
            "hold" => "held",
            _ => return None,
        };
        let policies = decision.get("policies").and_then(Value::as_array).into_iter().flatten();
        let policies: Vec<&str> = policies.filter_map(Value::as_str).collect();
        let by = if policies.is_empty() { "no policy permits it".to_owned() } else { policies.join(", ") };
        let reason = Some(decision.get("reason").and_then(text).unwrap_or(by));
        Some(RecordedEnd { intent: self.seq, seq: self.seq, status: status.to_owned(), us: None, reason })
    }

    fn described(self) -> Option<String> {
        let operation = self.operation?;
        Some(match operation.object {
            Some(object) => format!("{} {object}", operation.action),
            None => operation.action,
        })
    }
}

impl RecordingFrame {
    /// `None` for the commitment over all chunks, which is no payload.
    fn new(frame: Frame, operations: &std::collections::BTreeMap<u64, Option<String>>) -> Option<Self> {
        let direction = match frame.name {
            PayloadName::Request => Direction::Request,
            PayloadName::Rewritten => Direction::Rewritten,
            PayloadName::Response => Direction::Response,
            PayloadName::Chunk => Direction::Chunk,
            PayloadName::Log => Direction::Log,
            PayloadName::Chunks => return None,
        };
        let body = frame.payload.map(|payload| match String::from_utf8(payload) {
            Ok(text) => FrameBody::Text(text),
            Err(error) => FrameBody::Base64(STANDARD.encode(error.as_bytes())),
        });
        let operation = operations.get(&frame.seq).cloned().flatten();
        Some(Self { seq: frame.seq, operation, direction, time: frame.time.to_string(), bytes: frame.bytes, body })
    }
}

impl LogStatus {
    /// The status of a log that these keys sign, the newest first, and these witnesses watch.
    pub(crate) fn new(
        status: &Status,
        keys: &[VerifierKey],
        witnesses: Vec<WitnessState>,
        integrity: Progress,
    ) -> Self {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let (health, why) = match &status.health {
            Health::Running => ("running", None),
            Health::NoSpace { why } => ("no_space", Some(why.to_string())),
            Health::Failed { why } => ("failed", Some(why.to_string())),
        };
        Self {
            key: keys.first().cloned().unwrap_or_default(),
            keys,
            witnesses,
            health: health.to_owned(),
            why,
            appended: status.appended,
            durable: status.durable,
            integrated: status.integrated,
            root: status.root.to_string(),
            checkpoint_at: status.checkpoint_at.to_string(),
            journal_bytes: status.journal_bytes,
            syncs: status.syncs,
            last_sync_us: u64::try_from(status.last_sync.as_micros()).unwrap_or(u64::MAX),
            integrity,
        }
    }
}

impl ProofFile {
    pub(crate) fn new(leaf: &[u8], proof: &InclusionProof, key: &VerifierKey) -> Result<Self, serde_json::Error> {
        Ok(Self { event: serde_json::from_slice(leaf)?, proof: proof.to_string(), key: key.to_string() })
    }
}

/// `filter` as the query of `/v1/sessions`.
pub(crate) fn to_query(filter: &SessionFilter) -> String {
    let mut query = format!("limit={}", filter.limit);
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            query.extend(["&", key, "=", &encode(&value)]);
        }
    };
    add("since", filter.since.map(|time| time.to_string()));
    add("until", filter.until.map(|time| time.to_string()));
    add("who", filter.who.clone());
    add("target", filter.target.as_ref().map(TargetName::to_string));
    add("parent", filter.parent.map(|parent| parent.to_string()));
    add("operation", filter.action.clone());
    add("decision", filter.effect.map(|effect| effect.name().to_owned()));
    add("class", filter.class.clone());
    add("text", filter.text.clone());
    add("after", filter.after.map(|session| session.to_string()));
    add("control", filter.control.then(|| "true".to_owned()));
    query
}

/// The filter in the query of `/v1/sessions`, or what is wrong with it.
pub(crate) fn from_query(query: &str) -> Result<SessionFilter, String> {
    let mut filter = SessionFilter { limit: DEFAULT_LIMIT, ..SessionFilter::default() };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}` has no value"))?;
        let value = decode(value).ok_or_else(|| format!("the value of `{key}` is not percent-encoded UTF-8"))?;
        let bad = |expected: &str| format!("`{key}` must be {expected}");
        match key {
            "since" => filter.since = Some(timestamp(&value).ok_or_else(|| bad("a time in RFC 3339"))?),
            "until" => filter.until = Some(timestamp(&value).ok_or_else(|| bad("a time in RFC 3339"))?),
            "who" => filter.who = Some(value),
            "target" => filter.target = Some(value.parse().map_err(|_| bad("the name of a target"))?),
            "parent" => filter.parent = Some(value.parse().map_err(|_| bad("a whole session id"))?),
            "operation" => filter.action = Some(value),
            "decision" => {
                let effect = [Effect::Allow, Effect::Deny].into_iter().find(|effect| effect.name() == value);
                filter.effect = Some(effect.ok_or_else(|| bad("allow or deny"))?);
            }
            "class" => filter.class = Some(value),
            "text" => filter.text = Some(value),
            "after" => filter.after = Some(value.parse().map_err(|_| bad("a whole session id"))?),
            "control" => filter.control = value.parse().map_err(|_| bad("true or false"))?,
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_SESSIONS).contains(limit));
                filter.limit = limit.ok_or_else(|| bad(&format!("1 to {MAX_SESSIONS}")))?;
            }
            _ => {
                return Err(format!(
                    "`{key}` is no parameter: use since, until, who, target, operation, decision, class, text, after, \
                     control, limit"
                ));
            }
        }
    }
    Ok(filter)
}

/// What is exported, as the query of `/v1/export`; that text is also how an export is described in its event.
pub(crate) fn export_query(selection: &Selection) -> String {
    match selection {
        Selection::Session(id) => format!("session={}", encode(id)),
        Selection::Sessions(filter) => to_query(filter),
    }
}

/// What the query of `/v1/export` asks for, or what is wrong with it.
pub(crate) fn export_from_query(query: &str) -> Result<Selection, String> {
    match query.strip_prefix("session=") {
        Some(id) if id.contains('&') => Err("`session` stands alone".to_owned()),
        Some(id) => {
            decode(id).map(Selection::Session).ok_or_else(|| "`session` is not percent-encoded UTF-8".to_owned())
        }
        None => from_query(query).map(Selection::Sessions),
    }
}

/// A moment in RFC 3339, from 1970 on.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_nanosecond()).ok().map(Timestamp::from_nanoseconds)
}

/// Percent-encodes all but unreserved characters (RFC 3986 §2.3).
pub(crate) fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Undoes percent-encoding (RFC 3986 §2.1). `None` when it is broken or no UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(*rest.next()?).to_digit(16)?;
            let low = char::from(*rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_survives_its_query() {
        let filter = SessionFilter {
            since: Some(Timestamp::from_nanoseconds(1_700_000_000_000_000_001)),
            until: Some(Timestamp::from_seconds(1_800_000_000)),
            who: Some("corp|ä b&c=d%+\u{7f}".into()),
            target: Some("crm".parse().unwrap()),
            parent: Some("0199a1b2-0000-7000-8000-000000000002".parse().unwrap()),
            action: Some("crm/get customer".into()),
            effect: Some(Effect::Deny),
            class: Some("EMAIL_ADDRESS".into()),
            text: Some("\"a\" OR b".into()),
            after: Some("0199a1b2-0000-7000-8000-000000000001".parse().unwrap()),
            control: true,
            limit: 7,
        };
        for filter in [filter, SessionFilter { limit: 1, ..SessionFilter::default() }] {
            let read = from_query(&to_query(&filter)).unwrap();
            assert_eq!(format!("{read:?}"), format!("{filter:?}"));
        }
        assert_eq!(from_query("").unwrap().limit, DEFAULT_LIMIT);
    }

    #[test]
    fn queries_that_would_be_misread_are_refused() {
        for bad in [
            "limit=0",
            "limit=10001",
            "limit=-1",
            "who",
            "who=%",
            "who=%f",
            "who=%zz",
            "who=%ff",
            "target=A",
            "control=1",
            "since=yesterday",
            "since=1969-12-31T23:59:59Z",
            "decision=maybe",
            "after=0199a1b2",
            "color=red",
            "Limit=1",
        ] {
            assert!(from_query(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_leaf_travels_byte_for_byte() {
        let leaf = br#"{"a":1,"b":"\u001f\"","time":"x"}"#;
        let entry = EventEntry { index: 3, event: serde_json::from_slice(leaf).unwrap() };
        let read: EventEntry = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
        assert_eq!(read.event.get().as_bytes(), leaf);
    }

    #[test]
    fn payloads_that_are_no_text_travel_as_base64() {
        let frame = |name, payload: Option<&[u8]>| Frame {
            seq: 4,
            time: Timestamp::from_seconds(1),
            name,
            salt: [0; 32],
            bytes: 2,
            payload: payload.map(<[u8]>::to_vec),
            at: [0, 8, 99],
        };
        let operations = [(4, Some("crm/refund".to_owned()))].into();
        let text = RecordingFrame::new(frame(PayloadName::Request, Some(b"{}")), &operations).unwrap();
        assert_eq!((text.bytes, text.body), (2, Some(FrameBody::Text("{}".into()))));
        assert_eq!(text.operation.as_deref(), Some("crm/refund"));
        let binary = RecordingFrame::new(frame(PayloadName::Chunk, Some(b"\xff\x00")), &operations).unwrap();
        assert_eq!(binary.body, Some(FrameBody::Base64("/wA=".into())));
        assert_eq!(RecordingFrame::new(frame(PayloadName::Chunks, Some(b"x")), &operations), None);
    }
}
