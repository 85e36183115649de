//! A call as policies want it: decided on, rewritten where they ask for that, and decided on once more.
//!
//! Rewrites are applied once, all that are asked for at the same time, to the bytes for the target. What comes out is read
//! again, and what is decided on then is a part of those bytes: they, and no others, may pass. Statements are sent otherwise
//! by the adapter that knows how they are sent (`Restate`). Facts and masked forms are made anew. What still wants a rewrite is denied, and so is what cannot be rewritten. Both forms are recorded.

use std::sync::Arc;

use bytes::Bytes;
use vidimus_core::event::Masking as Found;
use vidimus_core::json::{Document, Limits};
use vidimus_core::operation::Arguments;
use vidimus_core::{Action, Operation, Rewriting, StatementChanges};
use vidimus_guard::{Guard, RewriteError};
use vidimus_mask::ClassSet;
use vidimus_policy::Decision;

use super::{Denied, Session};
use crate::guarding;
use crate::masking::Masked;
use crate::recording::{Part, PayloadName};
use crate::standing::{Kind, Standing, Statements};
use crate::statements::Restate;

/// Messages up to this size are rewritten where they arrive: a millisecond or so.
const INLINE_BYTES: usize = 64 << 10;

/// An operation and what masking made of it for the record.
struct Form {
    operation: Operation,
    masked: Masked,
}

/// What was decided on an operation, and on which form of it.
pub(crate) struct Evaluated {
    pub(crate) decision: Decision,
    /// What was decided on last.
    form: Form,
    /// As it was asked for, where that is something else.
    asked: Option<Box<Form>>,
    /// The rewrites that were applied.
    pub(crate) rewrites: Vec<Rewriting>,
    /// What they did to statements.
    pub(crate) changes: StatementChanges,
    /// What masking found in all that is recorded.
    pub(crate) found: Found,
}

/// Why a call could not be rewritten, for its caller.
struct NotRewritten(String);

impl Form {
    fn part(&self, name: PayloadName) -> Part<'_> {
        Part { name, recorded: &self.masked.recorded, passed: &self.operation.wire }
    }
}

impl Evaluated {
    /// What may pass, if anything may.
    pub(crate) const fn operation(&self) -> &Operation {
        &self.form.operation
    }

    /// The operation as it was asked for.
    pub(crate) fn asked(&self) -> &Operation {
        self.asked.as_ref().map_or(&self.form.operation, |asked| &asked.operation)
    }

    /// Whether what may pass is something else than what was asked for.
    pub(crate) const fn is_rewritten(&self) -> bool {
        self.asked.is_some()
    }

    /// What is recorded of it.
    pub(crate) fn parts(&self) -> Vec<Part<'_>> {
        match &self.asked {
            None => vec![self.form.part(PayloadName::Request)],
            Some(asked) => vec![asked.part(PayloadName::Request), self.form.part(PayloadName::Rewritten)],
        }
    }

    fn as_asked(form: Form, decision: Decision) -> Self {
        let found = form.masked.found.clone();
        Self { decision, form, asked: None, rewrites: Vec::new(), changes: StatementChanges::default(), found }
    }
}

impl Session {
    /// Decides on an operation, and on what it is rewritten to where policies want that. Nothing is recorded yet but that
    /// it cannot be masked.
    pub(crate) async fn evaluated(
        &self,
        standing: &Standing,
        operation: Operation,
        restate: Option<&dyn Restate>,
    ) -> Result<Evaluated, Denied> {
        let asked = self.form(operation).await?;
        let decision = self.decided_on(standing, &asked).await;
        if decision.rewrites.is_empty() {
            return Ok(Evaluated::as_asked(asked, decision));
        }
        let rewritten = match asked.operation.record {
            None => self.rewritten(&asked.operation, &decision.rewrites).await.map(|operation| (operation, None)),
            Some(_) => {
                self.restated(restate, &decision.rewrites).map(|(operation, changes)| (operation, Some(changes)))
            }
        };
        let (operation, changes) = match rewritten {
            Ok(rewritten) => rewritten,
            Err(NotRewritten(why)) => return Ok(Evaluated::as_asked(asked, decision.not_rewritten(&why))),
        };
        let form = self.form(operation).await?;
        let again = self.decided_on(standing, &form).await.once_rewritten(&decision.rewrites);
        let mut found = asked.masked.found.clone();
        found.add(&form.masked.found);
        Ok(Evaluated {
            decision: again,
            form,
            asked: Some(Box::new(asked)),
            rewrites: decision.rewrites,
            changes: changes.unwrap_or_default(),
            found,
        })
    }

    async fn form(&self, operation: Operation) -> Result<Form, Denied> {
        // For the record alone: what goes to the target is what is evaluated.
        let text = operation.record.as_ref().unwrap_or(&operation.wire);
        match self.context().masked(text, operation.members, ClassSet::EMPTY).await {
            Ok(masked) => Ok(Form { operation, masked }),
            Err(error) => Err(self.unmaskable(&error, &operation.action).await),
        }
    }

    async fn decided_on(&self, standing: &Standing, form: &Form) -> Decision {
        let statements = self.statements(&form.operation);
        if let Some(allowed) = statements.as_ref().and_then(|statements| standing.allowed(statements)) {
            return allowed;
        }
        let wanted = standing.policies.facts_read(&form.operation.action, self.target());
        let facts = guarding::facts(&self.context().spec().guard, &form.operation, &form.masked.found, wanted).await;
        let decision = self.decide(standing, &form.operation, &facts);
        if let Some(statements) = statements {
            standing.keep(statements, self.target(), &decision);
        }
        decision
    }

    /// What a caller's statements do, where an operation is that.
    fn statements(&self, operation: &Operation) -> Option<Statements> {
        let (Kind::Caller, Action::Sql(kinds), Some(facts)) =
            (self.context().party().kind, &operation.action, &operation.sql)
        else {
            return None;
        };
        Some(Statements { kinds: *kinds, facts: Arc::clone(facts) })
    }

    /// The statements with rewrites applied, and what those are together.
    fn restated(
        &self,
        restate: Option<&dyn Restate>,
        rewrites: &[Rewriting],
    ) -> Result<(Operation, StatementChanges), NotRewritten> {
        let names: Vec<&str> = rewrites.iter().map(|rewrite| &*rewrite.name).collect();
        let changes = self.context().spec().guard.statement_changes(&names).map_err(|error| not_rewritten(&error))?;
        let Some(restate) = restate else {
            return Err(NotRewritten("what this would be rewritten to is not known".to_owned()));
        };
        let operation = restate.restated(changes).map_err(NotRewritten)?;
        Ok((operation, changes))
    }

    /// The operation with rewrites applied: its bytes, and the arguments in them.
    async fn rewritten(&self, operation: &Operation, rewrites: &[Rewriting]) -> Result<Operation, NotRewritten> {
        let names: Vec<Arc<str>> = rewrites.iter().map(|rewrite| Arc::clone(&rewrite.name)).collect();
        let (guard, wire) = (self.context().spec().guard.clone(), operation.wire.clone());
        let Some(arguments) = operation.arguments.clone() else {
            return Err(NotRewritten("it has no arguments that could be rewritten".to_owned()));
        };
        let rewriting = move || rewritten(&guard, &wire, &arguments, &names);
        let done = if operation.wire.len() <= INLINE_BYTES {
            rewriting()
        } else {
            let failed = || NotRewritten("it could not be rewritten; tell the operator of this gateway".to_owned());
            tokio::task::spawn_blocking(rewriting).await.map_err(|_| failed())?
        };
        let arguments = done?;
        Ok(Operation { wire: arguments.document.bytes().clone(), arguments: Some(arguments), ..operation.clone() })
    }
}

/// A fault of ours, which its caller can do nothing about.
fn failed(error: &dyn std::fmt::Display) -> NotRewritten {
    tracing::error!(%error, "a call cannot be rewritten, so it is denied");
    NotRewritten("it could not be rewritten; tell the operator of this gateway".to_owned())
}

fn not_rewritten(error: &RewriteError) -> NotRewritten {
    match error {
        RewriteError::Unknown(_) | RewriteError::Splice(_) => failed(error),
        RewriteError::NotOfCalls(_)
        | RewriteError::NotOfStatements(_)
        | RewriteError::Conflict(..)
        | RewriteError::Twin { .. } => NotRewritten(error.to_string()),
    }
}

/// The message with the rewrites applied, read again, and the place of its arguments.
fn rewritten(
    guard: &Guard,
    wire: &Bytes,
    evaluated: &Arguments,
    names: &[Arc<str>],
) -> Result<Arguments, NotRewritten> {
    let path = evaluated.path;
    // What was read within the limits before, and the few bytes that rewrites add.
    let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
    let message = Document::parse(wire.clone(), &limits).map_err(|error| failed(&error))?;
    let raw = |document: &Document| document.root().at(path).map(|arguments| arguments.raw().to_owned());
    if raw(&message) != raw(&evaluated.document) {
        return Err(failed(&"its arguments are not those that were evaluated"));
    }
    let borrowed: Vec<&str> = names.iter().map(|name| &**name).collect();
    let changed = guard.rewritten(&message, path, &borrowed).map_err(|error| not_rewritten(&error))?;
    if changed == *wire {
        let plural = if names.len() == 1 { "rewrite" } else { "rewrites" };
        return Err(NotRewritten(format!("the {plural} {} cannot change it", borrowed.join(" and "))));
    }
    let document = Document::parse(changed, &limits).map_err(|error| failed(&error))?;
    Ok(Arguments { document: Arc::new(document), path })
}
