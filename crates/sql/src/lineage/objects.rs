//! Statements that make, change or drop what a schema holds: which of them keep what names stand for, so that a catalog that is
//! read again afterwards tells of all that they did.

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
            S::IndexStmt if self.calls_only_known(own) => self.named(own, 0, root),
            S::CreateSchemaStmt if !own.has(S::OptSchemaEltList) => Origin::none(),
            S::CreateSeqStmt | S::DropStmt | S::CommentStmt | S::RefreshMatViewStmt | S::ReindexStmt => Origin::none(),
            _ => Origin::Unknown,
        }
    }

    /// All columns of the tables that a statement names, but for the first few names.
    fn named(&mut self, own: Cursor<'_>, skipped: usize, root: &Scope<'_>) -> Origin {
        let mut whole = Origin::none();
        for name in own.descendants().filter(|at| at.is(S::qualified_name)).skip(skipped) {
            let (_, rows) = self.relation(name, root);
            whole.add(&rows.whole);
        }
        whole
    }
}
