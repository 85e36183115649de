//! Conditions that hold for every row.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, TableFactor, UnaryOperator, Value, Visit, Visitor};

/// Whether a condition leaves no row out, as far as can be told from it alone: it names no column, compares something with
/// itself, or one of its alternatives does.
pub(super) fn always_holds(condition: &Expr) -> bool {
    match condition {
        Expr::Nested(inner) | Expr::IsTrue(inner) | Expr::IsNotFalse(inner) => always_holds(inner),
        Expr::BinaryOp { left, op: BinaryOperator::Or | BinaryOperator::PGBitwiseShiftLeft, right } => {
            always_holds(left) || always_holds(right) || are_opposite(left, right)
        }
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => always_holds(left) && always_holds(right),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq | BinaryOperator::GtEq | BinaryOperator::LtEq | BinaryOperator::Spaceship,
            right,
        } if left == right => true,
        Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::BangNot, expr } => {
            never_holds(expr) || names_nothing(condition)
        }
        Expr::Like { negated: false, pattern, .. } | Expr::ILike { negated: false, pattern, .. } => {
            matches_all(pattern)
        }
        Expr::Between { expr, negated: false, low, high } if low == expr || high == expr => true,
        Expr::InList { expr, list, negated: false } => list.contains(expr) || names_nothing(condition),
        _ => names_nothing(condition),
    }
}

fn never_holds(condition: &Expr) -> bool {
    match condition {
        Expr::Nested(inner) => never_holds(inner),
        Expr::Value(value) => matches!(value.value, Value::Boolean(false)),
        Expr::BinaryOp { left, op: BinaryOperator::NotEq | BinaryOperator::Lt | BinaryOperator::Gt, right } => {
            left == right
        }
        _ => false,
    }
}

/// `a IS NULL OR a IS NOT NULL`, `a = 1 OR a <> 1`, `a OR NOT a`.
fn are_opposite(left: &Expr, right: &Expr) -> bool {
    match (left, right) {
        (Expr::Nested(left), right) => are_opposite(left, right),
        (left, Expr::Nested(right)) => are_opposite(left, right),
        (Expr::IsNull(left), Expr::IsNotNull(right)) | (Expr::IsNotNull(left), Expr::IsNull(right)) => left == right,
        (Expr::UnaryOp { op: UnaryOperator::Not, expr }, other)
        | (other, Expr::UnaryOp { op: UnaryOperator::Not, expr }) => {
            **expr == *other || matches!(&**expr, Expr::Nested(inner) if **inner == *other)
        }
        (Expr::BinaryOp { left: a, op: first, right: b }, Expr::BinaryOp { left: c, op: second, right: d }) => {
            let opposite = matches!(
                (first, second),
                (BinaryOperator::Eq, BinaryOperator::NotEq)
                    | (BinaryOperator::NotEq, BinaryOperator::Eq)
                    | (BinaryOperator::Lt, BinaryOperator::GtEq)
                    | (BinaryOperator::GtEq, BinaryOperator::Lt)
                    | (BinaryOperator::Gt, BinaryOperator::LtEq)
                    | (BinaryOperator::LtEq, BinaryOperator::Gt)
            );
            opposite && a == c && b == d
        }
        _ => false,
    }
}

fn matches_all(pattern: &Expr) -> bool {
    match pattern {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
                !text.is_empty() && text.chars().all(|character| character == '%')
            }
            _ => false,
        },
        Expr::Nested(inner) => matches_all(inner),
        _ => false,
    }
}

/// Whether an expression names no column and reads no table, so that it is the same for every row.
fn names_nothing(expression: &Expr) -> bool {
    struct Names;
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::Identifier(name) if !matches!(&*name.value.to_ascii_lowercase(), "true" | "null") => {
                    ControlFlow::Break(())
                }
                Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. } => ControlFlow::Break(()),
                // A value that comes with the call.
                Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => ControlFlow::Break(()),
                Expr::Value(value) if matches!(value.value, Value::Boolean(false)) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }

        fn pre_visit_table_factor(&mut self, _: &TableFactor) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expression.visit(&mut Names).is_continue()
}
