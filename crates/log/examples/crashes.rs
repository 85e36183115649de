//! `cargo xtask bench crash`: crashes a log so often, and says what was there afterwards. The status is 0 only if all held.
//!
//! Arguments: how often, and the seed to begin with.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::process::ExitCode;
use std::time::Instant;

use vidimus_log::testing::Crashes;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (Some(Ok(crashes)), Some(Ok(seed))) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: crashes NUMBER SEED");
        return ExitCode::from(2);
    };
    let dir = std::env::temp_dir().join(format!("vidimus-crashes-{}", std::process::id()));
    let started = Instant::now();
    let held = std::fs::create_dir(&dir)
        .map_err(|error| error.to_string())
        .and_then(|()| Crashes::new(&dir, seed).run(crashes));
    let removed = std::fs::remove_dir_all(&dir);
    match (held, removed) {
        (Ok(counts), Ok(())) => {
            print!("{counts}");
            println!("seconds                         {}", started.elapsed().as_secs());
            ExitCode::SUCCESS
        }
        (Ok(_), Err(error)) => {
            eprintln!("{}: {error}", dir.display());
            ExitCode::FAILURE
        }
        (Err(what), _) => {
            eprintln!("FAILED: {what}");
            ExitCode::FAILURE
        }
    }
}
