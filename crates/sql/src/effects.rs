//! What statements do to their session: settings, transactions, prepared statements, cursors, temporary tables.

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use crate::kind::{is_only_explained, statement};
use crate::names;
use crate::settings::Configured;
use crate::tree::Cursor;

/// Something that is other in a session after a statement, if it succeeds. Names are as PostgreSQL keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// A setting has another value.
    Set {
        /// Its name in lower case, `search_path` for `SET SCHEMA`; `transaction` for `SET TRANSACTION`,
        /// `session_characteristics` for the defaults of transactions. None where only the server can tell.
        name: Option<String>,
        /// Its elements; none for the default, or where only the server can tell.
        value: Option<Vec<String>>,
        /// Whether it ends with the transaction.
        is_local: bool,
    },
    /// A setting is as it was when the session began; all where there is no name.
    Reset(Option<String>),
    /// A transaction begins.
    Begin {
        /// `READ ONLY`, or `READ WRITE`; none where it is as the session's default says.
        is_read_only: Option<bool>,
    },
    /// A transaction ends well; another begins at once where it chains.
    Commit {
        /// `AND CHAIN`.
        chains: bool,
    },
    /// A transaction is undone; another begins at once where it chains.
    Rollback {
        /// `AND CHAIN`.
        chains: bool,
    },
    /// A transaction leaves the session, to be ended by any (`PREPARE TRANSACTION`).
    PrepareTransaction,
    /// A savepoint is made.
    Savepoint(String),
    /// A savepoint is forgotten.
    Release(String),
    /// What was done since a savepoint is undone, settings included.
    RollbackTo(String),
    /// A statement is prepared: [`crate::Statement::inner`].
    Prepare(String),
    /// A prepared statement runs.
    Execute(String),
    /// A prepared statement is forgotten; all where there is no name.
    Deallocate(Option<String>),
    /// A cursor is opened for a query: [`crate::Statement::inner`].
    Declare(String),
    /// A cursor moves, and rows may come.
    Fetch(String),
    /// A cursor is closed; all where there is no name.
    Close(Option<String>),
    /// A table, view or sequence is made that only this session sees, before all others of its name.
    Temporary(String),
    /// Notifications of a channel come.
    Listen(String),
    /// They no longer do; of none where there is no name.
    Unlisten(Option<String>),
    /// `DISCARD`.
    Discard(Discarded),
}

/// What a session forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discarded {
    /// Settings, prepared statements, cursors, temporary tables, channels.
    All,
    /// Plans.
    Plans,
    /// Values of sequences.
    Sequences,
    /// Temporary tables.
    Temporary,
}

/// What a statement does to its session.
pub(crate) fn effects(node: Cursor<'_>) -> Vec<Effect> {
    let Some(own) = statement(node) else { return Vec::new() };
    let mut effects = Vec::new();
    if is_only_explained(own) {
        return effects;
    }
    effects.extend(own_effect(own));
    for at in own.descendants().chain([own]) {
        match at.kind() {
            S::ExecuteStmt if at.id() != own.id() => effects.extend(own_effect(at)),
            // A rule makes a setting of what is written there.
            S::UpdateStmt if is_of_settings(at) => {
                effects.push(Effect::Set { name: None, value: None, is_local: false });
            }
            S::func_application => {
                if let Some(Configured { name, value, is_local }) = Configured::by(at) {
                    effects.push(Effect::Set { name, value: value.map(|value| vec![value]), is_local });
                }
            }
            _ => {}
        }
    }
    effects.extend(own.descendants().chain([own]).filter_map(temporary));
    effects
}

/// Whether this is an `UPDATE` of `pg_settings`.
fn is_of_settings(update: Cursor<'_>) -> bool {
    let target = update.child(S::relation_expr_opt_alias).and_then(|target| target.find(S::qualified_name));
    target.is_some_and(|name| names::parts(name).last().is_some_and(|name| name == "pg_settings"))
}

fn own_effect(own: Cursor<'_>) -> Option<Effect> {
    let name = || own.children().find(|child| matches!(child.kind(), S::name | S::ColId | S::cursor_name));
    let named = || name().map(|name| name.value().to_owned());
    Some(match own.kind() {
        S::VariableSetStmt => set(own)?,
        S::VariableResetStmt => reset(own)?,
        S::TransactionStmt | S::TransactionStmtLegacy => transaction(own)?,
        S::PrepareStmt => Effect::Prepare(named()?),
        S::ExecuteStmt => Effect::Execute(named()?),
        S::DeallocateStmt => Effect::Deallocate(named()),
        S::DeclareCursorStmt => Effect::Declare(named()?),
        S::FetchStmt => Effect::Fetch(own.find(S::cursor_name)?.value().to_owned()),
        S::ClosePortalStmt => Effect::Close(named()),
        S::ListenStmt => Effect::Listen(named()?),
        S::UnlistenStmt => Effect::Unlisten(named()),
        S::DiscardStmt => Effect::Discard(match own.children().nth(1)?.kind() {
            S::PLANS => Discarded::Plans,
            S::SEQUENCES => Discarded::Sequences,
            S::TEMP | S::TEMPORARY => Discarded::Temporary,
            _ => Discarded::All,
        }),
        _ => return None,
    })
}

fn set(own: Cursor<'_>) -> Option<Effect> {
    let is_local = own.has(S::LOCAL);
    let rest = own.child(S::set_rest)?;
    let text_after = |node: Cursor<'_>, count: usize| -> Option<Vec<String>> {
        let value = node.children().nth(count).filter(|value| !value.is(S::DEFAULT))?;
        Some(vec![value.value().to_owned()])
    };
    let (name, value) = if let Some(more) = rest.child(S::set_rest_more) {
        let first = more.children().next()?;
        match first.kind() {
            S::generic_set => {
                let name = first.child(S::var_name)?;
                (setting(name), first.child(S::var_list).map(values))
            }
            S::var_name => (setting(first), None),
            S::TIME => ("timezone".to_owned(), text_after(more, 2)),
            S::SCHEMA => ("search_path".to_owned(), text_after(more, 1)),
            S::NAMES => ("client_encoding".to_owned(), text_after(more, 1)),
            S::ROLE => ("role".to_owned(), text_after(more, 1)),
            S::SESSION => ("session_authorization".to_owned(), text_after(more, 2)),
            S::XML_P => ("xmloption".to_owned(), text_after(more, 2)),
            S::TRANSACTION => ("transaction".to_owned(), None),
            _ => return Some(Effect::Set { name: None, value: None, is_local }),
        }
    } else {
        let name = if rest.has(S::SESSION) { "session_characteristics" } else { "transaction" };
        let modes = rest.child(S::transaction_mode_list).map(Cursor::items).unwrap_or_default();
        let words = |mode: Cursor<'_>| mode.values().map(|(_, value)| value.to_owned()).collect::<Vec<_>>().join(" ");
        (name.to_owned(), Some(modes.into_iter().map(words).collect()))
    };
    Some(Effect::Set { name: Some(name), value, is_local })
}

fn setting(name: Cursor<'_>) -> String {
    names::parts(name).join(".").to_ascii_lowercase()
}

/// The elements of a setting's value.
fn values(list: Cursor<'_>) -> Vec<String> {
    let value = |item: Cursor<'_>| item.values().map(|(_, value)| value).collect::<Vec<_>>().concat();
    list.items().into_iter().map(value).collect()
}

fn reset(own: Cursor<'_>) -> Option<Effect> {
    let rest = own.child(S::reset_rest)?;
    let name = match rest.find(S::var_name) {
        Some(name) => setting(name),
        None if rest.has(S::TIME) => "timezone".to_owned(),
        None if rest.has(S::SESSION) => "session_authorization".to_owned(),
        None if rest.has(S::TRANSACTION) => "transaction".to_owned(),
        None => return Some(Effect::Reset(None)),
    };
    Some(Effect::Reset(Some(name)))
}

fn transaction(own: Cursor<'_>) -> Option<Effect> {
    let mut children = own.children();
    let first = children.next()?;
    let chains = own.child(S::opt_transaction_chain).is_some_and(|chain| !chain.has(S::NO));
    let savepoint = || own.child(S::ColId).map(|name| name.value().to_owned());
    let is_prepared = own.has(S::PREPARED);
    Some(match first.kind() {
        S::BEGIN_P | S::START => Effect::Begin { is_read_only: is_read_only(own) },
        // Of another session's transaction.
        S::COMMIT | S::ROLLBACK if is_prepared => return None,
        S::COMMIT | S::END_P => Effect::Commit { chains },
        S::ROLLBACK | S::ABORT_P => match savepoint() {
            Some(name) => Effect::RollbackTo(name),
            None => Effect::Rollback { chains },
        },
        S::SAVEPOINT => Effect::Savepoint(savepoint()?),
        S::RELEASE => Effect::Release(savepoint()?),
        S::PREPARE => Effect::PrepareTransaction,
        _ => return None,
    })
}

/// The last mode that says so counts.
fn is_read_only(own: Cursor<'_>) -> Option<bool> {
    let modes = own.find(S::transaction_mode_list).map(Cursor::items).unwrap_or_default();
    let says = |mode: Cursor<'_>| mode.has(S::READ).then(|| mode.has(S::ONLY));
    modes.into_iter().filter_map(says).next_back()
}

/// The temporary relation that a node makes.
fn temporary(at: Cursor<'_>) -> Option<Effect> {
    // The words themselves: a table may be named so.
    let is_temporary = |node: Cursor<'_>| node.has(S::TEMP) || node.has(S::TEMPORARY);
    let target = match at.kind() {
        S::OptTempTableName => is_temporary(at).then_some(at)?,
        S::CreateStmt | S::CreateAsStmt | S::ViewStmt | S::CreateSeqStmt | S::ExecuteStmt => {
            at.child(S::OptTemp).filter(|words| is_temporary(*words))?;
            at.find(S::qualified_name)?
        }
        _ => return None,
    };
    let parts = names::parts(if target.is(S::qualified_name) { target } else { target.find(S::qualified_name)? });
    Some(Effect::Temporary(parts.last()?.clone()))
}
