//! Secrets without a beginning of their own: an identifier, an operator and a value, as in `adafruit_key = "…"`.
//!
//! One Aho-Corasick automaton finds every keyword of every class; behind a keyword one bounded parse finds the value,
//! and the forms of the keyword's classes judge it. No class has an expression of its own, what lies between a keyword
//! and its value is parsed once for all keywords before it, and runs are remembered: text full of keywords costs little
//! more than text without.

mod assigned;
mod general;
mod keyed;

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::{Anchored, Input, MatchKind, dfa};

use self::assigned::{Assigned, Parser};
use super::cut::LOOK_BEHIND;
use super::marks::{MAX_NAME, Marks};
use super::{End, Finding, Scan};
use crate::class::{ClassId, Values};
use crate::error::ConfigError;
use crate::form::{Form, Reader, Reading, Runs, Set};
use crate::selection::Chosen;

/// The score of a value in a class's own form behind its name, of a password and of what looks drawn at random.
const FORM_SCORE: u8 = 80;
const PASSWORD_SCORE: u8 = 65;
const GENERIC_SCORE: u8 = 60;

/// Bytes between a keyword and its operator, at most.
const MAX_TAIL: usize = 25;

/// Keywords up to this long count in lower case, upper case or with a capital only: `etsy` is no part of `SetSysctl`.
const STRICT_CASE: usize = 6;

/// Bytes at the end of an open text that may yet become an identifier with a keyword.
pub(super) const MAX_IDENTIFIER: usize = 64;

/// All keywords of an engine's classes.
#[derive(Debug, Default)]
pub(super) struct Keywords {
    automaton: Option<dfa::DFA>,
    /// By the automaton's patterns.
    rules: Vec<Vec<Rule>>,
    /// The classes of values below a key of a general name.
    general: general::Classes,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    Forms(ClassId, &'static [Form]),
    Password(ClassId),
    Generic(ClassId),
    Read(ClassId, Reader),
}

impl Keywords {
    /// Collects the keywords of all classes that are looked for.
    pub(super) fn new<'c>(classes: impl Iterator<Item = (ClassId, &'c Chosen)>) -> Result<Self, ConfigError> {
        let mut words: Vec<&'static str> = Vec::new();
        let mut rules: Vec<Vec<Rule>> = Vec::new();
        let mut general = general::Classes::default();
        let mut add = |word: &'static str, rule: Rule| {
            if let Some(rules) = words.iter().position(|known| *known == word).and_then(|at| rules.get_mut(at)) {
                rules.push(rule);
            } else {
                words.push(word);
                rules.push(vec![rule]);
            }
        };
        for (id, chosen) in classes.filter(|(_, chosen)| chosen.detect) {
            let rule = match chosen.class.values {
                Values::Forms(forms) => Rule::Forms(id, forms),
                Values::Password => {
                    general.password = Some(id);
                    Rule::Password(id)
                }
                Values::Generic => {
                    general.generic = Some(id);
                    Rule::Generic(id)
                }
            };
            if chosen.behind_names {
                chosen.class.keywords.iter().for_each(|word| add(word, rule));
                chosen.class.anchors.iter().for_each(|(word, reader)| add(word, Rule::Read(id, *reader)));
            }
        }
        let automaton = if words.is_empty() {
            None
        } else {
            let failed = |error: aho_corasick::BuildError| ConfigError::Patterns { why: error.to_string() };
            let built = dfa::Builder::new()
                .match_kind(MatchKind::Standard)
                .ascii_case_insensitive(true)
                .start_kind(aho_corasick::StartKind::Unanchored)
                .build(&words);
            Some(built.map_err(failed)?)
        };
        Ok(Self { automaton, rules, general })
    }

    /// Bytes that the automaton takes.
    pub(super) fn memory(&self) -> usize {
        self.automaton.as_ref().map_or(0, aho_corasick::automaton::Automaton::memory_usage)
    }

    /// Adds all values behind keywords that begin at `from` or later.
    pub(super) fn find(&self, text: &[u8], from: usize, marks: &Marks, end: End, scan: &mut Scan) {
        let Some(automaton) = &self.automaton else { return };
        let Scan { findings, runs, live_from, .. } = scan;
        let parser = Parser::new(text);
        let mut search = Search { text, marks, findings, runs, parser, open_from: text.len() };
        let begin = from.saturating_sub(LOOK_BEHIND);
        let Ok(mut state) = automaton.start_state(Anchored::No) else { return };
        let mut rest = text.get(begin..).unwrap_or_default();
        while let Some((behind, found)) = next_match(automaton, rest, state) {
            (rest, state) = (behind, found);
            let end = text.len() - rest.len();
            for at in 0..automaton.match_len(state) {
                let pattern = automaton.match_pattern(state, at);
                let start = end.saturating_sub(automaton.pattern_len(pattern));
                for rule in self.rules.get(pattern.as_usize()).into_iter().flatten() {
                    search.hit(*rule, start, end);
                }
            }
        }
        if end == End::Open {
            *live_from = (*live_from).min(search.open_from);
        }
    }

    /// Whether a key may say what a whole value below it is: [`Self::find_keyed`] finds nothing below others.
    pub(super) fn may_tell(&self, key: &str) -> bool {
        if keyed::named(self.general, key).is_some() {
            return true;
        }
        let Some(automaton) = &self.automaton else { return false };
        let mut state = aho_corasick::automaton::OverlappingState::start();
        let input = Input::new(key);
        while automaton.try_find_overlapping(&input, &mut state).is_ok() {
            let Some(found) = state.get_match() else { return false };
            let mut rules = self.rules.get(found.pattern().as_usize()).into_iter().flatten();
            if rules.any(|rule| matches!(rule, Rule::Forms(..))) {
                return true;
            }
        }
        true
    }

    /// Adds what a whole value below a key is, by the key's name.
    pub(super) fn find_keyed(&self, key: &str, text: &[u8], marks: &Marks, end: End, scan: &mut Scan) {
        // A masked name names nothing more than it did before.
        let brackets = memchr::memchr2_iter(b'<', b'[', key.as_bytes());
        if brackets.into_iter().any(|at| matches!(mark_at(marks, key.as_bytes(), at), Mark::Until(_))) {
            return;
        }
        let before = scan.findings.len();
        let mut named = false;
        if let Some((class, needed)) = keyed::named(self.general, key) {
            named = true;
            if keyed::is_secret(text, needed) {
                scan.findings.push(Finding { class, start: 0, end: text.len(), score: FORM_SCORE });
            }
        }
        if let Some(automaton) = &self.automaton
            && text.len() <= keyed::MAX_VALUE
        {
            let mut state = aho_corasick::automaton::OverlappingState::start();
            let input = Input::new(key);
            while automaton.try_find_overlapping(&input, &mut state).is_ok() {
                let Some(found) = state.get_match() else { break };
                for rule in self.rules.get(found.pattern().as_usize()).into_iter().flatten() {
                    named |= matches!(rule, Rule::Forms(..));
                    let class = match rule {
                        Rule::Forms(class, forms)
                            if is_cased(key.as_bytes(), found.start(), found.end()) && keyed::has_form(forms, text) =>
                        {
                            *class
                        }
                        _ => continue,
                    };
                    if scan.findings.get(before..).is_some_and(|new| new.iter().all(|finding| finding.class != class)) {
                        scan.findings.push(Finding { class, start: 0, end: text.len(), score: FORM_SCORE });
                    }
                }
            }
        }
        if end == End::Open && named {
            scan.live_from = 0;
        }
    }
}

/// What follows the next byte at which keywords end, and the state there. The automaton's own loop, one look-up a byte,
/// with nothing else in it: every byte of every text passes here.
#[inline(never)]
fn next_match<'t>(automaton: &dfa::DFA, text: &'t [u8], mut state: StateID) -> Option<(&'t [u8], StateID)> {
    let mut rest = text.iter();
    for byte in rest.by_ref() {
        state = automaton.next_state(Anchored::No, state, *byte);
        if automaton.is_special(state) && automaton.is_match(state) {
            return Some((rest.as_slice(), state));
        }
    }
    None
}

/// Whether a keyword is written in one case, or with a capital; longer ones may be written in any.
fn is_cased(text: &[u8], start: usize, end: usize) -> bool {
    let Some([first, rest @ ..]) = text.get(start..end) else { return false };
    end - start > STRICT_CASE
        || rest.iter().all(|byte| !byte.is_ascii_uppercase())
        || [*first].iter().chain(rest).all(|byte| !byte.is_ascii_lowercase())
}

/// One pass over a text.
struct Search<'a> {
    text: &'a [u8],
    marks: &'a Marks,
    findings: &'a mut Vec<Finding>,
    runs: &'a mut Runs,
    parser: Parser<'a>,
    /// The first keyword for which more text could make a difference.
    open_from: usize,
}

impl Search<'_> {
    fn hit(&mut self, rule: Rule, start: usize, end: usize) {
        match rule {
            Rule::Read(class, reader) => {
                let mut reading = Reading { text: self.text, start, from: end, runs: self.runs, open: false };
                let read = reader(&mut reading);
                if reading.open {
                    self.open_from = self.open_from.min(start.saturating_sub(MAX_TAIL));
                }
                if let Some((start, end)) = read {
                    self.findings.push(Finding { class, start, end, score: FORM_SCORE });
                }
            }
            Rule::Forms(class, forms) => {
                if let Some(assigned) = self.assigned(start, end).filter(|_| is_cased(self.text, start, end)) {
                    self.forms(class, forms, start, &assigned);
                }
            }
            Rule::Password(class) => {
                if let Some(assigned) = self.assigned(start, end)
                    && !general::is_nested(self.text, start)
                    && general::names_password(self.text, start, end)
                {
                    let value = general::password(self.text, &assigned, |at| self.mark_at(at));
                    self.general(class, PASSWORD_SCORE, start, value);
                }
            }
            Rule::Generic(class) => {
                if let Some(assigned) = self.assigned(start, end)
                    && !general::is_nested(self.text, start)
                    && general::names_secret(self.text, start, end)
                {
                    let to = self.runs.end(self.text, Set::Token, assigned.value, general::MAX_GENERIC + 1);
                    let value = general::generic(self.text, &assigned, to, |at| self.mark_at(at));
                    self.general(class, GENERIC_SCORE, start, value);
                }
            }
        }
    }

    /// What is assigned to the identifier that a keyword is part of.
    fn assigned(&mut self, start: usize, end: usize) -> Option<Assigned> {
        if self.is_in_mark(start) {
            return None;
        }
        let tail = self.runs.end(self.text, Set::Phrase, end, MAX_TAIL + 1);
        if tail - end > MAX_TAIL {
            return None;
        }
        let assigned = self.parser.assigned(tail);
        if assigned.map_or(tail, |assigned| assigned.value) >= self.text.len() || self.parser.is_open(tail) {
            self.open_from = self.open_from.min(start);
        }
        assigned
    }

    /// Whether a place is inside the name of a mark: `<SECRET_PASSWORD>` assigns nothing to what follows it.
    fn is_in_mark(&self, at: usize) -> bool {
        let in_name = |byte: &&u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'_';
        let before = self.text.get(..at).unwrap_or_default();
        let start = at - before.iter().rev().take(MAX_NAME).take_while(in_name).count();
        self.marks.skip(self.text, start).is_some_and(|(end, class)| class.is_some() && end > at)
    }

    fn forms(&mut self, class: ClassId, forms: &[Form], start: usize, assigned: &Assigned) {
        let mut reading = Reading { text: self.text, start, from: assigned.value, runs: self.runs, open: false };
        for form in forms {
            let Some((from, to)) = reading.form(form, assigned.value, assigned.value) else { continue };
            let mark = mark_at(self.marks, self.text, to);
            reading.open |= to + 2 > self.text.len() || mark == Mark::Unfinished;
            if !matches!(mark, Mark::Until(_))
                && !self.text.get(to).is_some_and(|next| Set::Token.has(*next) && !is_stop(self.text, to))
            {
                self.findings.push(Finding { class, start: from, end: to, score: FORM_SCORE });
                break;
            }
        }
        if reading.open {
            self.open_from = self.open_from.min(start);
        }
    }

    fn mark_at(&self, at: usize) -> Mark {
        mark_at(self.marks, self.text, at)
    }

    fn general(&mut self, class: ClassId, score: u8, start: usize, value: general::Value) {
        if value.open {
            self.open_from = self.open_from.min(start);
        }
        if let Some((from, to)) = value.span {
            self.findings.push(Finding { class, start: from, end: to, score });
        }
    }
}

/// What masking may have left at a place, which belongs to the value that it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    None,
    /// More text may make it one.
    Unfinished,
    /// It ends there.
    Until(usize),
}

fn mark_at(marks: &Marks, text: &[u8], at: usize) -> Mark {
    if !matches!(text.get(at), Some(b'<' | b'[')) {
        return Mark::None;
    }
    match marks.skip(text, at + 1) {
        Some((end, _)) => Mark::Until(end),
        None if Marks::may_grow(text, at + 1) => Mark::Unfinished,
        None => Mark::None,
    }
}

/// Whether a full stop ends a sentence rather than going on.
fn is_stop(text: &[u8], at: usize) -> bool {
    text.get(at) == Some(&b'.') && !text.get(at + 1).is_some_and(|next| Set::Token.has(*next))
}
