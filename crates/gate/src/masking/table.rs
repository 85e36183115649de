//! Tables, masked cell by cell for the record and for the client.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError};

use bytes::{Bytes, BytesMut};
use vidimus_core::canonical::write_string;
use vidimus_core::event::Masking as Found;
use vidimus_mask::{Cell, ClassSet, Column, ColumnKind, MaskError, Memory, Scope, Tally};

use super::{Masked, Masking, SessionMemory, Unmaskable, failed, with_memory};
use crate::table::{Line, Table, Value};

/// Tables of so many messages are masked where they arrive.
const INLINE_MESSAGES: usize = 256;

/// A table for the record and for the client.
#[derive(Debug)]
pub(crate) struct MaskedTable {
    pub(crate) masked: Masked,
    /// Where each line of the record ends, and whether it is a row.
    pub(crate) lines: Vec<(usize, bool)>,
}

/// A text that no column is known of.
const TEXT: Column<'static> = Column { schema: "", table: "", name: "", label: "", kind: ColumnKind::Text };

impl Masking {
    /// Masks a table, except for the client what is `revealed`.
    pub(crate) async fn table(
        &self,
        memory: &SessionMemory,
        table: Arc<dyn Table>,
        revealed: ClassSet,
    ) -> Result<MaskedTable, Unmaskable> {
        // A session's memory that is in use is waited for on another thread, never here.
        if table.len() <= INLINE_MESSAGES
            && let Ok(mut memory) = memory.0.try_lock()
        {
            return with_memory(&mut memory, |memory| self.masked_table(memory, &*table, &revealed));
        }
        let (masking, memory) = (self.clone(), memory.clone());
        let masked = tokio::task::spawn_blocking(move || {
            let mut memory = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
            with_memory(&mut memory, |memory| masking.masked_table(memory, &*table, &revealed))
        });
        masked.await.map_err(|error| failed(&error))?
    }

    fn masked_table(
        &self,
        memory: &mut Memory,
        table: &dyn Table,
        revealed: &ClassSet,
    ) -> Result<MaskedTable, Unmaskable> {
        let unmaskable = |error: MaskError| Unmaskable::Failed(error.to_string());
        let columns = table.columns();
        let (mut recorded, mut shown) = (Vec::with_capacity(table.bytes()), BytesMut::with_capacity(table.bytes()));
        let mut lines = Vec::with_capacity(table.len());
        let mut found = Found::default();
        let mut work = Work { masking: self, memory, columns: &columns };
        for index in 0..table.len() {
            let line = table.line(index);
            let mut tally = Tally::default();
            let cells = work.cells(&line, &ClassSet::EMPTY, &mut tally).map_err(unmaskable)?;
            let is_row = matches!(line, Line::Row(_) | Line::Text(_));
            write_line(&mut recorded, &line, &cells);
            if lines.last().is_none_or(|(end, _)| *end < recorded.len()) && !recorded.is_empty() {
                lines.push((recorded.len(), is_row));
            }
            let mut here = Found { masked: self.named(tally.masked.iter()), ..Found::default() };
            if tally.masked.keys().any(|class| revealed.contains(*class)) {
                let mut seen = Tally::default();
                let cells = work.cells(&line, revealed, &mut seen).map_err(unmaskable)?;
                here.revealed = self.named(seen.revealed.iter());
                table.encode(index, &cells, &mut shown);
            } else {
                table.encode(index, &cells, &mut shown);
            }
            if !tally.masked.is_empty() {
                found.add(&here);
            }
        }
        let (recorded, shown) = (Bytes::from(recorded), shown.freeze());
        Ok(MaskedTable { masked: Masked { recorded, shown, found }, lines })
    }
}

/// What cells are masked with.
struct Work<'a> {
    masking: &'a Masking,
    memory: &'a mut Memory,
    columns: &'a [Column<'a>],
}

impl Work<'_> {
    fn cells(&mut self, line: &Line<'_>, revealed: &ClassSet, tally: &mut Tally) -> Result<Vec<Cell>, MaskError> {
        match line {
            Line::Mark => Ok(Vec::new()),
            Line::Text(text) => self.texts(std::iter::once(&**text), revealed, tally),
            Line::Heads(names) => self.texts(names.iter().map(|name| &**name), revealed, tally),
            Line::Said(_, fields) => self.texts(fields.iter().map(|(_, text)| &**text), revealed, tally),
            Line::Row(values) => {
                let cells: Vec<Option<&[u8]>> = values.iter().map(text).collect();
                let mut masked = self.row(self.columns, &cells, revealed, tally)?;
                for (cell, value) in masked.iter_mut().zip(values) {
                    if *value == Value::Unreadable {
                        *cell = Cell::Null;
                    }
                }
                Ok(masked)
            }
        }
    }

    fn texts<'t>(
        &mut self,
        texts: impl Iterator<Item = &'t [u8]>,
        revealed: &ClassSet,
        tally: &mut Tally,
    ) -> Result<Vec<Cell>, MaskError> {
        let cells: Vec<Option<&[u8]>> = texts.map(Some).collect();
        self.row(&vec![TEXT; cells.len()], &cells, revealed, tally)
    }

    fn row(
        &mut self,
        columns: &[Column<'_>],
        cells: &[Option<&[u8]>],
        revealed: &ClassSet,
        tally: &mut Tally,
    ) -> Result<Vec<Cell>, MaskError> {
        let masker = &self.masking.0;
        masker.row(columns, cells, &Scope::new(revealed, masker.fields()), self.memory, tally)
    }
}

const fn text<'a>(value: &'a Value<'_>) -> Option<&'a [u8]> {
    match value {
        Value::Text(Cow::Borrowed(text)) => Some(text),
        Value::Text(Cow::Owned(text)) => Some(text.as_slice()),
        Value::Null | Value::Unreadable => None,
    }
}

/// Writes a message of a table as a line of JSON, with these cells in the place of its own.
fn write_line(out: &mut Vec<u8>, line: &Line<'_>, cells: &[Cell]) {
    match line {
        Line::Mark => return,
        Line::Row(values) => write_array(out, values.iter().map(text), cells),
        Line::Text(text) => write_array(out, std::iter::once(Some(&**text)), cells),
        Line::Heads(names) => {
            out.extend_from_slice(b"{\"columns\":");
            write_array(out, names.iter().map(|name| Some(&**name)), cells);
            out.push(b'}');
        }
        Line::Said(name, fields) => {
            out.push(b'{');
            write_string(out, name);
            out.push(b':');
            let mut separator = b'{';
            for ((field, text), cell) in fields.iter().zip(cells) {
                out.push(separator);
                write_string(out, field);
                out.push(b':');
                write_cell(out, Some(text), cell);
                separator = b',';
            }
            out.extend_from_slice(if fields.is_empty() { b"{}}" } else { b"}}" });
        }
    }
    out.push(b'\n');
}

fn write_array<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = Option<&'a [u8]>>, cells: &[Cell]) {
    out.push(b'[');
    for (index, (text, cell)) in texts.zip(cells).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_cell(out, text, cell);
    }
    out.push(b']');
}

fn write_cell(out: &mut Vec<u8>, text: Option<&[u8]>, cell: &Cell) {
    let now = match (cell, text) {
        (Cell::Text(masked), _) => Some(&**masked),
        (Cell::Same, text) => text,
        (Cell::Null, _) => None,
    };
    match now {
        None => out.extend_from_slice(b"null"),
        Some(text) => write_string(out, &String::from_utf8_lossy(text)),
    }
}
