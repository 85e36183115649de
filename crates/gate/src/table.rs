//! Results that are tables: messages whose content is cells, each masked as what its column says it is.
//!
//! The adapter reads messages and writes them; what stands in the cells that it writes is the gate's to say. The record has
//! a line of JSON for each message: an array for a row, an object for anything else.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
pub use vidimus_mask::{Cell, Column, ColumnKind};

/// Messages of a result, in the order they came.
pub trait Table: Send + Sync + 'static {
    /// The columns of its rows, in order. All rows of one table have the same.
    fn columns(&self) -> Vec<Column<'_>>;

    /// How many messages there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes they have, or none where that is not known: room for as many is made at once.
    fn bytes(&self) -> usize {
        0
    }

    /// What a message says.
    fn line(&self, index: usize) -> Line<'_>;

    /// Appends a message for the client: the same, with these cells in the place of its own, one for each.
    fn encode(&self, index: usize, cells: &[Cell], out: &mut BytesMut);
}

/// What a message says.
#[derive(Debug)]
pub enum Line<'a> {
    /// The names of the columns of the rows that follow.
    Heads(Vec<Cow<'a, [u8]>>),
    /// One row.
    Row(Vec<Value<'a>>),
    /// One row that is a text, whatever the columns are.
    Text(Cow<'a, [u8]>),
    /// What the target says of the operation, in fields: an error, a remark, how it ended. The name of it, then each field
    /// with its own.
    Said(&'static str, Vec<(&'static str, Cow<'a, [u8]>)>),
    /// A message without content, which is passed on and not recorded by itself.
    Mark,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// Its text.
    Text(Cow<'a, [u8]>),
    /// Something that cannot be read: it is masked, whatever it is.
    Unreadable,
}

/// What a caller sends, as rows of one cell, for the record alone; one row where it cannot be read.
pub(crate) struct Sent(pub(crate) Option<Vec<Bytes>>);

impl Table for Sent {
    fn columns(&self) -> Vec<Column<'_>> {
        vec![Column { schema: "", table: "", name: "", label: "", kind: ColumnKind::Text }]
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(1, Vec::len)
    }

    fn line(&self, index: usize) -> Line<'_> {
        let text = self.0.as_ref().and_then(|rows| rows.get(index));
        Line::Row(vec![text.map_or(Value::Unreadable, |text| Value::Text(Cow::Borrowed(text)))])
    }

    fn encode(&self, _: usize, _: &[Cell], _: &mut BytesMut) {}
}
