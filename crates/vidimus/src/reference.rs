//! `vidimus reference`: pages of the documentation, written from what the program itself uses.
//!
//! The pages in `docs/src/reference/` are this output; tests hold that they are equal, so they cannot go out of date.

use std::fmt::Write as _;

use clap::CommandFactory as _;
use vidimus_core::event::CATALOGUE;

use crate::cli::{Cli, Page};
use crate::config;

/// Help is wrapped at this width, whatever the terminal's.
const WIDTH: usize = 100;

/// A page in Markdown.
pub(crate) fn page(page: Page) -> String {
    match page {
        Page::Config => config::markdown(),
        Page::Events => events(),
        Page::Cli => command_line(),
    }
}

fn events() -> String {
    let mut page = String::from(
        "<!-- Written by `vidimus reference events`. -->\n\n\
         # Events\n\n\
         Every event is one line of canonical JSON (RFC 8785) in the evidence log, `\"v\": \"vidimus.event/1\"`. All carry \
         `id` (UUIDv7), `time` (UTC, nanoseconds), `gateway`, `session`, `seq` (dense within the session, from 0) and \
         `type`; those that concern a principal carry `who`, those that concern a target `target`. Events without a \
         client's session belong to the process's control session.\n\n\
         | type | meaning | why it is logged |\n|---|---|---|\n",
    );
    for entry in CATALOGUE {
        // Writing into a string cannot fail.
        let _ = writeln!(page, "| `{}` | {} | {} |", entry.name, entry.meaning, entry.reason);
    }
    page.push_str(
        "\nOperation events count what masking found, by data class and never by value: `masked` is what the record holds \
         masked, `revealed` what of it the client was shown because policy reveals it. They stand in `outcome` where the \
         event is one, where `status` is `ok`, `error`, `upstream`, `withheld` (it could not be masked), `timeout`, \
         `cancelled` or `unknown`. Where policies had a call rewritten, `decision` has `rewrites`, each with its `name` and the \
         policies it was wanted `by`, and `payloads` has `request` as it was asked and `rewritten` as it was decided on. Each of \
         `payloads` has the `commitment` to what is recorded and, where other bytes were sent or delivered, `delivered`, the \
         commitment to those. `outcome` counts as `hidden` the \
         texts of a result with characters in them that people do not see, where there are any. `program.logged` counts the lines that were `left_out`.\n",
    );
    page
}

fn command_line() -> String {
    let mut page = String::from("<!-- Written by `vidimus reference cli`. -->\n\n# Command line\n");
    let mut command = Cli::command().term_width(WIDTH);
    command.build();
    write_command(&mut page, &mut command, 2);
    page
}

fn write_command(page: &mut String, command: &mut clap::Command, depth: usize) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n{} `{name}`\n\n```text\n{}\n```\n", "#".repeat(depth), help.join("\n").trim_end());
    let is_shown = |subcommand: &clap::Command| subcommand.get_name() != "help" && !subcommand.is_hide_set();
    for subcommand in command.get_subcommands_mut().filter(|subcommand| is_shown(subcommand)) {
        write_command(page, subcommand, depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_is_what_the_program_prints() {
        for (which, word, name) in
            [(Page::Config, "config", "configuration"), (Page::Events, "events", "events"), (Page::Cli, "cli", "cli")]
        {
            let path = format!("{}/../../docs/src/reference/{name}.md", env!("CARGO_MANIFEST_DIR"));
            let documented = std::fs::read_to_string(&path).unwrap();
            let remedy = format!("cargo run -- reference {word} > docs/src/reference/{name}.md");
            assert!(documented == page(which), "docs/src/reference/{name}.md is out of date: {remedy}");
        }
    }
}
