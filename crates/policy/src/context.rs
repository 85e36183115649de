//! The context of one request, value by value: what it is, and no more of it than policies here read.

use std::error::Error;

use cedar_policy::{Context, EntityUid, ExpressionConstructionError, RestrictedExpression};
use vidimus_core::{Action, Timestamp, ToolAnnotations};

use crate::facts;
use crate::reads::Reads;
use crate::request::{Moment, Request};
use crate::shape::Shape;
use crate::value::{self, Unfit};

/// The context of a request, and what in its arguments policies read but cannot be given.
pub(crate) fn of_request(
    (request, target): (&Request<'_>, Option<&EntityUid>),
    amr: &[String],
    shape: Option<&Shape>,
    reads: &Reads,
) -> Result<(Context, Vec<Unfit>), Box<dyn Error>> {
    let Request { target: name, claimed, grant, address, time, .. } = *request;
    let moment = Moment { target: name, claimed, grant, address, time };
    let mut pairs = circumstances(&moment, amr, reads)?;
    let mut add = |name: &str, value: RestrictedExpression| pairs.push((name.to_owned(), value));
    let is_read = |name| reads.attribute(name).is_some();
    let mut unfit = Vec::new();

    if let (Action::ToolCall(_) | Action::Sql(_), Some(known)) = (request.action, request.facts) {
        for (name, fact) in facts::attributes(known, reads)? {
            add(&name, fact);
        }
    }
    match request.action {
        Action::ToolCall(_) => {
            if is_read("tool") {
                add("tool", hints(request.annotations.unwrap_or_default())?);
            }
            if let Some(reads) = reads.attribute("arguments") {
                let (arguments, left_out) = value::arguments(request.arguments, shape, reads);
                unfit = left_out;
                if let Some(arguments) = arguments {
                    add("arguments", arguments);
                }
            }
        }
        Action::ResourceRead(uri) => add("uri", text(uri)),
        Action::PromptGet(prompt) => add("prompt", text(prompt)),
        Action::Elicitation(Some(url)) => add("url", text(url)),
        Action::Approve { call, .. } => {
            add("call", text(call));
            let target = target.ok_or("the target of the call is not there any more")?;
            add("target", RestrictedExpression::new_entity_uid(target.clone()));
        }
        Action::GrantRequest { name, seconds } => {
            add("name", text(name));
            add("seconds", long(*seconds));
        }
        Action::BreakGlass { seconds } => add("seconds", long(*seconds)),
        Action::Elicitation(None)
        | Action::GrantRevoke
        | Action::Sql(_)
        | Action::Sampling
        | Action::Roots
        | Action::Connect
        | Action::Method(_)
        | Action::RecordingView
        | Action::RecordingExport
        | Action::RecordingErase
        | Action::RecordingHold
        | Action::LogRead
        | Action::Administer => {}
    }
    Ok((Context::from_pairs(pairs)?, unfit))
}

/// The context in which it is asked what may be revealed of a target.
pub(crate) fn of_moment(
    moment: &Moment<'_>,
    target: &EntityUid,
    amr: &[String],
    reads: &Reads,
) -> Result<Context, Box<dyn Error>> {
    let mut pairs = circumstances(moment, amr, reads)?;
    pairs.push(("target".to_owned(), RestrictedExpression::new_entity_uid(target.clone())));
    Ok(Context::from_pairs(pairs)?)
}

/// The context of a tool in a list.
pub(crate) fn of_tool(annotations: ToolAnnotations) -> Result<Context, Box<dyn Error>> {
    Ok(Context::from_pairs([("tool".to_owned(), hints(annotations)?)])?)
}

/// What every action's context has.
fn circumstances(
    moment: &Moment<'_>,
    amr: &[String],
    reads: &Reads,
) -> Result<Vec<(String, RestrictedExpression)>, ExpressionConstructionError> {
    let mut pairs = Vec::new();
    let mut add = |name: &str, value: RestrictedExpression| pairs.push((name.to_owned(), value));
    let is_read = |name| reads.attribute(name).is_some();
    if is_read("amr") {
        add("amr", RestrictedExpression::new_set(amr.iter().map(|method| text(method))));
    }
    if let Some(address) = moment.address.filter(|_| is_read("address")) {
        // `::ffff:10.0.0.1` is 10.0.0.1, and must be in 10.0.0.0/8 for a policy that says so.
        add("address", RestrictedExpression::new_ip(address.to_canonical().to_string()));
    }
    if is_read("time") {
        add("time", RestrictedExpression::new_datetime(milliseconds(moment.time)));
    }
    if let Some(grant) = moment.grant.filter(|_| is_read("grant")) {
        let fields = [
            ("break_glass".to_owned(), RestrictedExpression::new_bool(grant.is_break_glass)),
            ("id".to_owned(), text(&grant.id)),
            ("name".to_owned(), text(&grant.name)),
        ];
        add("grant", RestrictedExpression::new_record(fields)?);
    }
    if is_read("claimed") {
        let claims = [("client", moment.claimed.client), ("model", moment.claimed.model)];
        let fields = claims.into_iter().filter_map(|(name, claim)| Some((name.to_owned(), text(claim?))));
        add("claimed", RestrictedExpression::new_record(fields)?);
    }
    Ok(pairs)
}

fn hints(annotations: ToolAnnotations) -> Result<RestrictedExpression, ExpressionConstructionError> {
    let hints = [
        ("readOnlyHint", annotations.read_only),
        ("destructiveHint", annotations.destructive),
        ("idempotentHint", annotations.idempotent),
        ("openWorldHint", annotations.open_world),
    ];
    RestrictedExpression::new_record(
        hints.into_iter().map(|(name, hint)| (name.to_owned(), RestrictedExpression::new_bool(hint))),
    )
}

fn long(number: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(number).unwrap_or(i64::MAX))
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

/// As Cedar reads it: `2026-11-20T23:47:40.123Z`.
fn milliseconds(time: Timestamp) -> String {
    let nanoseconds = time.to_string();
    let until_milliseconds = "2026-11-20T23:47:40.123".len();
    format!("{}Z", nanoseconds.get(..until_milliseconds).unwrap_or(&nanoseconds))
}
