//! JSON paths, the part of RFC 9535 that says where a value stands: names, indices, wildcards, descendants.
//!
//! What depends on other values is refused: filters, slices and indices from the end of an array, which a stream does not
//! know. So is a list of selectors, for which there can be two rules.

use std::borrow::Cow;

use super::{Fault, Step};

/// Segments of one path; each is a bit of a state.
const MAX_SEGMENTS: usize = 32;

/// A way through a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JsonPath {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    /// Whether it may begin at any depth (`..`).
    descends: bool,
    selector: Selector,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selector {
    Name(Box<str>),
    Index(usize),
    Any,
}

impl JsonPath {
    /// Reads a path, which begins with `$`.
    pub(super) fn parse(rule: &str) -> Result<Self, Fault> {
        let mut reader = Reader { rule, at: 0 };
        if !reader.take("$") {
            return Err(reader.fault("a path begins with $"));
        }
        let mut segments = Vec::new();
        while reader.at < rule.len() {
            if segments.len() == MAX_SEGMENTS {
                return Err(reader.fault("a path has at most 32 segments"));
            }
            segments.push(reader.segment()?);
        }
        Ok(Self { segments })
    }

    /// Smaller is more exact: by wildcards and descents, then by length.
    pub(super) fn rank(&self) -> (usize, usize) {
        let loose = |segment: &&Segment| segment.descends || segment.selector == Selector::Any;
        (self.segments.iter().filter(loose).count(), MAX_SEGMENTS - self.segments.len())
    }

    /// Whether it leads to the value at `path`, or to one around it.
    pub(super) fn holds(&self, path: &[Step<'_>]) -> bool {
        // Bit n: the first n segments led here.
        let (mut states, done) = (1_u64, 1_u64 << self.segments.len());
        for step in path {
            if states & done != 0 || states == 0 {
                break;
            }
            let mut next = 0;
            for (place, segment) in self.segments.iter().enumerate().filter(|(place, _)| states >> place & 1 == 1) {
                if segment.descends {
                    next |= 1 << place;
                }
                if segment.selector.takes(step) {
                    next |= 2 << place;
                }
            }
            states = next;
        }
        states & done != 0
    }
}

impl Selector {
    fn takes(&self, step: &Step<'_>) -> bool {
        match (self, step) {
            (Self::Any, _) => true,
            (Self::Name(name), Step::Key(key)) => **name == **key,
            (Self::Index(index), Step::Index(at)) => index == at,
            _ => false,
        }
    }
}

struct Reader<'a> {
    rule: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.rule.get(self.at..).unwrap_or_default()
    }

    fn fault(&self, why: &'static str) -> Fault {
        Fault { at: self.at, why }
    }

    fn take(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.get(..rest.find(|next| !wanted(next)).unwrap_or(rest.len())).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn segment(&mut self) -> Result<Segment, Fault> {
        let descends = self.take("..");
        if self.take("[") {
            return Ok(Segment { descends, selector: self.bracketed()? });
        }
        if !descends && !self.take(".") {
            return Err(self.fault("expected .name, ..name or ["));
        }
        if self.take("*") {
            return Ok(Segment { descends, selector: Selector::Any });
        }
        let first = self.rest().chars().next();
        if !first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_' || !first.is_ascii()) {
            return Err(self.fault("expected a name or *; a name with other signs is written ['odd key']"));
        }
        let name = self.take_while(|next| next.is_ascii_alphanumeric() || next == '_' || !next.is_ascii());
        if !matches!(self.rest().chars().next(), None | Some('.' | '[')) {
            return Err(self.fault("a name with other signs is written ['odd key']"));
        }
        Ok(Segment { descends, selector: Selector::Name(name.into()) })
    }

    /// After the opening bracket.
    fn bracketed(&mut self) -> Result<Selector, Fault> {
        self.take_while(is_blank);
        let from = self.at;
        let selector = match self.rest().chars().next() {
            Some('*') => {
                self.at += 1;
                Selector::Any
            }
            Some(quote @ ('\'' | '"')) => {
                self.at += 1;
                Selector::Name(self.quoted(quote)?.into())
            }
            Some('0'..='9') => {
                let digits = self.take_while(|next| next.is_ascii_digit());
                let index = digits.parse().ok().filter(|_| digits == "0" || !digits.starts_with('0'));
                Selector::Index(index.ok_or(Fault { at: from, why: "an index has no leading zeros and fits 64 bits" })?)
            }
            Some('-') => return Err(self.fault("an index counts from the beginning of the array: [0]")),
            Some('?') => return Err(self.fault("filters are not supported: a rule goes by names and places alone")),
            Some(':') => return Err(self.fault("slices are not supported: use [*] or one index")),
            _ => return Err(self.fault("expected an index, * or a quoted name")),
        };
        self.take_while(is_blank);
        match self.rest().chars().next() {
            Some(']') => {
                self.at += 1;
                Ok(selector)
            }
            Some(',') => Err(self.fault("lists are not supported: write one rule for each")),
            Some(':') => Err(self.fault("slices are not supported: use [*] or one index")),
            _ => Err(self.fault("expected ]")),
        }
    }

    /// After the opening quote (RFC 9535, section 2.3.1.1).
    fn quoted(&mut self, quote: char) -> Result<Cow<'a, str>, Fault> {
        let mut name = String::new();
        loop {
            let at = self.at;
            let fault = |why| Err(Fault { at, why });
            match self.next() {
                None => return fault("the quote is not closed"),
                Some(next) if next == quote => return Ok(name.into()),
                Some(next) if next < ' ' => return fault("a control character is written as an escape"),
                Some('\\') => match self.next() {
                    Some('b') => name.push('\u{8}'),
                    Some('f') => name.push('\u{C}'),
                    Some('n') => name.push('\n'),
                    Some('r') => name.push('\r'),
                    Some('t') => name.push('\t'),
                    Some(same @ ('/' | '\\')) => name.push(same),
                    Some(same) if same == quote => name.push(same),
                    Some('u') => match self.escaped() {
                        Some(character) => name.push(character),
                        None => return fault("\\u takes four hexadecimal digits; surrogates stand in pairs"),
                    },
                    _ => return fault("no such escape"),
                },
                Some(next) => name.push(next),
            }
        }
    }

    /// After `\u`.
    fn escaped(&mut self) -> Option<char> {
        let first = self.hexadecimal()?;
        let code = match first {
            0xD800..=0xDBFF => {
                let second = self.take("\\u").then(|| self.hexadecimal())??;
                0x1_0000 + ((first & 0x3FF) << 10) + (0xDC00..=0xDFFF).contains(&second).then_some(second & 0x3FF)?
            }
            code => code,
        };
        char::from_u32(code)
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4)?;
        self.at += 4;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    }
}

/// White space of RFC 9535, section 2.1.1.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}
