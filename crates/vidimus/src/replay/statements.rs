//! Statements of a database, each with the values it was run with and what came of it, in the order in which they were sent.
//!
//! Requests and answers are as `vidimus-postgres` and `vidimus-gate` record them: a request is one object, an answer lines of
//! JSON. What is of another form is shown as it is.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::table::Rows;
use super::{cell, frame};
use crate::api::{Direction, FrameBody, RecordedEnd, Recording, RecordingFrame};
use crate::output::{counted, printable, printable_lines, to_milliseconds};

/// Spaces before all that belongs to a statement.
const INDENT: &str = "    ";
/// Fields of an error that stand in its first line.
const FIRST: [&str; 3] = ["severity", "message", "code"];

/// A statement as the record has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    sql: String,
    /// What it is run with.
    #[serde(default)]
    parameters: Vec<Option<Bound>>,
    /// The types that its client declared for them, which `--json` tells.
    #[serde(default, rename = "types")]
    _types: Vec<u32>,
    /// What was bound in the same batch besides.
    #[serde(default)]
    bound: Vec<Vec<Option<Bound>>>,
    /// What was prepared in the same batch besides.
    #[serde(default)]
    prepared: Vec<String>,
    /// Protected columns that decide which rows come.
    #[serde(default)]
    inferred: Vec<String>,
    /// Rows that it was rewritten to.
    max_rows: Option<i64>,
    /// Whether it was rewritten to write nothing.
    #[serde(default)]
    read_only: bool,
}

/// A value that a statement is run with.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bound {
    Text(String),
    /// Of a type that the gateway does not read: hexadecimal.
    Bytes {
        binary: String,
    },
}

/// Shows statements and their results; payloads that belong to none where they stand.
pub(super) fn write(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let (mut by_intent, mut by_seq) = (BTreeMap::new(), BTreeMap::new());
    for end in &recording.ends {
        by_intent.insert(end.intent, end);
        by_seq.insert(end.seq, end.intent);
    }
    let intent = |frame: &RecordingFrame| match frame.direction {
        Direction::Chunk => Some(frame.seq),
        Direction::Response => by_seq.get(&frame.seq).copied(),
        Direction::Request | Direction::Rewritten | Direction::Log => None,
    };
    let mut asked: BTreeMap<u64, Asked> = BTreeMap::new();
    let mut answers: BTreeMap<u64, Vec<&RecordingFrame>> = BTreeMap::new();
    for frame in &recording.frames {
        if let (Direction::Request, Some(read)) = (frame.direction, read(frame)) {
            asked.insert(frame.seq, read);
        }
        if let Some(intent) = intent(frame) {
            answers.entry(intent).or_default().push(frame);
        }
    }
    let mut described = HashMap::new();
    for frame in &recording.frames {
        if let (Direction::Request, Some(statement)) = (frame.direction, asked.get(&frame.seq)) {
            frame::write_head(frame, out)?;
            write_asked(statement, out)?;
            let answers = answers.get(&frame.seq).map_or(&[][..], Vec::as_slice);
            write_answers(statement, answers, &mut described, out)?;
            write_end(by_intent.get(&frame.seq).copied(), answers.last().copied(), out)?;
        } else if intent(frame).is_none_or(|intent| !asked.contains_key(&intent)) {
            frame::write(frame, out)?;
        }
    }
    Ok(())
}

fn read(frame: &RecordingFrame) -> Option<Asked> {
    let Some(FrameBody::Text(text)) = &frame.body else { return None };
    serde_json::from_str(text).ok()
}

fn write_asked(asked: &Asked, out: &mut impl Write) -> io::Result<()> {
    write_text(&asked.sql, out)?;
    write_values(&asked.parameters, out)?;
    for values in &asked.bound {
        writeln!(out, "{INDENT}also bound:")?;
        write_values(values, out)?;
    }
    for text in &asked.prepared {
        writeln!(out, "{INDENT}also prepared:")?;
        write_text(text, out)?;
    }
    if !asked.inferred.is_empty() {
        let columns = printable(&asked.inferred.join(", "));
        writeln!(out, "{INDENT}which rows come tells of protected columns: {columns}")?;
    }
    if let Some(rows) = asked.max_rows {
        writeln!(out, "{INDENT}limited to {rows} rows")?;
    }
    if asked.read_only {
        writeln!(out, "{INDENT}in a transaction that only reads")?;
    }
    Ok(())
}

fn write_text(text: &str, out: &mut impl Write) -> io::Result<()> {
    printable_lines(text).lines().try_for_each(|line| writeln!(out, "{INDENT}{line}"))
}

fn write_values(values: &[Option<Bound>], out: &mut impl Write) -> io::Result<()> {
    for (number, value) in (1..).zip(values) {
        let value = value.as_ref().map(|value| match value {
            Bound::Text(text) | Bound::Bytes { binary: text } => text.as_str(),
        });
        writeln!(out, "{INDENT}${number} = {}", cell::shown(value))?;
    }
    Ok(())
}

fn write_answers(
    asked: &Asked,
    answers: &[&RecordingFrame],
    described: &mut HashMap<String, Vec<String>>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut answer = Answer { asked, described, rows: None, out };
    for frame in answers {
        match &frame.body {
            Some(FrameBody::Text(text)) => text.lines().try_for_each(|line| answer.line(line))?,
            Some(FrameBody::Base64(_)) => answer.say("not shown: this is no text")?,
            None => answer.say("not kept: the target records sizes only")?,
        }
    }
    answer.end_rows(false)
}

fn write_end(end: Option<&RecordedEnd>, last: Option<&RecordingFrame>, out: &mut impl Write) -> io::Result<()> {
    let Some(RecordedEnd { seq, status, us, reason, .. }) = end else {
        return writeln!(out, "<-- its end is not on record\n");
    };
    let time = last.map(|frame| format!("{} ", to_milliseconds(&frame.time))).unwrap_or_default();
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let took = us.map(|us| format!(" in {}.{:03} ms", us / 1_000, us % 1_000)).unwrap_or_default();
    writeln!(out, "<-- {}\n", printable(&format!("{time}#{seq} {status}{reason}{took}")))
}

/// Shows an answer line by line.
struct Answer<'a, W> {
    asked: &'a Asked,
    /// The names of the columns of texts' results, which are told when a statement is described.
    described: &'a mut HashMap<String, Vec<String>>,
    /// The rows of the result that has begun.
    rows: Option<Rows>,
    out: &'a mut W,
}

impl<W: Write> Answer<'_, W> {
    fn line(&mut self, line: &str) -> io::Result<()> {
        if let Ok(cells) = serde_json::from_str::<Vec<Option<String>>>(line) {
            return self.row(&cells);
        }
        let said = serde_json::from_str::<Map<String, Value>>(line).unwrap_or_default();
        let (Some((name, told)), true) = (said.iter().next(), said.len() == 1) else { return self.say(line) };
        if name == "columns"
            && let Ok(names) = Vec::<Option<String>>::deserialize(told)
        {
            self.end_rows(false)?;
            let names: Vec<String> = names.into_iter().map(Option::unwrap_or_default).collect();
            self.rows = Some(Rows::new(&names));
            self.described.insert(self.asked.sql.clone(), names);
            return Ok(());
        }
        let text = |field: &str| told.get(field).map(plain);
        match (name.as_str(), text("tag"), text("message"), text("rows"), text("sha256")) {
            ("done", Some(tag), ..) => {
                self.end_rows(true)?;
                self.say(&tag)
            }
            ("error" | "notice", _, Some(_), ..) => {
                self.end_rows(false)?;
                self.notice(told)
            }
            ("omitted", .., Some(rows), Some(sum)) => {
                self.end_rows(false)?;
                let rows = rows.parse().map_or_else(|_| format!("{rows} rows"), |rows| counted(rows, "row"));
                self.say(&format!("({rows} left out of the record; SHA-256 of their lines: {sum})"))
            }
            _ => {
                self.end_rows(false)?;
                let fields = told.as_object().into_iter().flatten();
                let fields: Vec<String> = fields.map(|(name, value)| format!("{name} {}", plain(value))).collect();
                self.say(&if fields.is_empty() { line.to_owned() } else { format!("{name}: {}", fields.join(", ")) })
            }
        }
    }

    /// A row of a result; where nothing was told of columns, a line of COPY or a row of a statement that was described before.
    fn row(&mut self, cells: &[Option<String>]) -> io::Result<()> {
        if self.rows.is_none() {
            let known = self.described.get(&self.asked.sql).filter(|names| names.len() == cells.len());
            match (known, cells) {
                (None, [line]) => {
                    let line = line.as_deref().map(|line| line.strip_suffix('\n').unwrap_or(line));
                    return self.say_shown(&cell::shown(line));
                }
                (known, _) => self.rows = Some(Rows::new(known.map_or(&[][..], Vec::as_slice))),
            }
        }
        self.rows.iter_mut().for_each(|rows| rows.push(cells));
        Ok(())
    }

    /// Shows the rows so far; that there are none is known of what has been run to its end, not of what was described.
    fn end_rows(&mut self, is_complete: bool) -> io::Result<()> {
        let Some(rows) = self.rows.take() else { return Ok(()) };
        let mut table = Vec::new();
        rows.write(&mut table)?;
        if is_complete || !rows.is_empty() {
            rows.write_count(&mut table)?;
        }
        String::from_utf8_lossy(&table).lines().try_for_each(|line| writeln!(self.out, "{INDENT}{line}"))
    }

    /// `ERROR:  message (code)`, and below it what else it says.
    fn notice(&mut self, told: &Value) -> io::Result<()> {
        let text = |field: &str| told.get(field).map(plain).unwrap_or_default();
        let [severity, message, code] = FIRST.map(text);
        self.say(&format!("{severity}:  {message} ({code})"))?;
        let fields = told.as_object().into_iter().flatten();
        for (name, value) in fields.filter(|(name, _)| !FIRST.contains(&name.as_str())) {
            self.say(&format!("{}:  {}", name.to_uppercase(), plain(value)))?;
        }
        Ok(())
    }

    /// One line, whole.
    fn say(&mut self, text: &str) -> io::Result<()> {
        self.say_shown(&printable(text))
    }

    fn say_shown(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{INDENT}{text}")
    }
}

/// A text without its quotes; null as nothing.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
