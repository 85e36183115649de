//! `ErrorResponse` and `NoticeResponse` ("Error and Notice Message Fields"): fields, each a letter and a string.
//!
//! What the gateway says itself is made by [`Notice::error`] and [`Notice::fatal`].

use std::borrow::Cow;

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::read::{Cursor, Text};
use crate::write::Body;

/// Letters of fields.
pub mod field {
    /// The severity, in the language of the session.
    pub const SEVERITY: u8 = b'S';
    /// The severity, never translated.
    pub const SEVERITY_PLAIN: u8 = b'V';
    /// The SQLSTATE.
    pub const CODE: u8 = b'C';
    /// One line that says what happened.
    pub const MESSAGE: u8 = b'M';
    /// More about it.
    pub const DETAIL: u8 = b'D';
    /// What to do about it.
    pub const HINT: u8 = b'H';
    /// Where in the statement, in characters from 1.
    pub const POSITION: u8 = b'P';
    /// Where in a statement that the server made.
    pub const INTERNAL_POSITION: u8 = b'p';
    /// That statement.
    pub const INTERNAL_QUERY: u8 = b'q';
    /// The calls that led there.
    pub const WHERE: u8 = b'W';
    /// The schema it is about.
    pub const SCHEMA: u8 = b's';
    /// The table.
    pub const TABLE: u8 = b't';
    /// The column.
    pub const COLUMN: u8 = b'c';
    /// The data type.
    pub const DATA_TYPE: u8 = b'd';
    /// The constraint.
    pub const CONSTRAINT: u8 = b'n';
}

/// The fields of an error or a notice, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notice {
    fields: Vec<(u8, Bytes)>,
}

impl Notice {
    /// An error that ends a statement: its SQLSTATE, what happened, more about it, and what to do.
    pub fn error(code: &str, message: &str, detail: Option<&str>, hint: Option<&str>) -> Self {
        Self::made("ERROR", code, message, detail, hint)
    }

    /// An error that ends the connection.
    pub fn fatal(code: &str, message: &str, detail: Option<&str>, hint: Option<&str>) -> Self {
        Self::made("FATAL", code, message, detail, hint)
    }

    /// A notice, which ends nothing. `severity` is `NOTICE`, `WARNING`, `INFO`, `LOG` or `DEBUG`.
    pub fn told(severity: &str, code: &str, message: &str, detail: Option<&str>, hint: Option<&str>) -> Self {
        Self::made(severity, code, message, detail, hint)
    }

    fn made(severity: &str, code: &str, message: &str, detail: Option<&str>, hint: Option<&str>) -> Self {
        let fields = [
            (field::SEVERITY, Some(severity)),
            (field::SEVERITY_PLAIN, Some(severity)),
            (field::CODE, Some(code)),
            (field::MESSAGE, Some(message)),
            (field::DETAIL, detail),
            (field::HINT, hint),
        ];
        let text = |text: &str| Text::from(text).as_bytes().clone();
        Self { fields: fields.into_iter().filter_map(|(letter, value)| Some((letter, text(value?)))).collect() }
    }

    /// Of these fields.
    pub fn of(fields: Vec<(u8, Bytes)>) -> Self {
        Self { fields }
    }

    /// Letter and value of each.
    pub fn fields(&self) -> &[(u8, Bytes)] {
        &self.fields
    }

    /// The first field with this letter; what is not UTF-8 in it is replaced.
    pub fn field(&self, letter: u8) -> Option<Cow<'_, str>> {
        let (_, value) = self.fields.iter().find(|(found, _)| *found == letter)?;
        Some(String::from_utf8_lossy(value))
    }

    /// The SQLSTATE; empty if there is none.
    pub fn code(&self) -> Cow<'_, str> {
        self.field(field::CODE).unwrap_or_default()
    }

    /// What happened; empty if it does not say.
    pub fn message(&self) -> Cow<'_, str> {
        self.field(field::MESSAGE).unwrap_or_default()
    }

    /// Whether the connection ends with it.
    pub fn is_fatal(&self) -> bool {
        let severity = self.field(field::SEVERITY_PLAIN).or_else(|| self.field(field::SEVERITY)).unwrap_or_default();
        matches!(&*severity, "FATAL" | "PANIC")
    }

    pub(crate) fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        let mut fields = Vec::new();
        loop {
            match body.u8()? {
                0 => return Ok(Self { fields }),
                letter => fields.push((letter, body.string()?)),
            }
        }
    }

    pub(crate) fn write(&self, body: &mut Body<'_>) {
        for (letter, value) in &self.fields {
            body.u8(*letter);
            body.string(value);
        }
        body.u8(0);
    }
}
