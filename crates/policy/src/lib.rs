#![doc = include_str!("../README.md")]

mod compile;
mod context;
mod decimal;
mod decision;
mod error;
mod names;
mod policies;
mod reads;
mod request;
mod rules;
mod schema;
mod shape;
mod source;
mod subject;
mod value;
mod visibility;
mod vocabulary;

pub use error::{Place, PolicyError, Warning};
pub use policies::Policies;
pub use request::{Claimed, Decision, Request};
pub use schema::TargetSchema;
pub use source::Source;
pub use subject::Subject;
