//! Statements that make, change or drop what a schema holds: which of them keep what names stand for, so that a catalog that is
//! read again afterwards tells of all that they did.

use std::collections::BTreeSet;

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use super::origin::Origin;
use super::reader::Reader;
use super::scope::Scope;
use crate::tree::Cursor;

impl Reader<'_> {
    /// What is kept by such a statement, to be read later: anything, of one that is not known to keep nothing.
    pub(super) fn made(&mut self, own: Cursor<'_>, root: &Scope<'_>) -> Origin {
        match own.kind() {
            // A new table is empty. What its defaults call is called later, and by names that say nothing of it.
            S::CreateStmt => {
                let is_of_others = |at: Cursor<'_>| matches!(at.kind(), S::INHERITS | S::OF | S::LIKE);
                if own.descendants().any(is_of_others) || !self.calls_only_known(own) {
                    return Origin::Unknown;
                }
                self.named(own, 1, root)
            }
            // Its values are looked at as it is made, and what fails tells of them.
            S::IndexStmt | S::ClusterStmt if self.calls_only_known(own) => self.named(own, 0, root),
            // Columns and conditions come and go; no other rows come with them, and no names.
            S::AlterTableStmt if self.calls_only_known(own) => {
                let is_other = |at: Cursor<'_>| {
                    matches!(
                        at.kind(),
                        S::INHERIT
                            | S::ATTACH
                            | S::OF
                            | S::RULE
                            | S::TRIGGER
                            | S::USING
                            | S::VIEW
                            | S::LEVEL
                            | S::OWNER
                    )
                };
                let is_table = own.has(S::TABLE);
                if !is_table || own.descendants().any(is_other) {
                    return Origin::Unknown;
                }
                self.named(own, 0, root)
            }
            S::CreateSchemaStmt if !own.has(S::OptSchemaEltList) => Origin::none(),
            S::CreateSeqStmt | S::DropStmt | S::CommentStmt | S::RefreshMatViewStmt | S::ReindexStmt => Origin::none(),
            _ => Origin::Unknown,
        }
    }

    /// All columns of the tables that a statement names, but for the first few names; of one that keys refer to, these.
    fn named(&mut self, own: Cursor<'_>, skipped: usize, root: &Scope<'_>) -> Origin {
        let (mut whole, mut of_keys) = (Origin::none(), BTreeSet::new());
        for at in own.descendants() {
            let Some(keys) = referred(at) else { continue };
            let Some(name) = at.child(S::qualified_name) else { continue };
            of_keys.insert(name.id());
            let (_, rows) = self.relation(name, root);
            for key in keys {
                whole.add(&rows.column(key.value()).unwrap_or(Origin::Unknown));
            }
        }
        for name in own.descendants().filter(|at| at.is(S::qualified_name)).skip(skipped) {
            if !of_keys.contains(&name.id()) {
                let (_, rows) = self.relation(name, root);
                whole.add(&rows.whole);
            }
        }
        whole
    }
}

/// The columns that a condition refers to in another table, where it says which.
fn referred(at: Cursor<'_>) -> Option<Vec<Cursor<'_>>> {
    if !at.has(S::REFERENCES) {
        return None;
    }
    // `FOREIGN KEY (own) REFERENCES other (theirs)`: theirs come after the name.
    let name = at.child(S::qualified_name)?;
    let list = at.children().filter(|child| child.id() > name.id()).find(|child| child.is(S::opt_column_list))?;
    Some(list.child(S::columnList)?.items())
}
