//! What statements do.

use std::collections::BTreeSet;

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;
use vidimus_core::SqlKind;

use crate::settings::{Configured, is_guarded};
use crate::tree::Cursor;
use crate::{called, functions, names};

/// Something that a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Reads rows: `SELECT`, `VALUES`, `TABLE`, `EXPLAIN`, `DECLARE`, `FETCH`.
    Select,
    /// `INSERT`.
    Insert,
    /// `UPDATE`; also the locks of `SELECT … FOR UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `TRUNCATE`.
    Truncate,
    /// `COPY … FROM`.
    CopyIn,
    /// `COPY … TO`.
    CopyOut,
    /// Changes what there is: `CREATE`, `ALTER`, `DROP`, `COMMENT`, `SELECT INTO`.
    Ddl,
    /// Rights, roles, upkeep and the server's settings.
    Admin,
    /// Runs what the text does not show: `DO`, `CALL`, `EXECUTE`, functions that run SQL, reach files or networks, end
    /// sessions, `COPY` of a file or a program, functions and triggers that are made.
    Code,
    /// Harmless settings: `SET`, `SHOW`, `RESET`, `DISCARD`, `DEALLOCATE`, `LISTEN`.
    Session,
    /// `BEGIN`, `COMMIT`, `SAVEPOINT`.
    Transaction,
    /// Locks of tables, notifications.
    Other,
}

/// Kinds, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Reads.
    Read,
    /// Changes or locks rows, or tells others.
    Write,
    /// Changes what there is.
    Ddl,
    /// May change, or reach, anything.
    Admin,
    /// Changes nothing but the session.
    Session,
}

impl Kind {
    /// As policies and evidence name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Merge => "merge",
            Self::Truncate => "truncate",
            Self::CopyIn => "copy_in",
            Self::CopyOut => "copy_out",
            Self::Ddl => "ddl",
            Self::Admin => "admin",
            Self::Code => "code",
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Other => "other",
        }
    }

    /// The group that it is of.
    pub const fn group(self) -> Group {
        match self {
            Self::Select | Self::CopyOut => Group::Read,
            Self::Insert | Self::Update | Self::Delete | Self::Merge | Self::Truncate | Self::CopyIn | Self::Other => {
                Group::Write
            }
            Self::Ddl => Group::Ddl,
            Self::Admin | Self::Code => Group::Admin,
            Self::Session | Self::Transaction => Group::Session,
        }
    }
}

impl From<Kind> for SqlKind {
    /// As policies know it: `COPY` is the insertion or the reading of rows.
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Select | Kind::CopyOut => Self::Select,
            Kind::Insert | Kind::CopyIn => Self::Insert,
            Kind::Update => Self::Update,
            Kind::Delete => Self::Delete,
            Kind::Merge => Self::Merge,
            Kind::Truncate => Self::Truncate,
            Kind::Ddl => Self::Ddl,
            Kind::Admin => Self::Admin,
            Kind::Code => Self::Code,
            Kind::Session => Self::Session,
            Kind::Transaction => Self::Transaction,
            Kind::Other => Self::Other,
        }
    }
}

impl Group {
    /// As policies and evidence name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Ddl => "ddl",
            Self::Admin => "admin",
            Self::Session => "session",
        }
    }
}

/// The statement's own node: `SelectStmt` below `toplevel_stmt`.
pub(crate) fn statement(node: Cursor<'_>) -> Option<Cursor<'_>> {
    let mut at = node;
    while matches!(at.kind(), S::toplevel_stmt | S::stmt | S::PreparableStmt | S::ExplainableStmt) {
        at = at.children().next()?;
    }
    Some(at)
}

/// What a statement does.
pub(crate) fn kinds(node: Cursor<'_>) -> BTreeSet<Kind> {
    let mut kinds = BTreeSet::new();
    let Some(own) = statement(node) else { return [Kind::Other].into() };
    add_own(own, &mut kinds);
    let is_explained = is_only_explained(own);
    let copies_into_system = own.is(S::CopyStmt)
        && own.child(S::copy_from).is_some_and(|way| way.has(S::FROM))
        && own.child(S::qualified_name).is_some_and(is_of_system);
    let calls_code = called::all(own).into_iter().any(|name| functions::runs_code(&[name]));
    if calls_code || copies_into_system || shows_settings(own) {
        kinds.insert(Kind::Code);
    }
    for below in own.descendants() {
        match below.kind() {
            _ if is_explained && !matches!(below.kind(), S::func_application | S::func_name | S::ExecuteStmt) => {}
            // `VALUES` of an `INSERT` reads nothing.
            S::SelectStmt if below.only(S::values_clause).is_some() => {}
            S::SelectStmt | S::select_with_parens if runs_queries(own.kind()) => {
                kinds.insert(Kind::Select);
            }
            S::InsertStmt => {
                kinds.insert(Kind::Insert);
                if below.child(S::opt_on_conflict).is_some_and(|conflict| conflict.has(S::UPDATE)) {
                    kinds.insert(Kind::Update);
                }
            }
            // `FOR UPDATE` locks rows as a change of them would.
            S::UpdateStmt | S::for_locking_item => {
                kinds.insert(Kind::Update);
            }
            S::DeleteStmt => {
                kinds.insert(Kind::Delete);
            }
            S::MergeStmt => merged(below, &mut kinds),
            S::into_clause => {
                kinds.insert(Kind::Ddl);
            }
            S::ExecuteStmt | S::NotifyStmt => add_own(below, &mut kinds),
            // Each of `CREATE SCHEMA` is a statement of its own.
            S::schema_stmt => below.children().for_each(|own| add_own(own, &mut kinds)),
            S::relation_expr_opt_alias | S::insert_target if is_of_system(below) => {
                kinds.insert(Kind::Code);
            }
            // What `SET` would do, where it is written out.
            S::func_application if Configured::by(below).is_some_and(|set| set.is_harmless()) => {
                kinds.insert(Kind::Session);
            }
            S::func_application if Configured::by(below).is_some() => {
                kinds.insert(Kind::Code);
            }
            S::func_name if functions::runs_code(&names::parts(below)) => {
                kinds.insert(Kind::Code);
            }
            _ => {}
        }
    }
    kinds
}

/// Whether rows of the system's own tables are changed, as superusers may: what functions do, who may do what, what names stand for.
/// (Settings are known where their effect is.)
fn is_of_system(target: Cursor<'_>) -> bool {
    let name = if target.is(S::qualified_name) { Some(target) } else { target.find(S::qualified_name) };
    match name.map(names::parts).unwrap_or_default().as_slice() {
        [.., name] if name == "pg_settings" => false,
        [name] => name.starts_with("pg_"),
        [.., schema, _] => schema == "pg_catalog",
        [] => false,
    }
}

/// Whether a view of the server's settings is made: a rule of theirs makes a setting of what is written there, by the name of any
/// view of them.
fn shows_settings(own: Cursor<'_>) -> bool {
    let is_view = |at: &Cursor<'_>| matches!(at.kind(), S::ViewStmt | S::CreateMatViewStmt);
    let is_of_settings =
        |at: Cursor<'_>| at.is(S::qualified_name) && names::parts(at).last().is_some_and(|name| name == "pg_settings");
    own.descendants().chain([own]).filter(is_view).any(|view| view.descendants().any(is_of_settings))
}

/// Whether the queries in a statement of this kind are run with it, or kept to be.
fn runs_queries(kind: S) -> bool {
    matches!(
        kind,
        S::SelectStmt
            | S::InsertStmt
            | S::UpdateStmt
            | S::DeleteStmt
            | S::MergeStmt
            | S::CopyStmt
            | S::CreateAsStmt
            | S::CreateMatViewStmt
            | S::PrepareStmt
            | S::DeclareCursorStmt
            | S::ExplainStmt
            | S::CallStmt
    )
}

fn merged(merge: Cursor<'_>, kinds: &mut BTreeSet<Kind>) {
    kinds.insert(Kind::Merge);
    for below in merge.descendants() {
        match below.kind() {
            S::merge_insert => kinds.insert(Kind::Insert),
            S::merge_update => kinds.insert(Kind::Update),
            S::merge_delete => kinds.insert(Kind::Delete),
            _ => false,
        };
    }
}

/// Whether a statement is `EXPLAIN` that runs nothing.
pub(crate) fn is_only_explained(own: Cursor<'_>) -> bool {
    own.is(S::ExplainStmt) && !is_run_explained(own)
}

fn is_run_explained(explain: Cursor<'_>) -> bool {
    let is_off = |option: Cursor<'_>| {
        let argument = option.child(S::utility_option_arg).map(Cursor::value);
        argument.is_some_and(|value| {
            ["false", "off", "0", "no", "f", "n"].iter().any(|off| value.eq_ignore_ascii_case(off))
        })
    };
    let is_analyze = |option: &Cursor<'_>| {
        let name = option.child(S::utility_option_name);
        name.is_some_and(|name| {
            name.find(S::analyze_keyword).is_some() || matches!(name.value(), "analyze" | "analyse")
        })
    };
    let options = explain.child(S::utility_option_list).map(Cursor::items).unwrap_or_default();
    explain.has(S::analyze_keyword) || options.into_iter().any(|option| is_analyze(&option) && !is_off(option))
}

/// What a statement does by itself, whatever is in it.
fn add_own(own: Cursor<'_>, kinds: &mut BTreeSet<Kind>) {
    let own_kinds: &[Kind] = match own.kind() {
        S::SelectStmt | S::ExplainStmt | S::DeclareCursorStmt | S::FetchStmt => &[Kind::Select],
        S::InsertStmt => {
            if own.child(S::opt_on_conflict).is_some_and(|conflict| conflict.has(S::UPDATE)) {
                &[Kind::Insert, Kind::Update]
            } else {
                &[Kind::Insert]
            }
        }
        S::UpdateStmt => &[Kind::Update],
        S::DeleteStmt => &[Kind::Delete],
        S::MergeStmt => {
            merged(own, kinds);
            &[Kind::Merge]
        }
        S::TruncateStmt => &[Kind::Truncate],
        S::CopyStmt => copied(own),
        S::ExecuteStmt if own.has(S::CREATE) => &[Kind::Code, Kind::Ddl],
        S::CallStmt | S::DoStmt | S::ExecuteStmt => &[Kind::Code],
        S::PrepareStmt => &[],
        S::VariableSetStmt => {
            let is_guarded = own.descendants().any(|below| match below.kind() {
                S::set_rest_more => below.has(S::ROLE) || below.has(S::AUTHORIZATION),
                S::var_name => is_guarded(&names::joined(&names::parts(below))),
                _ => false,
            });
            let is_transaction =
                own.find(S::set_rest).is_some_and(|rest| rest.has(S::TRANSACTION) && !rest.has(S::SESSION));
            let is_writable = own.find(S::transaction_mode_list).is_some_and(|modes| modes.find(S::WRITE).is_some());
            match (is_guarded, is_transaction) {
                (true, _) => &[Kind::Admin],
                _ if is_writable && !is_transaction => &[Kind::Admin],
                (_, true) => &[Kind::Transaction],
                _ => &[Kind::Session],
            }
        }
        S::VariableResetStmt => {
            let names =
                own.descendants().find(|below| below.is(S::var_name)).map(|name| names::joined(&names::parts(name)));
            let is_guarded = names.is_some_and(|name| is_guarded(&name)) || own.find(S::AUTHORIZATION).is_some();
            if is_guarded { &[Kind::Admin] } else { &[Kind::Session] }
        }
        S::VariableShowStmt
        | S::DiscardStmt
        | S::DeallocateStmt
        | S::ClosePortalStmt
        | S::ListenStmt
        | S::UnlistenStmt => &[Kind::Session],
        // A transaction that outlives its session, and others' transactions.
        S::TransactionStmt | S::TransactionStmtLegacy if own.has(S::PREPARED) || own.has(S::PREPARE) => &[Kind::Admin],
        S::TransactionStmt | S::TransactionStmtLegacy | S::ConstraintsSetStmt => &[Kind::Transaction],
        S::LockStmt | S::NotifyStmt => &[Kind::Other],
        S::CreateStmt
        | S::CreateAsStmt
        | S::CreateMatViewStmt
        | S::RefreshMatViewStmt
        | S::CreateSeqStmt
        | S::AlterSeqStmt
        | S::CreateStatsStmt
        | S::AlterStatsStmt
        | S::CreateSchemaStmt
        | S::CreateDomainStmt
        | S::AlterDomainStmt
        | S::ViewStmt
        | S::IndexStmt
        | S::AlterTableStmt
        | S::AlterCompositeTypeStmt
        | S::AlterEnumStmt
        | S::AlterTypeStmt
        | S::AlterObjectDependsStmt
        | S::AlterObjectSchemaStmt
        | S::AlterCollationStmt
        | S::RenameStmt
        | S::DropStmt
        | S::CommentStmt
        | S::RemoveFuncStmt
        | S::RemoveAggrStmt
        | S::RemoveOperStmt
        | S::DropCastStmt
        | S::DropTransformStmt
        | S::DropOpClassStmt
        | S::DropOpFamilyStmt
        | S::AlterTSConfigurationStmt
        | S::AlterTSDictionaryStmt => &[Kind::Ddl],
        S::CreateFunctionStmt
        | S::AlterFunctionStmt
        | S::CreateTrigStmt
        | S::CreateEventTrigStmt
        | S::AlterEventTrigStmt
        | S::RuleStmt
        | S::CreateExtensionStmt
        | S::AlterExtensionStmt
        | S::AlterExtensionContentsStmt
        | S::CreateCastStmt
        | S::CreateTransformStmt
        | S::CreateConversionStmt
        | S::CreateOpClassStmt
        | S::CreateOpFamilyStmt
        | S::AlterOpFamilyStmt
        | S::AlterOperatorStmt
        | S::DefineStmt
        | S::CreatePLangStmt
        | S::CreateAmStmt
        | S::CreateFdwStmt
        | S::AlterFdwStmt
        | S::CreateForeignServerStmt
        | S::AlterForeignServerStmt
        | S::CreateForeignTableStmt
        | S::ImportForeignSchemaStmt => &[Kind::Ddl, Kind::Code],
        S::LoadStmt => &[Kind::Admin, Kind::Code],
        S::CreatePublicationStmt
        | S::AlterPublicationStmt
        | S::CreateSubscriptionStmt
        | S::AlterSubscriptionStmt
        | S::DropSubscriptionStmt
        | S::CreateUserMappingStmt
        | S::AlterUserMappingStmt
        | S::DropUserMappingStmt
        | S::CreatePolicyStmt
        | S::AlterPolicyStmt
        | S::CreatedbStmt
        | S::DropdbStmt
        | S::CreateTableSpaceStmt
        | S::DropTableSpaceStmt => &[Kind::Ddl, Kind::Admin],
        // Roles, rights, upkeep, the server's settings, and whatever is new.
        _ => &[Kind::Admin],
    };
    kinds.extend(own_kinds);
}

/// Whether `COPY` is of a file of the server's, or of a program there, and not of the client.
pub(crate) fn is_of_server(copy: Cursor<'_>) -> bool {
    copy.has(S::opt_program) || copy.child(S::copy_file_name).is_none_or(|name| name.find(S::SCONST).is_some())
}

fn copied(copy: Cursor<'_>) -> &'static [Kind] {
    let is_in = copy.child(S::copy_from).is_some_and(|way| way.has(S::FROM));
    match (is_in, is_of_server(copy)) {
        (true, true) => &[Kind::CopyIn, Kind::Code],
        (true, false) => &[Kind::CopyIn],
        (false, true) => &[Kind::CopyOut, Kind::Code],
        (false, false) => &[Kind::CopyOut],
    }
}
