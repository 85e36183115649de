//! What a server has answered and the client has not got: messages as a table of the gate's.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use vidimus_gate::{Cell, Column, ColumnKind, Line, Table, Value};

use super::tracer::Guarded;
use crate::backend::BackendMessage;
use crate::frame::Frame;
use crate::notice::{Notice, field};
use crate::read::Format;
use crate::row::{self, RowDescription};
use crate::value;

/// Messages of one result that go on together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    messages: Vec<(BackendMessage, Frame)>,
    bytes: usize,
    columns: Columns,
}

/// The columns of the rows of a result.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns(Vec<Own>);

#[derive(Debug, Clone)]
struct Own {
    name: String,
    type_id: u32,
    format: Format,
    /// The column that a rule names, where it is that: schema, table, name.
    ruled: Option<[Box<str>; 3]>,
    /// Whether it is shown to nobody.
    is_hidden: bool,
}

impl Own {
    fn column(&self) -> Column<'_> {
        let [schema, table, name] = self.ruled.as_ref().map_or([""; 3], |names| names.each_ref().map(|name| &**name));
        Column { schema, table, name, label: &self.name, kind: kind_of(self.type_id) }
    }
}

impl Columns {
    /// Those that the server has described.
    pub(crate) fn of(description: &RowDescription) -> Self {
        let own = description.columns.iter().map(|column| Own {
            name: String::from_utf8_lossy(&column.name).into_owned(),
            type_id: column.type_id,
            format: column.format,
            ruled: None,
            is_hidden: false,
        });
        Self(own.collect())
    }

    /// The same, as far as they may be shown.
    pub(crate) fn guarded(mut self, description: Option<&RowDescription>, guarded: Option<&Guarded>) -> Self {
        let Some(guarded) = guarded else { return self };
        let count = self.0.len();
        for (place, own) in self.0.iter_mut().enumerate() {
            let described = description.and_then(|description| description.columns.get(place));
            let ruled = described.and_then(|column| guarded.ruled(column.table, column.attribute));
            own.is_hidden = ruled.is_none() && !guarded.may_show(place, count);
            own.ruled = ruled.map(|names| names.map(Into::into));
        }
        self
    }

    /// Of rows that nobody has described, in these formats: what is in binary cannot be read, since its type is not known.
    pub(crate) fn unknown(count: usize, formats: &[Format]) -> Self {
        let format = |place| crate::frontend::format_at(formats, place);
        let type_id = |place| if format(place) == Format::Text { TEXT } else { 0 };
        Self(
            (0..count)
                .map(|place| Own {
                    name: String::new(),
                    type_id: type_id(place),
                    format: format(place),
                    ruled: None,
                    is_hidden: false,
                })
                .collect(),
        )
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    fn is_hidden(&self, place: usize) -> bool {
        self.0.get(place).is_none_or(|own| own.is_hidden)
    }

    /// Type and format of a cell.
    fn form(&self, place: usize) -> (u32, Format) {
        self.0.get(place).map_or((0, Format::Binary), |own| (own.type_id, own.format))
    }
}

/// `text`
const TEXT: u32 = 25;

/// What may stand in the place of a value of this type.
const fn kind_of(type_id: u32) -> ColumnKind {
    match type_id {
        // bpchar, varchar, text, name, char, unknown, xml, citext has an id of its own in each database
        1042 | 1043 | 25 | 19 | 18 | 705 | 142 => ColumnKind::Text,
        // int8, int2, int4, oid, float4, float8, numeric
        20 | 21 | 23 | 26 | 700 | 701 | 1700 => ColumnKind::Number,
        // json, jsonb
        114 | 3802 => ColumnKind::Json,
        _ => ColumnKind::Other,
    }
}

impl Batch {
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether there are rows, which have the columns that were told before them.
    pub(crate) fn has_rows(&self) -> bool {
        self.messages.iter().any(|(message, _)| matches!(message, BackendMessage::DataRow(_)))
    }

    pub(crate) const fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(crate) fn describe(&mut self, columns: Columns) {
        self.columns = columns;
    }

    pub(crate) fn push(&mut self, message: BackendMessage, frame: Frame) {
        self.bytes += frame.bytes().len();
        self.messages.push((message, frame));
    }

    /// Takes what is there; rows that follow have the same columns.
    pub(crate) fn take(&mut self) -> Self {
        let columns = self.columns.clone();
        std::mem::replace(self, Self { columns, ..Self::default() })
    }
}

impl Table for Batch {
    fn columns(&self) -> Vec<Column<'_>> {
        let own = self.columns.0.iter();
        own.map(Own::column).collect()
    }

    fn len(&self) -> usize {
        self.messages.len()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn line(&self, index: usize) -> Line<'_> {
        let Some((message, _)) = self.messages.get(index) else { return Line::Mark };
        let text = |bytes: &'_ Bytes| -> Cow<'_, [u8]> { Cow::Owned(bytes.to_vec()) };
        match message {
            BackendMessage::RowDescription(description) => {
                Line::Heads(description.columns.iter().map(|column| Cow::Borrowed(&*column.name)).collect())
            }
            BackendMessage::DataRow(cells) => {
                let values = cells.cells().enumerate().map(|(place, cell)| match cell {
                    None => Value::Null,
                    Some(_) if self.columns.is_hidden(place) => Value::Unreadable,
                    Some(value) => read(self.columns.form(place), value),
                });
                Line::Row(values.collect())
            }
            BackendMessage::CopyData(line) => Line::Text(Cow::Borrowed(line)),
            BackendMessage::CommandComplete(tag) => Line::Said("done", vec![("tag", text(&tag.0))]),
            BackendMessage::ErrorResponse(notice) => Line::Said("error", fields(notice)),
            BackendMessage::NoticeResponse(notice) => Line::Said("notice", fields(notice)),
            BackendMessage::ParameterStatus(status) => {
                Line::Said("setting", vec![("name", text(&status.name)), ("value", text(&status.value))])
            }
            BackendMessage::NotificationResponse(told) => {
                Line::Said("notification", vec![("channel", text(&told.channel)), ("payload", text(&told.payload))])
            }
            _ => Line::Mark,
        }
    }

    fn encode(&self, index: usize, cells: &[Cell], out: &mut BytesMut) {
        let Some((message, frame)) = self.messages.get(index) else { return };
        if cells.iter().all(|cell| *cell == Cell::Same) {
            out.extend_from_slice(frame.bytes());
            return;
        }
        let start = out.len();
        let now = |place: usize, was: &Bytes| match cells.get(place) {
            Some(Cell::Text(text)) => text.clone(),
            Some(Cell::Null) => Bytes::new(),
            Some(Cell::Same) | None => was.clone(),
        };
        let encoded = match message {
            BackendMessage::DataRow(row) => {
                let cells = cells.iter().enumerate();
                row.rewritten(cells.map(|(place, cell)| changed(self.columns.form(place), cell)), out)
            }
            BackendMessage::RowDescription(description) => {
                let mut description = description.clone();
                for (place, column) in description.columns.iter_mut().enumerate() {
                    column.name = without_nul(now(place, &column.name));
                }
                BackendMessage::RowDescription(description).encode(out)
            }
            BackendMessage::CopyData(line) => {
                // A line of COPY has to end, whatever is put in its place.
                let mut masked = now(0, line).to_vec();
                if line.ends_with(b"\n") && !masked.ends_with(b"\n") {
                    masked.push(b'\n');
                }
                BackendMessage::CopyData(masked.into()).encode(out)
            }
            BackendMessage::ErrorResponse(notice) => BackendMessage::ErrorResponse(masked(notice, cells)).encode(out),
            BackendMessage::NoticeResponse(notice) => BackendMessage::NoticeResponse(masked(notice, cells)).encode(out),
            BackendMessage::CommandComplete(tag) => {
                let tag = crate::backend::CommandTag(without_nul(now(0, &tag.0)));
                BackendMessage::CommandComplete(tag).encode(out)
            }
            BackendMessage::ParameterStatus(status) => {
                let mut status = status.clone();
                status.value = without_nul(now(1, &status.value));
                BackendMessage::ParameterStatus(status).encode(out)
            }
            BackendMessage::NotificationResponse(told) => {
                let mut told = told.clone();
                told.channel = without_nul(now(0, &told.channel));
                told.payload = without_nul(now(1, &told.payload));
                BackendMessage::NotificationResponse(told).encode(out)
            }
            _ => Ok(()),
        };
        if let Err(error) = encoded {
            tracing::error!(%error, "a masked message cannot be written, so it is left out");
            out.truncate(start);
        }
    }
}

/// What the protocol has as strings ends at a zero byte.
fn without_nul(text: Bytes) -> Bytes {
    if text.contains(&0) { text.iter().copied().filter(|byte| *byte != 0).collect() } else { text }
}

/// A cell in the form that its column has; null where what was put in its place is no value of its type.
fn changed((type_id, format): (u32, Format), cell: &Cell) -> row::Cell {
    match (cell, format) {
        (Cell::Same, _) => row::Cell::Same,
        (Cell::Null, _) => row::Cell::Null,
        (Cell::Text(text), Format::Text) => row::Cell::New(text.clone()),
        (Cell::Text(text), Format::Binary) => {
            let written = std::str::from_utf8(text).ok().and_then(|text| {
                let known = value::from_text(type_id, format, text);
                known.or_else(|| is_unknown(type_id).then(|| Bytes::copy_from_slice(text.as_bytes())))
            });
            written.map_or(row::Cell::Null, row::Cell::New)
        }
    }
}

/// What a cell says. What is of a type of the server's own in binary is read as text if it is one: such are enumerations
/// and most extensions' texts.
fn read((type_id, format): (u32, Format), bytes: &[u8]) -> Value<'_> {
    if format == Format::Text {
        return Value::Text(Cow::Borrowed(bytes));
    }
    match value::to_text(type_id, format, bytes) {
        Some(Cow::Borrowed(text)) => Value::Text(Cow::Borrowed(text.as_bytes())),
        Some(Cow::Owned(text)) => Value::Text(Cow::Owned(text.into_bytes())),
        None if is_unknown(type_id) && is_text(bytes) => Value::Text(Cow::Borrowed(bytes)),
        None => Value::Unreadable,
    }
}

/// Whether a type is none of PostgreSQL's own (`FirstNormalObjectId`).
const fn is_unknown(type_id: u32) -> bool {
    type_id >= 16_384
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// The fields of an error that may hold values, with what the record calls them.
const TOLD: [(u8, &str); 14] = [
    (field::SEVERITY_PLAIN, "severity"),
    (field::CODE, "code"),
    (field::MESSAGE, "message"),
    (field::DETAIL, "detail"),
    (field::HINT, "hint"),
    (field::POSITION, "position"),
    (field::INTERNAL_QUERY, "query"),
    (field::WHERE, "where"),
    (field::SCHEMA, "schema"),
    (field::TABLE, "table"),
    (field::COLUMN, "column"),
    (field::DATA_TYPE, "type"),
    (field::CONSTRAINT, "constraint"),
    (field::INTERNAL_POSITION, "internal_position"),
];

/// All fields that are told of; those that nobody knows are kept from everybody.
fn told_fields(notice: &Notice) -> impl Iterator<Item = (u8, &'static str, &Bytes)> {
    notice.fields().iter().filter_map(|(letter, text)| {
        let (_, name) = TOLD.iter().find(|(known, _)| known == letter)?;
        Some((*letter, *name, text))
    })
}

fn fields(notice: &Notice) -> Vec<(&'static str, Cow<'_, [u8]>)> {
    told_fields(notice).map(|(_, name, text)| (name, Cow::Borrowed(&**text))).collect()
}

fn masked(notice: &Notice, cells: &[Cell]) -> Notice {
    let fields = told_fields(notice).zip(cells).filter_map(|((letter, _, text), cell)| match cell {
        Cell::Same => Some((letter, text.clone())),
        Cell::Text(text) => Some((letter, without_nul(text.clone()))),
        Cell::Null => None,
    });
    // Clients read the severity of old (`S`), which is in the language of the session.
    let severity = notice.fields().iter().find(|(letter, _)| *letter == field::SEVERITY_PLAIN).cloned();
    let old = severity.map(|(_, severity)| (field::SEVERITY, severity));
    Notice::of(old.into_iter().chain(fields).collect())
}
