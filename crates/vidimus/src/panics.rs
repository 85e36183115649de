//! What is told of a panic: where it was, and its text only when that stands in the program as it is.
//!
//! The text of a panic is made of what was being worked on ("… is not a char boundary; it is inside … of `…`"), which may be
//! a payload. So it reaches neither standard error nor the log.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write as _};

/// Tells of panics, from now on, without the values in them.
pub(crate) fn hide_values() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let mut err = io::stderr().lock();
        // Nothing is left to tell when standard error is gone.
        let _ = writeln!(err, "vidimus: panicked at {place}: {}", fixed_text(panic.payload()));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            let _ = writeln!(err, "{backtrace}");
        }
    }));
}

/// The text, when it was not made at run time.
fn fixed_text(payload: &dyn Any) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("its text is withheld: it may hold values")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_made_of_values_is_withheld() {
        let fixed: Box<dyn Any + Send> = Box::new("no such state");
        assert_eq!(fixed_text(&*fixed), "no such state");
        let made: Box<dyn Any + Send> = Box::new(format!("byte 3 of {}", "ada@example.com"));
        assert!(!fixed_text(&*made).contains("ada"));
    }
}
