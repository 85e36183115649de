//! The policies that decide which tools a caller sees listed (design part 4, "Lists").
//!
//! A list has no call, so of the context only the tool's annotations exist. Forbids that read anything else are
//! dropped; permits lose the conditions that do. What is left errs on the side of showing: a tool that is listed may
//! still be denied when called, one that is not listed never could have been called.

use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Clause, Effect, Expr, PstConstructionError, Template};

use crate::reads::Reads;
use crate::scope;

/// The attribute of the context that exists without a call.
const TOOL: &str = "tool";

/// The policy as lists see it, without its scope; `None` when it has no say in them.
pub(crate) fn derive(policy: &Template) -> Result<Option<cedar_policy::Policy>, PstConstructionError> {
    let reads_call = Reads::of_policy(policy).more_than(&[TOOL]);
    if reads_call && policy.effect == Effect::Forbid {
        return Ok(None);
    }
    let clauses = policy.clauses().iter().flat_map(split).filter(|clause| {
        let (Clause::When(expression) | Clause::Unless(expression)) = clause;
        !Reads::of_expression(expression).more_than(&[TOOL])
    });
    let derived = policy.clone().try_with_clauses(clauses.collect::<Vec<_>>())?;
    scope::without(&derived).map(Some)
}

/// The conditions of a clause that must all hold: `when {a && b}` is `when {a} when {b}`, and `unless {a || b}` is
/// `unless {a} unless {b}`.
fn split(clause: &Clause) -> Vec<Clause> {
    let (expression, operator, wrap): (_, _, fn(Arc<Expr>) -> Clause) = match clause {
        Clause::When(expression) => (expression, BinaryOp::And, Clause::When),
        Clause::Unless(expression) => (expression, BinaryOp::Or, Clause::Unless),
    };
    let mut parts = Vec::new();
    let mut waiting = vec![Arc::clone(expression)];
    while let Some(part) = waiting.pop() {
        match &*part {
            Expr::BinaryOp { op, left, right } if *op == operator => {
                // Right below left, so that parts come out in order: a guard stays before what it guards.
                waiting.extend([Arc::clone(right), Arc::clone(left)]);
            }
            _ => parts.push(wrap(part)),
        }
    }
    parts
}
