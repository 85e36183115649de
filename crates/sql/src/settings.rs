//! Settings: which of them are for administrators, and what sets them besides `SET`.

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use crate::names;
use crate::scan::TokenKind;
use crate::tree::Cursor;

/// Settings that say who acts, what code is loaded, or what is checked.
const GUARDED_SETTINGS: &[&str] = &[
    "role",
    "session_authorization",
    "session_replication_role",
    "session_preload_libraries",
    "local_preload_libraries",
    "dynamic_library_path",
    "allow_system_table_mods",
    "default_transaction_read_only",
    "transaction_read_only",
];

/// Whether a setting is one that only administrators should change.
pub(crate) fn is_guarded(setting: &str) -> bool {
    // Quoted or not, their names have no case.
    GUARDED_SETTINGS.iter().any(|guarded| guarded.eq_ignore_ascii_case(setting))
}

/// `set_config('name', 'value', is_local)`.
pub(crate) struct Configured {
    /// In lower case; none where only the server can tell.
    pub(crate) name: Option<String>,
    /// None where only the server can tell.
    pub(crate) value: Option<String>,
    pub(crate) is_local: bool,
}

impl Configured {
    /// What a call sets, if it sets anything.
    pub(crate) fn by(call: Cursor<'_>) -> Option<Self> {
        let name = names::parts(call.child(S::func_name)?);
        if name.last().map(String::as_str) != Some("set_config") {
            return None;
        }
        let arguments = call.child(S::func_arg_list).map(Cursor::items).unwrap_or_default();
        let text = |at: usize| -> Option<String> {
            let argument = arguments.get(at)?.only(S::Sconst)?;
            let mut values = argument.values();
            let (kind, value) = values.next()?;
            (kind == TokenKind::Text).then(|| value.to_owned())
        };
        let is_local = arguments.get(2).is_some_and(|argument| matches!(argument.value(), "true" | "t" | "1"));
        Some(Self { name: text(0).map(|name| name.to_ascii_lowercase()), value: text(1), is_local })
    }

    /// Whether it is what anybody may `SET`, by name and to a value that is written out.
    pub(crate) fn is_harmless(&self) -> bool {
        self.value.is_some() && self.name.as_ref().is_some_and(|name| !is_guarded(name))
    }
}
