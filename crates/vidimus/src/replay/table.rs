//! Rows of a result in aligned columns, as `psql` shows them.

use std::io::{self, Write};

use super::cell;

/// Rows under the names of their columns.
#[derive(Debug, Default)]
pub(super) struct Rows {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// No rows yet.
    pub(super) fn new(names: &[String]) -> Self {
        Self { names: names.iter().map(|name| cell::shown(Some(name))).collect(), rows: Vec::new() }
    }

    pub(super) fn push(&mut self, cells: &[Option<String>]) {
        self.rows.push(cells.iter().map(|text| cell::shown(text.as_deref())).collect());
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Names and rows.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths: Vec<usize> = Vec::new();
        for row in self.rows.iter().chain([&self.names]) {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        // A row that has more cells than there are names still shows all of them.
        let names = (0..widths.len()).map(|place| self.names.get(place).map_or("", String::as_str));
        let names: Vec<String> = names.zip(&widths).map(|(name, &width)| format!(" {name:^width$} ")).collect();
        writeln!(out, "{}", names.join("|").trim_end())?;
        let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width + 2)).collect();
        writeln!(out, "{}", rules.join("+"))?;
        for row in &self.rows {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:width$} ")).collect();
            writeln!(out, "{}", cells.join("|").trim_end())?;
        }
        Ok(())
    }

    /// How many rows there are.
    pub(super) fn write_count(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "({} row{})", self.rows.len(), if self.rows.len() == 1 { "" } else { "s" })
    }
}
