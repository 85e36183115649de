//! The reference page of the configuration, written from the table of keys.
//!
//! `vidimus reference config` prints it; the page in `docs/` is its output, and a test holds that they are equal.

use std::fmt::Write as _;

use super::keys::{Absent, Key, SECTIONS, Section};

/// The page, in Markdown.
pub(crate) fn markdown() -> String {
    let mut page = String::from(
        "<!-- Written by `vidimus reference config`. -->\n\n\
         # Configuration\n\n\
         One TOML file, given with `--config`. It is checked whole before anything starts: an unknown key, a value of \
         the wrong type or a secret written into the file is refused with its place. `vidimus check --config FILE` \
         checks it, and the policies it names, without starting anything.\n\n\
         Paths are relative to the file. Durations are written `250ms`, `15s`, `5m`, `1h`; sizes `64KiB`, `16MiB`.\n",
    );
    for section in SECTIONS {
        write_section(&mut page, section);
    }
    page
}

fn write_section(page: &mut String, section: &Section) {
    let heading = match section.heading.split_once(' ') {
        _ if section.heading == "secrets" => "Secrets".to_owned(),
        Some((heading, kind)) => format!("`[{heading}]` {kind}"),
        None => format!("`[{}]`", section.heading),
    };
    // Writing into a string cannot fail.
    let _ = writeln!(page, "\n## {heading}\n\n{}\n", section.about);
    page.push_str("| key | value | if left out | meaning |\n|---|---|---|---|\n");
    for key in section.keys {
        let _ = writeln!(page, "| `{}` | {} | {} | {} |", key.name, key.form, absent(key), key.about);
    }
}

fn absent(key: &Key) -> String {
    match key.absent {
        Absent::Refused => "must be given".to_owned(),
        Absent::Means(meaning) => meaning.to_owned(),
        Absent::Default(value) if key.form.starts_with("list") => {
            let items: Vec<String> = value.split(' ').map(|item| format!("\"{item}\"")).collect();
            format!("`[{}]`", items.join(", "))
        }
        Absent::Default(value) if matches!(key.form, "count" | "true or false") => format!("`{value}`"),
        Absent::Default(value) => format!("`\"{value}\"`"),
    }
}
