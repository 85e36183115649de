//! The one place where chores print.
//!
//! Reports go to standard output; what the programs that a chore runs print goes wherever they print it.

/// Prints `text` and a line end.
#[expect(clippy::print_stdout, reason = "printing is what a chore is for")]
pub(crate) fn print(text: &str) {
    println!("{text}");
}
