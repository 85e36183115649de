//! Masking what has structure: JSON, JSON in strings of JSON, lines, forms, base64 and rows.
//!
//! What is scanned is what a reader of the format would read: strings are decoded, scanned, and written anew only if they
//! changed; every other byte stays as it was. The names that lead to a value are context for it. What cannot be read as
//! what it looks like is masked as text, escapes read too. See RFC 8259 (JSON), RFC 4648 (base64), and the URL standard's
//! `application/x-www-form-urlencoded`.

mod base64;
mod embedded;
mod form;
mod keys;
mod nested;
mod number;
mod row;
mod syntax;
#[cfg(test)]
mod tests;
mod walk;

use bytes::Bytes;
use vidimus_core::ErrorKind;
use vidimus_core::json::Document;

pub(crate) use self::embedded::{opening, read};
pub use self::row::{Cell, Column, ColumnKind};

use self::nested::Work;
use crate::class::ClassSet;
use crate::engine::Path;
use crate::fields::FieldRules;
use crate::masker::{Masker, Memory, Tally};

/// What one document is masked under.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Classes that stay visible.
    pub revealed: &'a ClassSet,
    /// Rules that say by its place what a value is; [`Masker::fields`] are the masker's own.
    pub fields: &'a FieldRules,
    /// The names that lead to the document, outermost first.
    pub path: &'a Path<'a>,
    /// Key paths, array indices left out, at which nothing is touched: members of a protocol, such as `["id"]`. The name
    /// `*` stands for any one.
    pub keep: &'a [&'a [&'a str]],
    /// Key paths at which the `$` of field rules begins anew. In a string that is itself JSON it always does.
    pub roots: &'a [&'a [&'a str]],
}

impl<'a> Scope<'a> {
    /// A document that stands alone.
    pub fn new(revealed: &'a ClassSet, fields: &'a FieldRules) -> Self {
        Self { revealed, fields, path: &[], keep: &[], roots: &[] }
    }
}

/// What bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// JSON if it is an object, an array or a string in whole, JSON lines if each is one, and otherwise text.
    #[default]
    Auto,
    /// One JSON text; text if it is not.
    Json,
    /// A JSON text or a text on each line.
    Lines,
    /// `a=b&c=d`, percent-encoded.
    Form,
    /// Text.
    Text,
}

/// Masking that failed: what was to be masked must not be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// A document whose bytes are not what its parser said.
    #[error("the document cannot be walked at byte {offset}")]
    Document {
        /// Where.
        offset: usize,
    },
    /// A row with more or fewer cells than columns.
    #[error("a row has {cells} cells for {columns} columns")]
    Row {
        /// Cells of the row.
        cells: usize,
        /// Columns that were described.
        columns: usize,
    },
}

impl MaskError {
    /// Always [`ErrorKind::Internal`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// Whether all of `bytes` is one JSON text.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    syntax::json(bytes).is_some()
}

impl Masker {
    /// Masks a JSON document. `None` if nothing changed; otherwise JSON of the same shape, in which bytes that hold no
    /// finding are as they were.
    pub fn json(
        &self,
        document: &Document,
        scope: &Scope<'_>,
        memory: &mut Memory,
        tally: &mut Tally,
    ) -> Result<Option<Bytes>, MaskError> {
        let names = syntax::escaped_names(document.bytes());
        let names = names.ok_or(MaskError::Document { offset: 0 })?;
        let mut work = Work { masker: self, scope, memory, tally };
        Ok(work.json(document.bytes(), &names, scope.path, 0)?.map(Bytes::from))
    }

    /// Masks bytes of a form that is told or found out. `None` if nothing changed. JSON stays JSON of the same shape.
    pub fn payload(
        &self,
        bytes: &Bytes,
        form: Form,
        scope: &Scope<'_>,
        memory: &mut Memory,
        tally: &mut Tally,
    ) -> Result<Option<Bytes>, MaskError> {
        let mut work = Work { masker: self, scope, memory, tally };
        Ok(work.payload(bytes, form)?.map(Bytes::from))
    }
}
