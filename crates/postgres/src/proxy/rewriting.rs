//! Statements as policies want them: with fewer rows, or where nothing can be written.
//!
//! A simple query is given another text: a limit, and `SET TRANSACTION READ ONLY` before it, which is one transaction with it.
//! The text of what is run by `Execute` may have been prepared long before, so the number of rows is limited there, and the
//! server's `PortalSuspended` becomes the end; all the `Execute`s of one portal have that number together. Before it, `SET
//! TRANSACTION READ ONLY` is run as a statement of the gateway's own, whose answers the client does not get.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use vidimus_core::{Operation, StatementChanges};
use vidimus_gate::Restate;

use super::statements::{self, Asked, Fewer, Known};
use crate::backend::{BackendMessage, CommandTag};
use crate::error::ProtocolError;
use crate::frame::Frame;
use crate::frontend::{Bind, Execute, FrontendMessage, Named, Parse};
use crate::notice::{Notice, field};
use crate::order::{RequestId, RequestKind};
use crate::read::Text;

/// What has nothing written in the transaction that it is in.
const READ_ONLY: &str = "SET TRANSACTION READ ONLY";

/// SQLSTATE `no_active_sql_transaction`: of a warning about [`READ_ONLY`] in a batch, where it holds all the same.
pub(super) const NO_TRANSACTION: &str = "25P01";

/// The requests by which [`READ_ONLY`] is run: nothing of them is left when what follows is run.
pub(super) const OWN: [RequestKind; 5] =
    [RequestKind::Parse, RequestKind::Bind, RequestKind::Close, RequestKind::Execute, RequestKind::Close];

/// What is asked for, and how it could be sent otherwise.
pub(super) struct Restating<'a> {
    pub(super) asked: Asked<'a>,
    pub(super) way: Way,
    /// As it is asked for.
    pub(super) wire: Bytes,
    pub(super) address: IpAddr,
    /// What tells names of the gateway's own apart.
    pub(super) serial: u64,
}

/// How something is sent.
pub(super) enum Way {
    /// As a simple query.
    Query,
    /// By the `Execute` that ends its wire, of a portal that may have given so many rows before.
    Execute { execute: Execute, bytes: usize, given: u64 },
    /// It is not run; the first of its requests.
    Prepare { first: RequestId },
}

/// What of an answer is otherwise than the client would have it.
#[derive(Debug, Default)]
pub(crate) struct Altered {
    /// Whether the end of a statement of the gateway's own comes first.
    hides_first: bool,
    /// Rows that are asked for.
    pub(super) rows: Option<Rows>,
    /// Where the text is another.
    moved: Moved,
}

/// Rows that are asked of a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) count: i32,
    /// Whether there are no more after them, whatever the server has.
    is_end: bool,
}

/// From places in a text to those in the one that it was made of, in characters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Moved {
    /// What was put before all of it.
    before: usize,
    /// Where something was replaced.
    start: usize,
    was: usize,
    is: usize,
}

impl Restating<'_> {
    /// It as it is asked for.
    pub(super) fn operation(&self) -> Operation {
        self.made(&self.asked, self.wire.clone())
    }

    fn made(&self, asked: &Asked<'_>, wire: Bytes) -> Operation {
        match self.way {
            Way::Query | Way::Execute { .. } => statements::operation(asked, wire, self.address),
            Way::Prepare { .. } => statements::preparation(asked, wire, self.address),
        }
    }

    /// The first request of what is not run.
    pub(super) const fn first(&self) -> Option<RequestId> {
        match self.way {
            Way::Prepare { first } => Some(first),
            Way::Query | Way::Execute { .. } => None,
        }
    }

    /// How many rows are asked of the portal, where not all are.
    pub(super) fn asked_for(&self, altered: Option<&Altered>) -> Option<u64> {
        let Way::Execute { execute, .. } = &self.way else { return None };
        let rows = altered.and_then(|altered| altered.rows).map_or(execute.max_rows, |rows| rows.count);
        u64::try_from(rows).ok().filter(|rows| *rows > 0)
    }

    fn run(&self) -> Option<&Arc<Known>> {
        self.asked.statements.first()
    }

    /// What would be run instead, where that is another text; why these changes cannot be made.
    pub(super) fn fewer(&self, changes: StatementChanges) -> Result<Option<Arc<Fewer>>, String> {
        let Some(run) = self.run() else { return Err("there is no statement in it".to_owned()) };
        for known in self.asked.statements {
            if changes.max_rows.is_some() && !known.is_query() {
                return Err("its rows cannot be limited: that takes one query that only reads".to_owned());
            }
            if changes.read_only && !known.only_reads() {
                return Err("it cannot be run read-only: that takes one statement that only reads".to_owned());
            }
        }
        let (Way::Query, Some(most)) = (&self.way, changes.max_rows) else { return Ok(None) };
        if run.limit().is_some_and(|limit| limit <= most) {
            return if changes.read_only { Ok(None) } else { Err(format!("it has no more than {most} rows")) };
        }
        match run.fewer(most) {
            Some(fewer) => Ok(Some(fewer)),
            None => Err("its rows cannot be limited: its own limit is no plain number".to_owned()),
        }
    }

    /// How many rows are asked of the portal.
    fn rows(&self, changes: StatementChanges) -> Result<Option<Rows>, String> {
        let Way::Execute { execute, given, .. } = &self.way else { return Ok(None) };
        let Some(most) = changes.max_rows else { return Ok(None) };
        let left = i32::try_from(most.saturating_sub(*given)).unwrap_or(i32::MAX);
        match execute.max_rows {
            _ if left == 0 => Err(format!("what is run has given the {most} rows that it may")),
            own if own > 0 && own < left => Ok(Some(Rows { count: own, is_end: false })),
            _ => Ok(Some(Rows { count: left, is_end: true })),
        }
    }

    /// What of the answer will be otherwise.
    pub(super) fn altered(&self, changes: StatementChanges) -> Result<Altered, String> {
        let is_query = matches!(self.way, Way::Query);
        let mut moved = Moved::default();
        if is_query && changes.read_only {
            moved.before = READ_ONLY.len().saturating_add(1);
        }
        if let (Some(fewer), Some(run)) = (self.fewer(changes)?, self.run()) {
            let characters = |range: Range<usize>| run.text().get(range).unwrap_or_default().chars().count();
            let replaced = &fewer.capped.replaced;
            (moved.start, moved.was) = (characters(0..replaced.start), characters(replaced.clone()));
            moved.is = fewer.capped.written;
        }
        Ok(Altered { hides_first: is_query && changes.read_only, rows: self.rows(changes)?, moved })
    }

    fn written(&self, changes: StatementChanges, text: &Text) -> Result<Bytes, ProtocolError> {
        let mut wire = BytesMut::new();
        match &self.way {
            Way::Query => {
                let text = if changes.read_only { Text::from(&*format!("{READ_ONLY};{text}")) } else { text.clone() };
                FrontendMessage::Query(text).encode(&mut wire)?;
            }
            Way::Execute { execute, bytes, .. } => {
                own(changes, self.serial, &mut wire)?;
                wire.extend_from_slice(self.wire.get(..self.wire.len().saturating_sub(*bytes)).unwrap_or_default());
                let rows = self.rows(changes).ok().flatten();
                let max_rows = rows.map_or(execute.max_rows, |rows| rows.count);
                FrontendMessage::Execute(Execute { portal: execute.portal.clone(), max_rows }).encode(&mut wire)?;
            }
            Way::Prepare { .. } => {
                own(changes, self.serial, &mut wire)?;
                wire.extend_from_slice(&self.wire);
            }
        }
        Ok(wire.freeze())
    }
}

impl Restate for Restating<'_> {
    fn restated(&self, changes: StatementChanges) -> Result<Operation, String> {
        let fewer = self.fewer(changes)?;
        let rows = self.rows(changes)?;
        let Some(run) = self.run() else { return Err("there is no statement in it".to_owned()) };
        let known = fewer.as_ref().map_or(run, |fewer| &fewer.known);
        let wire = self.written(changes, known.whole()).map_err(|error| error.to_string())?;
        let texts: Cow<'_, [Arc<Known>]> = match &fewer {
            Some(_) => Cow::Owned(vec![Arc::clone(known)]),
            None => Cow::Borrowed(self.asked.statements),
        };
        let (portals, inferred) = (self.asked.portals, self.asked.inferred.clone());
        let max_rows = rows.map(|rows| rows.count);
        let asked = Asked { statements: &texts, portals, inferred, max_rows, changes };
        Ok(self.made(&asked, wire))
    }
}

/// The messages that run [`READ_ONLY`], where that is wanted: under names that are gone before the client's statement is run,
/// and that another statement of the same name only makes fail.
fn own(changes: StatementChanges, serial: u64, wire: &mut BytesMut) -> Result<(), ProtocolError> {
    if !changes.read_only {
        return Ok(());
    }
    let name = Text::from(&*format!("VIDIMUS READ ONLY {serial}"));
    FrontendMessage::Parse(Parse::plain(&name, &Text::from(READ_ONLY))).encode(wire)?;
    FrontendMessage::Bind(Bind::plain(&name, &name)).encode(wire)?;
    FrontendMessage::Close(Named::Statement(name.clone())).encode(wire)?;
    FrontendMessage::Execute(Execute { portal: name.clone(), max_rows: 0 }).encode(wire)?;
    FrontendMessage::Close(Named::Portal(name)).encode(wire)
}

impl Altered {
    /// A message of the answer as the client gets it; none where it is about the gateway's own.
    pub(crate) fn heard(
        &mut self,
        message: BackendMessage,
        frame: Frame,
    ) -> Result<Option<(BackendMessage, Frame)>, ProtocolError> {
        let told = match (message, self.rows) {
            (BackendMessage::CommandComplete(_), _) if self.hides_first => {
                self.hides_first = false;
                return Ok(None);
            }
            (BackendMessage::NoticeResponse(notice), _) if self.hides_first && notice.code() == NO_TRANSACTION => {
                return Ok(None);
            }
            (BackendMessage::PortalSuspended, Some(Rows { count, is_end: true })) => {
                BackendMessage::CommandComplete(CommandTag(format!("SELECT {count}").into()))
            }
            (BackendMessage::ErrorResponse(notice), _) => match self.moved.back(&notice) {
                Some(notice) => BackendMessage::ErrorResponse(notice),
                None => return Ok(Some((BackendMessage::ErrorResponse(notice), frame))),
            },
            (BackendMessage::NoticeResponse(notice), _) => match self.moved.back(&notice) {
                Some(notice) => BackendMessage::NoticeResponse(notice),
                None => return Ok(Some((BackendMessage::NoticeResponse(notice), frame))),
            },
            (message, _) => return Ok(Some((message, frame))),
        };
        let mut bytes = BytesMut::new();
        told.encode(&mut bytes)?;
        Ok(Some((told, Frame::of(bytes.freeze()))))
    }
}

impl Moved {
    /// A message with its place in the text that the client has sent, where that is another.
    fn back(self, notice: &Notice) -> Option<Notice> {
        let place = notice.field(field::POSITION)?.parse::<usize>().ok()?;
        if self == Self::default() {
            return None;
        }
        let original = self.original(place);
        let fields = notice.fields().iter().filter_map(|(letter, value)| match (*letter, original) {
            (field::POSITION, None) => None,
            (field::POSITION, Some(place)) => Some((*letter, place.to_string().into())),
            _ => Some((*letter, value.clone())),
        });
        Some(Notice::of(fields.collect()))
    }

    /// Places are counted from 1. None for one in what was put before.
    fn original(self, place: usize) -> Option<usize> {
        let place = place.checked_sub(self.before).filter(|place| *place > 0)?;
        if place <= self.start {
            return Some(place);
        }
        match place.checked_sub(self.start.saturating_add(self.is)) {
            Some(after) if after > 0 => Some(self.start.saturating_add(self.was).saturating_add(after)),
            _ => Some(self.start.saturating_add(1)),
        }
    }
}

#[cfg(test)]
mod tests;
