//! `vidimus mask`: the masking engine on the command line.
//!
//! Standard input is masked to standard output: one text as it comes, or JSON lines, each with an id, for many texts at
//! once. An input line that cannot be read ends it with status 2 and the number of the line; neither it nor anything of
//! it is shown. Memory is bounded, for JSON lines by the longest line.

mod catalogue;
mod lines;
mod options;
mod text;

use std::io::{self, BufReader, BufWriter, Write};

use vidimus_mask::{Masker, Tally};

pub(crate) use self::lines::InputError;
use self::options::{Format, Mode};
pub(crate) use self::options::{Mask, OptionError};

/// Bytes read at once, and written at once.
const BUFFER: usize = 64 << 10;

/// Runs the command.
pub(crate) fn run(options: &Mask, out: &mut impl Write) -> anyhow::Result<()> {
    let settings = options.settings()?;
    if options.list {
        return catalogue::write(&settings, options.json, out);
    }
    let masker = Masker::new(&settings)?;
    let mut tally = Tally::default();
    let mut input = BufReader::with_capacity(BUFFER, io::stdin());
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let ended = match options.mode() {
        Mode::Detect => lines::detect(&masker, options.min_score, &mut input, &mut out, &mut tally),
        Mode::Lines => {
            lines::mask(&masker, options.format.form(), options.format.framing(), &mut input, &mut out, &mut tally)
        }
        Mode::Chunks => lines::chunks(&masker, options.format.framing(), &mut input, &mut out, &mut tally),
        Mode::Whole if options.format == Format::Json => text::document(&masker, &io::stdin(), &mut out, &mut tally),
        Mode::Whole => text::mask(&masker, options.format.framing(), &io::stdin(), &mut out, &mut tally),
    };
    // What came out before a fault stays out.
    out.flush()?;
    ended?;
    if options.stats {
        stats(&masker, &tally)?;
    }
    Ok(())
}

/// Tells how many values of each class were masked or found, on standard error.
fn stats(masker: &Masker, tally: &Tally) -> io::Result<()> {
    let mut table = crate::output::Table::new(&["CLASS", "COUNT"]);
    for (class, count) in &tally.masked {
        table.row([masker.engine().name(*class), &count.to_string()]);
    }
    table.write(&mut io::stderr().lock())
}
