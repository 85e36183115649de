//! What a policy reads of the context, as a tree of attribute paths, found in Cedar's public syntax tree.
//!
//! Three things rest on it: a context holds only what some policy that applies reads, so that large arguments cost
//! nothing where no policy looks at them; conditions on the call are told from conditions on the tool ("Lists", design
//! part 4); a client's claims are kept out of permits. Anything not recognised counts as reading everything.

use std::collections::BTreeMap;

use cedar_policy::pst::{Clause, Expr, SmolStr, Template, Var};
use vidimus_core::json::same_ignoring_case;

/// What is read of a value: all of it, or these attributes. No attributes: whether it is there (`has`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reads {
    All,
    Attributes(BTreeMap<String, Self>),
}

impl Reads {
    pub(crate) const fn nothing() -> Self {
        Self::Attributes(BTreeMap::new())
    }

    /// What the conditions of a policy read of the context.
    pub(crate) fn of_policy(policy: &Template) -> Self {
        let mut reads = Self::nothing();
        for clause in policy.clauses() {
            let (Clause::When(expression) | Clause::Unless(expression)) = clause;
            reads.visit(expression);
        }
        reads
    }

    /// What one expression reads of the context.
    pub(crate) fn of_expression(expression: &Expr) -> Self {
        let mut reads = Self::nothing();
        reads.visit(expression);
        reads
    }

    /// What is read of an attribute; `None` when it is not read.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Self> {
        match self {
            Self::All => Some(self),
            Self::Attributes(attributes) => attributes.get(name),
        }
    }

    /// The attribute that is read and that `name`, which is not, differs from in letter case only.
    pub(crate) fn twin(&self, name: &str) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Attributes(attributes) => {
                attributes.keys().map(String::as_str).find(|read| same_ignoring_case(name, read))
            }
        }
    }

    /// Whether any attribute but these is read.
    pub(crate) fn more_than(&self, names: &[&str]) -> bool {
        match self {
            Self::All => true,
            Self::Attributes(attributes) => attributes.keys().any(|read| !names.contains(&read.as_str())),
        }
    }

    /// Whether the value at this path, a part of it, or something it is part of is read.
    pub(crate) fn touches(&self, path: &[String]) -> bool {
        let Some((first, rest)) = path.split_first() else { return true };
        match self {
            Self::All => true,
            Self::Attributes(attributes) => attributes.get(first).is_some_and(|reads| reads.touches(rest)),
        }
    }

    /// Adds what another policy reads.
    pub(crate) fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Attributes(own), Self::Attributes(others)) => {
                for (name, reads) in others {
                    own.entry(name.clone()).or_insert_with(Self::nothing).merge(reads);
                }
            }
        }
    }

    /// Adds a value at the end of a path, and what is read of it.
    fn add<'a>(&mut self, path: impl IntoIterator<Item = &'a str>, reads: &Self) {
        let mut place = self;
        for name in path {
            match place {
                Self::All => return,
                Self::Attributes(attributes) => {
                    place = attributes.entry(name.to_owned()).or_insert_with(Self::nothing);
                }
            }
        }
        place.merge(reads);
    }

    fn visit(&mut self, expression: &Expr) {
        if let Some(path) = context_path(expression) {
            return self.add(path, &Self::All);
        }
        match expression {
            Expr::Literal(_) | Expr::Var(_) | Expr::Slot(_) => {}
            Expr::HasAttr { expr, attrs } => match context_path(expr) {
                Some(path) => self.add(path.into_iter().chain(attrs.iter().map(SmolStr::as_str)), &Self::nothing()),
                None => self.visit(expr),
            },
            Expr::UnaryOp { expr, .. } | Expr::GetAttr { expr, .. } | Expr::Like { expr, .. } => self.visit(expr),
            Expr::BinaryOp { left, right, .. } => {
                self.visit(left);
                self.visit(right);
            }
            Expr::Is { expr, in_expr, .. } => {
                self.visit(expr);
                if let Some(ancestor) = in_expr {
                    self.visit(ancestor);
                }
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                for part in [cond, then_expr, else_expr] {
                    self.visit(part);
                }
            }
            Expr::Set(elements) => elements.iter().for_each(|element| self.visit(element)),
            Expr::Record(fields) => fields.values().for_each(|field| self.visit(field)),
            _ => *self = Self::All,
        }
    }
}

/// The attributes from `context` down to this expression, when it is a chain of them: `context` itself is the empty one.
fn context_path(expression: &Expr) -> Option<Vec<&str>> {
    let mut path = Vec::new();
    let mut place = expression;
    loop {
        match place {
            Expr::Var(Var::Context) => {
                path.reverse();
                return Some(path);
            }
            Expr::GetAttr { expr, attr } => {
                path.push(attr.as_str());
                place = expr;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::{Policy, pst};

    use super::*;

    fn reads(condition: &str) -> String {
        let policy = Policy::parse(None, format!("forbid (principal, action, resource) when {{ {condition} }};"));
        let pst::Policy::Static(policy) = policy.unwrap().to_pst().unwrap() else { panic!("a static policy") };
        let mut paths = Vec::new();
        list(&Reads::of_policy(policy.body()), String::new(), &mut paths);
        paths.join(" ")
    }

    fn list(reads: &Reads, path: String, paths: &mut Vec<String>) {
        match reads {
            Reads::All => paths.push(if path.is_empty() { "context".into() } else { path }),
            Reads::Attributes(attributes) => {
                if attributes.is_empty() && !path.is_empty() {
                    paths.push(format!("{path}?"));
                }
                for (name, reads) in attributes {
                    list(reads, format!("{path}.{name}"), paths);
                }
            }
        }
    }

    #[test]
    fn every_way_to_read_is_seen() {
        for (condition, expected) in [
            ("principal.subject == \"a\" && resource == Target::\"x\"", ""),
            ("context.a > 1", ".a"),
            ("context.a.b.c > 1 || context.a.d", ".a.b.c .a.d"),
            ("context.a.b && context.a == {b: true}", ".a"),
            ("context[\"a\"][\"b c\"]", ".a.b c"),
            ("context has a", ".a?"),
            ("context has a.b", ".a.b?"),
            ("context.a has b", ".a.b?"),
            ("context.a has \"b c\"", ".a.b c?"),
            ("context has a && context.a has b && context.a.b > 1", ".a.b"),
            ("context has a && context.a == 1", ".a"),
            ("!(context.a like \"x*\")", ".a"),
            ("-context.a < 2 * context.b", ".a .b"),
            ("[context.a, 1].contains(context.b)", ".a .b"),
            ("{x: context.a}.x == 1", ".a"),
            ("if context.a then context.b else context.c", ".a .b .c"),
            ("(if context.a then principal else resource) is User in context.g", ".a .g"),
            ("context.address.isInRange(ip(\"10.0.0.0/8\"))", ".address"),
            ("context.time.offset(context.d).toDate() == context.e", ".d .e .time"),
            ("context.a.containsAny(context.b) || context.c.isEmpty()", ".a .b .c"),
            ("principal in context.g || principal.hasTag(context.t)", ".g .t"),
            ("(if true then context else {a: 1}).a == 1", "context"),
            ("context == {a: 1}", "context"),
            ("{x: context} has x", "context"),
            ("{x: context.a} has x", ".a"),
        ] {
            assert_eq!(reads(condition), expected, "{condition}");
        }
    }

    #[test]
    fn a_path_touches_what_it_is_part_of_and_its_parts() {
        let path = |text: &str| text.split('.').map(String::from).collect::<Vec<_>>();
        let mut reads = Reads::nothing();
        reads.add(["a", "b"], &Reads::All);
        assert!(reads.touches(&path("a")) && reads.touches(&path("a.b")) && reads.touches(&path("a.b.c")));
        assert!(!reads.touches(&path("a.c")) && !reads.touches(&path("b")));
    }
}
