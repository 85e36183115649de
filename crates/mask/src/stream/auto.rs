//! A stream whose form its beginning tells: JSON, lines of JSON, or text.
//!
//! A first value that is not followed by the end of its line or of the stream is no JSON but text.

use super::escaped::Plain;
use super::json::{Extent, Follows};
use super::lines::Lines;
use super::text::MAX_PENDING;
use super::{MAX_DOCUMENT, Work};
use crate::structure::{Form, MaskError, is_json};

/// The UTF-8 mark that may stand before a text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A stream whose form is found out.
#[derive(Debug)]
pub(super) enum Auto {
    /// White space came, and a byte order mark.
    Opening(Vec<u8>),
    /// Inside the first value, which began at a place of what came.
    Value(Vec<u8>, usize, Extent),
    /// Behind the first value, and what began at a place and ended at another.
    After(Vec<u8>, usize, usize),
    Lines(Lines),
    Text(Plain),
}

impl Default for Auto {
    fn default() -> Self {
        Self::Opening(Vec::new())
    }
}

impl Auto {
    pub(super) fn push(&mut self, piece: &[u8], work: &mut Work<'_>) -> Result<(), MaskError> {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = match self {
                Self::Text(text) => {
                    text.push(rest, work)?;
                    break;
                }
                Self::Lines(lines) => return lines.push(rest, work),
                Self::Opening(held) => {
                    let Some((first, after)) = rest.split_first() else { break };
                    let may_be_mark =
                        BYTE_ORDER_MARK.get(held.len()) == Some(first) && BYTE_ORDER_MARK.starts_with(held);
                    if is_space(*first) || may_be_mark {
                        held.push(*first);
                        if held.len() > MAX_PENDING {
                            self.turn_to_text(work)?;
                        }
                        after
                    } else if matches!(first, b'{' | b'[' | b'"') {
                        let held = std::mem::take(held);
                        let start = held.len();
                        *self = Self::Value(held, start, Extent::default());
                        rest
                    } else if matches!(first, b'-' | b'0'..=b'9') {
                        let held = std::mem::take(held);
                        let start = held.len();
                        *self = Self::Value(held, start, Extent::of_number());
                        rest
                    } else {
                        self.turn_to_text(work)?;
                        rest
                    }
                }
                Self::Value(held, start, extent) => {
                    let start = *start;
                    let follows = extent.follow(rest);
                    let taken = if let Follows::Until(end) = follows { end } else { rest.len() };
                    let (value, after) = rest.split_at(taken);
                    held.extend_from_slice(value);
                    if follows == Follows::Never || held.len() > MAX_DOCUMENT {
                        self.turn_to_text(work)?;
                    } else if follows != Follows::All {
                        let held = std::mem::take(held);
                        let end = held.len();
                        *self = Self::After(held, start, end);
                    }
                    after
                }
                Self::After(held, start, _) => {
                    let Some((first, after)) = rest.split_first() else { break };
                    if !is_space(*first) || held.len() > MAX_DOCUMENT {
                        self.turn_to_text(work)?;
                        rest
                    } else {
                        held.push(*first);
                        if *first == b'\n' && matches!(held.get(*start), Some(b'{' | b'[')) {
                            self.decide(work)?;
                        }
                        after
                    }
                }
            };
        }
        Ok(())
    }

    pub(super) fn idle(&mut self, work: &mut Work<'_>) {
        match self {
            Self::Text(text) => text.idle(work),
            Self::Lines(lines) => lines.idle(work),
            Self::Opening(_) | Self::Value(..) | Self::After(..) => {}
        }
    }

    pub(super) fn finish(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        if let Self::Value(held, start, extent) = self
            && extent.may_end()
        {
            let end = held.len();
            *self = Self::After(std::mem::take(held), *start, end);
        }
        match self {
            Self::Opening(_) | Self::Value(..) => self.turn_to_text(work)?,
            Self::After(..) => self.decide(work)?,
            Self::Text(_) | Self::Lines(_) => {}
        }
        match self {
            Self::Text(text) => text.finish(work)?,
            Self::Lines(lines) => lines.finish(work)?,
            Self::Opening(_) | Self::Value(..) | Self::After(..) => {}
        }
        Ok(())
    }

    pub(super) fn pending(&self) -> usize {
        match self {
            Self::Opening(held) | Self::Value(held, ..) | Self::After(held, ..) => held.len(),
            Self::Text(text) => text.pending(),
            Self::Lines(lines) => lines.pending(),
        }
    }

    /// The first value is whole, and nothing else stands on its line.
    fn decide(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        let Self::After(held, start, end) = self else { return Ok(()) };
        let value = held.get(*start..*end).unwrap_or_default();
        if !is_json(value) {
            return self.turn_to_text(work);
        }
        work.out.extend_from_slice(held.get(..*start).unwrap_or_default());
        work.write(value, Form::Json)?;
        work.out.extend_from_slice(held.get(*end..).unwrap_or_default());
        *self = Self::Lines(Lines::default());
        Ok(())
    }

    /// What came is text, and so is what follows.
    fn turn_to_text(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        let mut text = Plain::default();
        if let Self::Opening(held) | Self::Value(held, ..) | Self::After(held, ..) = self {
            text.push(held, work)?;
        }
        *self = Self::Text(text);
        Ok(())
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
