//! The walk over a JSON text: every key, string and number once, in order, with the keys that lead to it.
//!
//! It works on the bytes alone, keeps a stack of its own, and writes output only from the first change on. The text was
//! checked before; whatever is met that contradicts the check ends the walk with an error.

use std::borrow::Cow;
use std::collections::HashMap;

use super::MaskError;
use super::keys::{self, Key, Known, Names, Role};
use super::nested::{MIN_VALUE, Outcome, Value, Work};
use super::syntax::{self, EscapedNames, Quoted};
use crate::class::ClassId;
use crate::engine::Path;
use crate::escapes;
use crate::fields::Step;

/// In the paths of a scope: any one name.
const ANY_NAME: &str = "*";

/// Bytes after a value in which a sibling that names it is looked for.
const MAX_AHEAD: usize = 256;

/// Names of a path, from the innermost, among which those are looked for that say something.
const MAX_NEAR: usize = 8;

/// An open object or array.
#[derive(Debug, Default)]
struct Frame<'d> {
    is_object: bool,
    /// Whether a key of it is on the path.
    has_key: bool,
    /// Where its keys begin among the keys of all open objects.
    first_key: usize,
    /// Where the steps of field rules begin for what is in it.
    root: usize,
    /// All its names so far, once one was masked.
    names: Option<Box<Names>>,
    /// The element that comes next or was last; for the rows of a table and for each of them.
    index: usize,
    table: Table,
    /// Where the names of columns are that a member of it gives.
    columns: Option<usize>,
    /// Where it begins.
    start: usize,
    /// What the key on the path says.
    role: Role,
    /// What members of it call their siblings.
    kind: Option<Cow<'d, str>>,
    name: Option<Cow<'d, str>>,
}

/// What an array is to a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Table {
    #[default]
    None,
    /// Its rows.
    Rows,
    /// A row: its elements are under the columns.
    Row,
}

struct Walk<'w, 'k, 'd> {
    work: &'k mut Work<'w>,
    bytes: &'d [u8],
    at: usize,
    level: usize,
    escaped: std::slice::Iter<'d, (usize, String)>,
    path: Vec<&'d str>,
    /// Names of the path that lead to the document.
    outer: usize,
    steps: Vec<Step<'d>>,
    /// Whether there are field rules: without them, steps are not kept.
    ruled: bool,
    /// Where the steps begin for the next value.
    root: usize,
    frames: Vec<Frame<'d>>,
    /// Insides of all keys of open objects.
    keys: Vec<(usize, usize)>,
    known: Known<'d>,
    /// The columns of the table that was begun last.
    columns: Vec<Cow<'d, str>>,
    /// Where tables say their columns, once rows came before them.
    tables: Option<HashMap<usize, usize>>,
    /// Keys on the path that say nothing of their value.
    wrappers: usize,
    /// What the key says whose value comes next; nothing within an array.
    role: Role,
    decoded: Vec<u8>,
    out: Vec<u8>,
    copied: usize,
}

impl Work<'_> {
    /// Masks JSON that [`syntax::json`] accepted, with the escaped names it gave. `level` strings are around it.
    pub(super) fn json(
        &mut self,
        bytes: &[u8],
        escaped: &EscapedNames,
        path: &Path<'_>,
        level: usize,
    ) -> Result<Option<Vec<u8>>, MaskError> {
        let ruled = !self.scope.fields.is_empty();
        let walk = Walk {
            work: self,
            bytes,
            at: 0,
            level,
            escaped: escaped.iter(),
            path: path.to_vec(),
            outer: path.len(),
            steps: Vec::new(),
            ruled,
            root: 0,
            frames: Vec::new(),
            keys: Vec::new(),
            known: Known::default(),
            columns: Vec::new(),
            tables: None,
            wrappers: 0,
            role: Role::Own,
            decoded: Vec::new(),
            out: Vec::new(),
            copied: 0,
        };
        walk.run()
    }

    /// The class that a rule gives what is at these steps, unless it is to be shown.
    pub(super) fn rule(&mut self, steps: &[Step<'_>]) -> Option<ClassId> {
        if self.scope.fields.is_empty() {
            return None;
        }
        let class = self.scope.fields.at(steps)?;
        (!self.is_revealed(class)).then_some(class)
    }

    /// Whether a class is to be shown, which is counted.
    pub(super) fn is_revealed(&mut self, class: ClassId) -> bool {
        let revealed = self.scope.revealed.contains(class);
        if revealed {
            *self.tally.revealed.entry(class).or_default() += 1;
        }
        revealed
    }
}

impl<'d> Walk<'_, '_, 'd> {
    fn run(mut self) -> Result<Option<Vec<u8>>, MaskError> {
        let mut at_name = false;
        loop {
            self.at = syntax::space_end(self.bytes, self.at);
            match self.bytes.get(self.at) {
                None => break,
                Some(b'"') if at_name => {
                    at_name = false;
                    self.name()?;
                }
                Some(b'"') => self.string()?,
                Some(opening @ (b'{' | b'[')) => {
                    at_name = *opening == b'{';
                    self.open(at_name);
                }
                Some(b'}' | b']') => self.close()?,
                Some(b',') => {
                    self.at += 1;
                    at_name = self.next_member();
                }
                Some(_) => self.scalar()?,
            }
        }
        if self.copied == 0 {
            return Ok(None);
        }
        self.out.extend_from_slice(self.bytes.get(self.copied..).unwrap_or_default());
        Ok(Some(self.out))
    }

    fn open(&mut self, is_object: bool) {
        let mut table = Table::None;
        if !is_object && let Some(around) = self.frames.last_mut() {
            match (self.role, around.table) {
                (Role::Columns, _) => around.columns = Some(self.at),
                (Role::Rows, _) => {
                    let columns = around.columns.take().or_else(|| {
                        let inner = syntax::space_end(self.bytes, self.at + 1);
                        let of_rows = self.bytes.get(inner) == Some(&b'[');
                        if !of_rows {
                            return None;
                        }
                        let tables = self.tables.get_or_insert_with(|| keys::tables(self.bytes));
                        tables.get(&around.start).copied()
                    });
                    if let Some(columns) = columns {
                        self.columns = keys::columns(self.bytes, columns);
                        table = Table::Rows;
                    }
                }
                (_, Table::Rows) => table = Table::Row,
                _ => {}
            }
        }
        let start = self.at;
        self.at += 1;
        self.role = Role::Own;
        let first_key = self.keys.len();
        self.frames.push(Frame { is_object, first_key, root: self.root, table, start, ..Frame::default() });
        if self.ruled && !is_object {
            self.steps.push(Step::Index(0));
        }
    }

    fn close(&mut self) -> Result<(), MaskError> {
        let frame = self.frames.pop().ok_or(MaskError::Document { offset: self.at })?;
        self.at += 1;
        self.keys.truncate(frame.first_key);
        if frame.has_key {
            self.path.pop();
            self.wrappers -= usize::from(frame.role.is_wrapper());
        }
        if self.ruled && (frame.has_key || !frame.is_object) {
            self.steps.pop();
        }
        self.root = self.frames.last().map_or(0, |around| around.root);
        Ok(())
    }

    /// After a comma; whether a name comes next.
    fn next_member(&mut self) -> bool {
        let Some(frame) = self.frames.last_mut() else { return false };
        if !frame.is_object {
            frame.index += 1;
            if let Some(Step::Index(index)) = self.steps.last_mut() {
                *index = frame.index;
            }
        }
        frame.is_object
    }

    /// A name, the colon after it, and what the scope says of the member.
    fn name(&mut self) -> Result<(), MaskError> {
        let start = self.at + 1;
        let (key, end) = self.key(start)?;
        self.at = syntax::space_end(self.bytes, end + 1) + 1;
        let frame = self.frames.last_mut().ok_or(MaskError::Document { offset: start })?;
        self.root = frame.root;
        if std::mem::replace(&mut frame.has_key, true) {
            self.path.pop();
            self.steps.pop();
            self.wrappers -= usize::from(frame.role.is_wrapper());
        }
        frame.role = key.role;
        if !key.is_plain || frame.names.is_some() {
            self.masked_name(key.name, start, end);
        }
        self.keys.push((start, end));
        self.path.push(key.name);
        self.role = key.role;
        self.wrappers += usize::from(key.role.is_wrapper());
        if self.ruled {
            self.steps.push(Step::Key(key.name));
        }
        self.by_scope()
    }

    /// The key whose first byte after the quote is at `start`, and the place of its other quote.
    fn key(&mut self, start: usize) -> Result<(Key<'d>, usize), MaskError> {
        let text = self.bytes.get(start..).unwrap_or_default();
        if let Some(key) = self.known.again(text) {
            return Ok((key, start + key.name.len()));
        }
        let quoted = self.quoted(start)?;
        let end = quoted.end - 1;
        let raw = self.bytes.get(start..end).unwrap_or_default();
        if let Ok(name) = std::str::from_utf8(raw)
            && !quoted.escaped
        {
            return Ok((self.known.key(name), end));
        }
        let decoded = self.escaped.find(|(at, _)| *at == start).ok_or(MaskError::Document { offset: start })?;
        Ok((Key::new(&decoded.1), end))
    }

    /// Masks a name, and keeps the names of the object apart once one was masked.
    fn masked_name(&mut self, name: &str, start: usize, end: usize) {
        let raw = self.bytes.get(start..end).unwrap_or_default();
        let text = if name.is_empty() { raw } else { name.as_bytes() };
        let masked = self.work.as_text(text, &self.path);
        let Some(frame) = self.frames.last_mut() else { return };
        if frame.names.is_none() && masked.is_some() {
            let mut names = Box::<Names>::default();
            for (start, end) in self.keys.get(frame.first_key..).unwrap_or_default() {
                let mut decoded = Vec::new();
                escapes::decode(self.bytes.get(*start..*end).unwrap_or_default(), &mut decoded);
                names.take(decoded);
            }
            frame.names = Some(names);
        }
        let Some(names) = &mut frame.names else { return };
        let changed = masked.is_some();
        let wanted = masked.unwrap_or_else(|| text.to_vec());
        let unique = names.unique(wanted.clone());
        if changed || unique != wanted {
            self.replace(start, end);
            escapes::encode(&unique, &mut self.out);
        }
    }

    /// What the scope says of the member whose value comes next: kept as it is, or a root of field rules.
    fn by_scope(&mut self) -> Result<(), MaskError> {
        let scope = self.work.scope;
        if self.level > 0 || scope.roots.is_empty() && scope.keep.is_empty() {
            return Ok(());
        }
        let own = self.path.get(self.outer..).unwrap_or_default();
        if scope.roots.contains(&own) {
            self.root = self.steps.len();
        }
        let start = syntax::space_end(self.bytes, self.at);
        // What is a protocol's own is a word or a number: whoever puts more there puts data there.
        let is_plain = !matches!(self.bytes.get(start), Some(b'{' | b'['));
        if is_plain && scope.keep.iter().any(|kept| is_at(own, kept)) {
            self.at = syntax::value_end(self.bytes, start).ok_or(MaskError::Document { offset: start })?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), MaskError> {
        let start = self.at + 1;
        let quoted = self.quoted(start)?;
        self.at = quoted.end;
        let raw = self.bytes.get(start..quoted.end - 1).unwrap_or_default();
        if let Role::Names | Role::Kinds = self.role
            && let Some(frame) = self.frames.last_mut()
        {
            let slot = if self.role == Role::Names { &mut frame.name } else { &mut frame.kind };
            if slot.is_none() {
                *slot = keys::decoded(raw, quoted.escaped);
            }
        }
        let ruled = if self.ruled { self.rule() } else { None };
        if ruled.is_none() && raw.len() < MIN_VALUE {
            return Ok(());
        }
        let mut decoded = std::mem::take(&mut self.decoded);
        let text = if quoted.escaped {
            decoded.clear();
            escapes::decode(raw, &mut decoded);
            &decoded
        } else {
            raw
        };
        let value = match ruled {
            Some(class) => Value::Other(self.work.ruled(text, class)),
            None => self.scanned(|work, path, level| work.value(text, path, level))?,
        };
        let outcome = match value {
            Value::Part(part) => {
                self.replace(start, quoted.end - 1);
                self.work.write_part(&part, text, &mut self.out);
                Outcome::Same
            }
            Value::Other(outcome) => outcome,
        };
        self.decoded = decoded;
        match outcome {
            Outcome::Same => {}
            Outcome::Null => {
                self.replace(start - 1, quoted.end);
                self.out.extend_from_slice(b"null");
            }
            Outcome::Text(masked) => {
                self.replace(start, quoted.end - 1);
                escapes::encode(&masked, &mut self.out);
            }
        }
        Ok(())
    }

    /// A number or a literal.
    fn scalar(&mut self) -> Result<(), MaskError> {
        let start = self.at;
        let end = syntax::scalar_end(self.bytes, start);
        self.at = end;
        let lexeme = self.bytes.get(start..end).filter(|lexeme| !lexeme.is_empty());
        let lexeme = lexeme.ok_or(MaskError::Document { offset: start })?;
        let is_number = lexeme.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit());
        let ruled = if self.ruled { self.rule() } else { None };
        let outcome = match ruled {
            Some(class) if is_number => self.work.ruled_number(lexeme, class),
            Some(class) if lexeme != b"null" => {
                *self.work.tally.masked.entry(class).or_default() += 1;
                Outcome::Null
            }
            None if is_number && lexeme.len() >= MIN_VALUE - 1 => {
                self.scanned(|work, path, _| Ok(work.number(lexeme, path)))?
            }
            _ => Outcome::Same,
        };
        if outcome != Outcome::Same {
            self.replace(start, end);
            self.out.extend_from_slice(if let Outcome::Text(number) = &outcome { number } else { b"null" });
        }
        Ok(())
    }

    /// Scans a value under the path that leads to it; where its key says nothing of it, a column or a sibling may.
    fn scanned<T>(
        &mut self,
        scan: impl FnOnce(&mut Work<'_>, &Path<'_>, usize) -> Result<T, MaskError>,
    ) -> Result<T, MaskError> {
        let frame = self.frames.last();
        let is_row = frame.is_some_and(|frame| frame.table == Table::Row);
        if self.wrappers == 0 && !is_row && !self.role.is_wrapper() {
            return scan(self.work, &self.path, self.level);
        }
        let column = frame.filter(|frame| frame.table == Table::Row).and_then(|frame| self.columns.get(frame.index));
        let siblings = match frame.filter(|_| column.is_none() && self.role.is_wrapper()) {
            None => [None, None],
            Some(Frame { kind: None, name: None, .. }) => [self.sibling_ahead(), None],
            Some(frame) => [frame.kind.clone(), frame.name.clone()],
        };
        if self.wrappers == 0 && column.is_none() && siblings == [None, None] {
            return scan(self.work, &self.path, self.level);
        }
        // Only the innermost names count: keys that say nothing make room for those that do.
        let near = self.path.get(self.path.len().saturating_sub(MAX_NEAR)..).unwrap_or_default().iter().copied();
        let near = near.filter(|name| !Role::of(name.as_bytes()).is_wrapper());
        let near: Vec<&str> =
            near.chain(column.into_iter().chain(siblings.iter().flatten()).map(|name| &**name)).collect();
        scan(self.work, &near, self.level)
    }

    /// The string of a member after this one that names it, if it is near.
    fn sibling_ahead(&self) -> Option<Cow<'d, str>> {
        let near = self.bytes.get(..self.bytes.len().min(self.at + MAX_AHEAD))?;
        let mut at = self.at;
        loop {
            at = syntax::space_end(near, at);
            (near.get(at)? == &b',').then_some(())?;
            at = syntax::space_end(near, at + 1);
            let key_start = at + 1;
            let key = syntax::string_end(near, key_start)?;
            at = syntax::space_end(near, key.end) + 1;
            at = syntax::space_end(near, at);
            let start = at;
            at = syntax::value_end(near, start)?;
            let name = keys::decoded(near.get(key_start..key.end - 1)?, key.escaped).unwrap_or_default();
            if matches!(Role::of(name.as_bytes()), Role::Names | Role::Kinds) && near.get(start) == Some(&b'"') {
                let text = near.get(start + 1..at - 1)?;
                return keys::decoded(text, text.contains(&b'\\'));
            }
        }
    }

    fn rule(&mut self) -> Option<ClassId> {
        let steps = self.steps.get(self.root..).unwrap_or_default();
        self.work.rule(steps)
    }

    fn quoted(&self, start: usize) -> Result<Quoted, MaskError> {
        syntax::string_end(self.bytes, start).ok_or(MaskError::Document { offset: start })
    }

    /// Writes everything up to `start`; what stands up to `end` is left out.
    fn replace(&mut self, start: usize, end: usize) {
        if self.out.is_empty() {
            self.out.reserve(self.bytes.len() + self.bytes.len() / 8);
        }
        self.out.extend_from_slice(self.bytes.get(self.copied..start).unwrap_or_default());
        self.copied = end;
    }
}

/// Whether a path is the one that a scope names, in which [`ANY_NAME`] stands for each name.
fn is_at(path: &[&str], named: &[&str]) -> bool {
    path.len() == named.len() && path.iter().zip(named).all(|(name, named)| *named == ANY_NAME || name == named)
}
