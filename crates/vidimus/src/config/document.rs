//! The text of a configuration file, and problems that point into it.
//!
//! A problem is shown as `file:line:column`, with the line and a caret. The line may hold a secret that was written
//! where a reference belongs, so what stands right of the problem is left out, and the value of every refused
//! secret and unknown key is struck out wherever its line is shown.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use crate::output::{counted, printable};
use crate::problem::Problem;

/// Lines longer than this are not shown, only named.
const MAX_SHOWN_LINE: usize = 200;
/// Stands for what is not shown.
const STRUCK: &str = "…";

/// One thing wrong with a configuration, by its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    /// Where in the text, in bytes.
    span: Range<usize>,
    /// What is wrong.
    message: String,
    /// What to do about it.
    help: Option<String>,
}

/// A configuration file being read. Collects problems, so that one run shows all of them.
#[derive(Debug)]
pub(crate) struct Document {
    path: PathBuf,
    text: String,
    faults: RefCell<Vec<Fault>>,
    struck: RefCell<Vec<Range<usize>>>,
}

impl Document {
    pub(crate) fn new(path: &Path, text: String) -> Self {
        Self { path: path.to_owned(), text, faults: RefCell::default(), struck: RefCell::default() }
    }

    /// The tables and values with their places. Syntax errors become problems, and then there is nothing more to say.
    pub(super) fn parse(&self) -> Option<Spanned<DeTable<'_>>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            self.strike_value(span.start);
            self.problem(span, error.message().replace('\n', ", "), None);
        }
        errors.is_empty().then_some(table)
    }

    /// Notes a problem at `span`.
    pub(super) fn problem(&self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.faults.borrow_mut().push(Fault { span, message: message.into(), help });
    }

    /// Never shows what stands at `span`.
    pub(super) fn strike(&self, span: Range<usize>) {
        self.struck.borrow_mut().push(span);
    }

    /// Never shows the value on the line of `place`: where the syntax is broken, an unquoted secret may stand.
    fn strike_value(&self, place: usize) {
        let (start, end) = self.line_at(place);
        let line = self.text.get(start..end).unwrap_or_default();
        if !line.trim_start().starts_with('[') {
            self.strike(start + line.find('=').map_or(0, |equals| equals + 2).min(line.len())..end);
        }
    }

    /// The bounds of the line that `place` is on.
    fn line_at(&self, place: usize) -> (usize, usize) {
        let place = self.text.floor_char_boundary(place);
        let (before, after) = self.text.split_at(place);
        let end = after.find('\n').map_or(self.text.len(), |at| place + at);
        (before.rfind('\n').map_or(0, |at| at + 1), end)
    }

    /// A path as it is meant: relative to the directory of the configuration.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The problems in the order of the file.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let problem = |fault: &Fault| {
            let (line, column) = self.place(fault.span.start);
            Problem {
                place: Some(format!("{}:{line}:{column}", printable(&self.path.display().to_string()))),
                message: printable(&fault.message),
                help: fault.help.as_deref().map(printable),
            }
        };
        self.sorted().iter().map(problem).collect()
    }

    /// The problems as text with the lines they are on, in the order of the file; none when there are none.
    pub(crate) fn report(&self) -> Option<String> {
        let faults = self.sorted();
        let mut report = String::new();
        for fault in &faults {
            self.show(fault, &mut report);
        }
        let _ = writeln!(
            report,
            "{} in {}",
            counted(faults.len() as u64, "problem"),
            printable(&self.path.display().to_string())
        );
        (!faults.is_empty()).then_some(report)
    }

    fn sorted(&self) -> Vec<Fault> {
        let mut faults = self.faults.borrow().clone();
        faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
        faults
    }

    /// Line and column, from 1, of a place in the text.
    fn place(&self, place: usize) -> (usize, usize) {
        let place = self.text.floor_char_boundary(place);
        let (line_start, _) = self.line_at(place);
        let line = self.text.get(..line_start).unwrap_or_default().matches('\n').count() + 1;
        (line, self.text.get(line_start..place).unwrap_or_default().chars().count() + 1)
    }

    fn show(&self, fault: &Fault, out: &mut String) {
        let start = self.text.floor_char_boundary(fault.span.start);
        let (line_start, line_end) = self.line_at(start);
        let (line_number, column) = self.place(start);
        let path = printable(&self.path.display().to_string());
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{path}:{line_number}:{column}: {}", printable(&fault.message));
        let (line, caret) = self.quote(line_start..line_end, start, fault.span.end);
        if !line.trim().is_empty() && line.chars().count() <= MAX_SHOWN_LINE {
            let number = line_number.to_string();
            let margin = " ".repeat(number.len());
            let _ = writeln!(out, "{margin} |\n{number} | {line}\n{margin} | {caret}");
        }
        if let Some(help) = &fault.help {
            let _ = writeln!(out, "  = help: {}", printable(help));
        }
        out.push('\n');
    }

    /// The line as far as it may be shown, and the carets below it.
    fn quote(&self, line: Range<usize>, start: usize, end: usize) -> (String, String) {
        let end = self.text.floor_char_boundary(end.clamp(start, line.end));
        let marked = self.visible(start..end);
        let mut before = self.visible(line.start..start);
        if marked.starts_with(STRUCK) {
            before.truncate(before.trim_end_matches(STRUCK).len());
        }
        let cut = self.text.get(end..line.end).is_some_and(|after| !after.trim().is_empty());
        let caret = " ".repeat(before.chars().count()) + &"^".repeat(marked.chars().count().max(1));
        (format!("{before}{marked}{}", if cut { " …" } else { "" }), caret)
    }

    /// The text at `range`, on one line, without what was struck out.
    fn visible(&self, range: Range<usize>) -> String {
        let struck = self.struck.borrow();
        let mut shown = String::new();
        let mut in_struck = false;
        for (at, character) in self.text.get(range.clone()).unwrap_or_default().char_indices() {
            let place = range.start + at;
            let is_struck = struck.iter().any(|span| span.contains(&place));
            if !is_struck {
                shown.push(if character == '\t' { ' ' } else { character });
            } else if !in_struck {
                shown.push_str(STRUCK);
            }
            in_struck = is_struck;
        }
        printable(&shown)
    }
}
