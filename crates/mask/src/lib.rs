//! Masking: finds values of data classes and puts something harmless in their place.
//!
//! [`Engine`] finds classes in one text; [`Masker`] applies operators to what it found, in text and in JSON. Values are
//! never logged; an error withholds the whole result. Nothing here knows of protocols, files or a runtime.

mod allow;
mod bits;
mod calendar;
mod catalogue;
pub mod checksum;
pub mod class;
mod classes;
mod custom;
mod engine;
mod error;
mod escapes;
mod fields;
mod form;
mod masker;
mod operator;
mod placeholder;
mod readings;
pub mod schema;
mod selection;
mod spelling;
mod stream;
mod structure;

pub use allow::Allow;
pub use catalogue::{Described, catalogue};
pub use class::{ClassId, ClassSet, Group};
pub use custom::CustomClass;
pub use engine::{Cut, End, Engine, Finding, LOOK_BEHIND, Path, Scan};
pub use error::ConfigError;
pub use fields::{FieldRules, Step};
pub use masker::{Masker, Memory, Settings, Tally};
pub use operator::{Operator, UnknownOperator};
pub use selection::Selection;
pub use stream::{Framing, Stream, StreamScope};
pub use structure::{Cell, Column, ColumnKind, Form, MaskError, Scope};

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
