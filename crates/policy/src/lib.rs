//! Cedar policies, from files to decisions: design part 5.
//!
//! Nothing here does I/O or knows of a runtime: a [`Source`] is text, [`Policies`] are immutable, a [`Subject`] lives as long
//! as a session. Modules, from below: `vocabulary`, `reads`, `shape`, `value`, `facts` · `schema`, `names`, `visibility`, `rules` ·
//! `compile`, `decision` · `policies`.
//!
#![doc = include_str!("../README.md")]

mod compile;
mod context;
mod decimal;
mod decision;
mod error;
mod facts;
mod groups;
mod hierarchy;
mod names;
mod policies;
mod reads;
mod request;
mod rule;
mod rules;
mod schema;
mod scope;
mod shape;
mod slice;
mod source;
mod subject;
mod value;
mod visibility;
mod vocabulary;

pub use error::{Place, PolicyError, Warning};
pub use policies::Policies;
pub use request::{Claimed, Considered, Decision, Granted, Moment, Request, Verdict};
pub use schema::{ApprovalRule, TargetSchema, World};
pub use source::Source;
pub use subject::Subject;
