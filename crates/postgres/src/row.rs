//! Rows and their columns (`RowDescription`, `DataRow`), and rows made anew.
//!
//! A [`DataRow`] is looked over once when it is read, and its cells are places in its bytes. [`DataRow::rewritten`] makes
//! the message with some cells replaced, in one pass.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::error::{Peer, Problem, ProtocolError};
use crate::frame::{HEADER_BYTES, LENGTH_BYTES};
use crate::read::{Cursor, Format};
use crate::write::{Body, message};

/// A count of cells.
const COUNT_BYTES: usize = 2;
/// The length of a cell that is NULL.
const NULL: i32 = -1;

/// The columns of rows, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowDescription {
    /// The columns.
    pub columns: Vec<ColumnDescription>,
}

/// One column, as `RowDescription` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    /// Its name in the result.
    pub name: Bytes,
    /// `pg_class.oid` of the table it is a column of; 0 if it is none's.
    pub table: u32,
    /// `pg_attribute.attnum` in that table; 0 if it is none's.
    pub attribute: i16,
    /// `pg_type.oid`; of a domain, its base type's.
    pub type_id: u32,
    /// `pg_type.typlen`: bytes, or negative for a length that varies.
    pub type_size: i16,
    /// `pg_attribute.atttypmod`.
    pub type_modifier: i32,
    /// How the cells are written; text where a statement is described before it is bound.
    pub format: Format,
}

impl RowDescription {
    pub(crate) fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        let count = body.u16()?;
        let columns = (0..count).map(|_| {
            Ok(ColumnDescription {
                name: body.string()?,
                table: body.u32()?,
                attribute: body.i16()?,
                type_id: body.u32()?,
                type_size: body.i16()?,
                type_modifier: body.i32()?,
                format: body.format()?,
            })
        });
        Ok(Self { columns: columns.collect::<Result<_, _>>()? })
    }

    pub(crate) fn write(&self, body: &mut Body<'_>) {
        body.count(self.columns.len());
        for column in &self.columns {
            body.string(&column.name);
            body.u32(column.table);
            body.i16(column.attribute);
            body.u32(column.type_id);
            body.i16(column.type_size);
            body.i32(column.type_modifier);
            body.format(column.format);
        }
    }

    /// The same columns in these formats (`Bind`): none for all text, one for all, or one each.
    #[must_use]
    pub fn in_formats(&self, formats: &[Format]) -> Self {
        let columns = self.columns.iter().enumerate().map(|(place, column)| ColumnDescription {
            format: crate::frontend::format_at(formats, place),
            ..column.clone()
        });
        Self { columns: columns.collect() }
    }
}

/// A row: its count of cells, and the cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataRow {
    /// The message's body.
    body: Bytes,
    count: u16,
}

/// What becomes of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// It stays as it is.
    Same,
    /// It becomes NULL.
    Null,
    /// It becomes this.
    New(Bytes),
}

impl DataRow {
    pub(crate) fn read(body: &mut Cursor) -> Result<Self, ProtocolError> {
        let bytes = body.rest();
        let malformed = |what| Err(body.malformed(what));
        let Some((count, mut rest)) = bytes.split_first_chunk::<COUNT_BYTES>() else {
            return malformed("it ends too early");
        };
        let count = u16::from_be_bytes(*count);
        for _ in 0..count {
            let Some((_, after)) = split_cell(rest) else {
                return malformed("a cell has no length, a negative one, or one beyond the message");
            };
            rest = after;
        }
        if !rest.is_empty() {
            return malformed("bytes follow what belongs to it");
        }
        Ok(Self { body: bytes, count })
    }

    /// A row of these cells; none is NULL.
    pub fn of<'a>(cells: impl IntoIterator<Item = Option<&'a [u8]>>) -> Result<Self, ProtocolError> {
        let mut body = BytesMut::from(&[0; COUNT_BYTES][..]);
        let mut count = 0_usize;
        for cell in cells {
            count += 1;
            put_cell(&mut body, cell)?;
        }
        let Ok(count) = u16::try_from(count) else {
            return Err(too_long(count, usize::from(u16::MAX)));
        };
        if let Some(place) = body.first_chunk_mut::<COUNT_BYTES>() {
            *place = count.to_be_bytes();
        }
        Ok(Self { body: body.freeze(), count })
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The message's body.
    pub fn as_bytes(&self) -> &Bytes {
        &self.body
    }

    /// The cells in order; none is NULL.
    pub fn cells(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = self.body.get(COUNT_BYTES..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (cell, after) = split_cell(rest)?;
            rest = after;
            Some(cell)
        })
    }

    /// Appends the message with cells replaced as `cells` says, in their order; those it says nothing of stay.
    pub fn rewritten(&self, cells: impl IntoIterator<Item = Cell>, out: &mut BytesMut) -> Result<(), ProtocolError> {
        let start = out.len();
        out.reserve(self.body.len() + HEADER_BYTES);
        out.put_u8(b'D');
        out.put_u32(0);
        out.put_u16(self.count);
        let mut changes = cells.into_iter();
        for cell in self.cells() {
            let put = match changes.next() {
                None | Some(Cell::Same) => put_cell(out, cell),
                Some(Cell::Null) => put_cell(out, None),
                Some(Cell::New(new)) => put_cell(out, Some(&new)),
            };
            if let Err(error) = put {
                out.truncate(start);
                return Err(error);
            }
        }
        let length = out.len() - start - 1;
        let place = out.get_mut(start + 1..start + 1 + LENGTH_BYTES);
        if let (Ok(word), Some(place)) = (i32::try_from(length), place) {
            place.copy_from_slice(&word.to_be_bytes());
            return Ok(());
        }
        out.truncate(start);
        Err(too_long(length, MAX_LENGTH))
    }

    /// Appends the message as it is.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), ProtocolError> {
        message(out, (Some(b'D'), "DataRow"), Peer::Server, |body| body.raw(&self.body))
    }
}

/// The longest message and the longest cell: lengths are signed.
const MAX_LENGTH: usize = 0x7FFF_FFFF;

fn too_long(length: usize, limit: usize) -> ProtocolError {
    let length = length.try_into().unwrap_or(u64::MAX);
    ProtocolError::new(Peer::Server, Problem::TooLong { message: "DataRow", length, limit })
}

fn put_cell(out: &mut BytesMut, cell: Option<&[u8]>) -> Result<(), ProtocolError> {
    let Some(cell) = cell else {
        out.put_i32(NULL);
        return Ok(());
    };
    out.put_i32(i32::try_from(cell.len()).map_err(|_| too_long(cell.len(), MAX_LENGTH))?);
    out.put_slice(cell);
    Ok(())
}

/// A cell, and what follows it.
fn split_cell(rest: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    match i32::from_be_bytes(*length) {
        NULL => Some((None, rest)),
        length => rest.split_at_checked(usize::try_from(length).ok()?).map(|(cell, rest)| (Some(cell), rest)),
    }
}

#[cfg(test)]
mod tests;
