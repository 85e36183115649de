//! What the command line prints: tables, JSON, and text that cannot act on a terminal.
//!
//! Names, arguments and results come from other parties. Control characters in them (escape sequences above all) and
//! characters that reorder text are shown as escapes, never sent to the terminal.

use std::io::{self, Write};

use serde::Serialize;

/// Spaces between the columns of a table.
const GAP: &str = "  ";

/// Writes for as long as somebody reads. A command that goes on for nobody still ends as what it found says: the status
/// of `vidimus log verify | head` is not the reader's to choose.
pub(crate) struct WhileRead<W> {
    to: W,
    is_read: bool,
    is_filter: bool,
}

impl<W: Write> WhileRead<W> {
    /// A filter is told that nobody reads any more.
    pub(crate) const fn new(to: W, is_filter: bool) -> Self {
        Self { to, is_read: true, is_filter }
    }

    fn unless_gone<T>(&mut self, gone: T, write: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if !self.is_read {
            return Ok(gone);
        }
        match write(&mut self.to) {
            Err(error) if !self.is_filter && error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_read = false;
                Ok(gone)
            }
            written => written,
        }
    }
}

impl<W: Write> Write for WhileRead<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_gone(bytes.len(), |to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_gone((), Write::flush)
    }
}

/// Text as a terminal may show it: one line, control and direction-changing characters escaped.
pub(crate) fn printable(text: &str) -> String {
    escape(text, |_| false)
}

/// The same, but line breaks and tabs stay.
pub(crate) fn printable_lines(text: &str) -> String {
    escape(text, |character| matches!(character, '\n' | '\t'))
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if keep(character) || !(character.is_control() || is_invisible(character)) {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

/// Characters that change the order of text, or hide in it: bidirectional controls (UAX #9), zero-width characters,
/// line and paragraph separators, fillers, variation selectors, tags.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// `2026-11-20T23:47:40.123456789Z` up to its seconds.
pub(crate) fn to_seconds(time: &str) -> &str {
    time.get(..19).unwrap_or(time)
}

/// The same up to its milliseconds.
pub(crate) fn to_milliseconds(time: &str) -> &str {
    time.get(..23).unwrap_or(time)
}

/// A time of the evidence without its fraction of a second: RFC 3339, UTC.
pub(crate) fn whole_seconds(time: &str) -> String {
    time.split_once('.').map_or_else(|| printable(time), |(seconds, _)| format!("{}Z", printable(seconds)))
}

/// An argument as a shell takes it for one word.
pub(crate) fn quoted(argument: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte);
    if !argument.is_empty() && argument.bytes().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", printable(argument).replace('\'', r"'\''"))
}

/// A number of things: `1 problem`, `2 problems`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// An error and its causes on one line. A cause that the text before it tells already is not told again.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    let mut shown = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if shown.is_empty() {
            shown = cause;
        } else if !shown.contains(&cause) {
            shown = format!("{shown}: {cause}");
        }
    }
    shown
}

/// Rows of text in aligned columns, under a heading.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    /// Adds a row; its cells are made [`printable`].
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(|cell| printable(cell.as_ref())).collect());
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.rows {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
            writeln!(out, "{}", cells.join(GAP).trim_end())?;
        }
        Ok(())
    }
}

/// Prints a value as indented JSON.
pub(crate) fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// JSON text on many lines. Only white space between tokens changes: numbers, escapes and the order of keys stay as
/// they were recorded. `None` when it is no JSON.
pub(crate) fn indented(text: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut lines = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut characters = text.chars().filter(|character| !character.is_control()).peekable();
    while let Some(character) = characters.next() {
        if in_string {
            lines.push(character);
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
            continue;
        }
        match character {
            ' ' => {}
            '{' | '[' => {
                lines.push(character);
                while characters.next_if_eq(&' ').is_some() {}
                if let Some(close) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    lines.push(close);
                } else {
                    depth += 1;
                    new_line(&mut lines, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut lines, depth);
                lines.push(character);
            }
            ',' => {
                lines.push(',');
                new_line(&mut lines, depth);
            }
            ':' => lines.push_str(": "),
            _ => {
                in_string = character == '"';
                lines.push(character);
            }
        }
    }
    Some(lines)
}

fn new_line(lines: &mut String, depth: usize) {
    lines.push('\n');
    lines.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_for_a_shell_is_one_word() {
        assert_eq!(quoted("/etc/vidimus/vidimus.toml"), "/etc/vidimus/vidimus.toml");
        assert_eq!(quoted("my files/v.toml"), "'my files/v.toml'");
        assert_eq!(quoted("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(quoted(""), "''");
        assert_eq!(whole_seconds("2026-11-21T00:00:00.123456789Z"), "2026-11-21T00:00:00Z");
        assert_eq!(whole_seconds("2026-11-21T00:00:00Z"), "2026-11-21T00:00:00Z");
    }

    #[test]
    fn nothing_reaches_the_terminal_that_acts_on_it() {
        assert_eq!(printable("\u{1b}]0;x\u{7}\r\n\t\u{9b}31m"), "\\u{1b}]0;x\\u{7}\\u{d}\\u{a}\\u{9}\\u{9b}31m");
        assert_eq!(printable("a\u{202e}b\u{200b}c\u{e0041}\u{feff}é日"), "a\\u{202e}b\\u{200b}c\\u{e0041}\\u{feff}é日");
        assert_eq!(printable_lines("a\n\tb\r\u{1b}"), "a\n\tb\\u{d}\\u{1b}");
    }

    #[test]
    fn a_cause_is_told_once() {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = anyhow::Error::new(missing()).context("cannot read x").context("[policy] dir");
        assert_eq!(causes(&error), "[policy] dir: cannot read x: no such file");
        let error = anyhow::Error::new(crate::config::ConfigError::Unreadable { path: "x".into(), source: missing() });
        assert_eq!(causes(&error), "cannot read the configuration x: no such file");
        assert_eq!((counted(0, "problem"), counted(1, "problem")), ("0 problems".to_owned(), "1 problem".to_owned()));
    }

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["WHO", "TARGET"]);
        table.row(["é", "crm"]);
        table.row(["someone", "x\ny"]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "WHO      TARGET\né        crm\nsomeone  x\\u{a}y\n");
    }

    #[test]
    fn indenting_changes_white_space_only() {
        let text =
            "{\"b\": [1.00000000000000000001,\r\n\t9e999, {}, [ ] ],\"a\":\"x, {\\\"y\\\\\" , \"a\":\"\\u001b é\"}";
        let shown = indented(text).unwrap();
        assert_eq!(
            shown,
            "{\n  \"b\": [\n    1.00000000000000000001,\n    9e999,\n    {},\n    []\n  ],\n  \
             \"a\": \"x, {\\\"y\\\\\",\n  \"a\": \"\\u001b é\"\n}"
        );
        assert_eq!(indented("[1"), None);
        assert_eq!(indented("\"a\"").as_deref(), Some("\"a\""));
    }
}
