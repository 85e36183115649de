//! Secrets whose issuer gave them a beginning of their own.

use crate::class::{ClassSpec, Shape};

pub(super) const CLASSES: &[ClassSpec] = &[ClassSpec {
    name: "SECRET_GITHUB_TOKEN",
    about: "GitHub token",
    shapes: &[Shape::alone(r"gh[pousr]_[0-9A-Za-z]{36}", 95).open_end()],
    context: &["github"],
    example: "ghp_R4nd0mR4nd0mR4nd0mR4nd0mR4nd0mR4nd0m",
    ..ClassSpec::SECRET
}];
