//! `vidimus retention status`: the rules of retention, what each covers, and what it would erase now.
//!
//! Asked of the running gateway, which keeps to the rules; asking erases nothing.

use std::io::{self, Write};

use crate::api::{self, RetentionRule, RetentionStatus};
use crate::cli::Retention;
use crate::client;
use crate::output::{self, Table, counted, whole_seconds};

/// Runs the command.
pub(crate) async fn run(command: Retention, out: &mut impl Write) -> anyhow::Result<()> {
    let Retention::Status { due, gateway, output } = command;
    let status: RetentionStatus = client::get(&gateway.places()?.1, api::RETENTION).await?;
    if output.json {
        output::json(out, &status)?;
    } else {
        write_status(&status, due, out)?;
    }
    Ok(())
}

fn write_status(status: &RetentionStatus, with_due: bool, out: &mut impl Write) -> io::Result<()> {
    if status.rules.is_empty() {
        return writeln!(out, "no rule: recordings are kept until somebody erases them; see [retention]");
    }
    let mut table = Table::new(&["RULE", "KEEP", "RECORDINGS", "DUE", "HELD", "OLDEST ENDED", "COUNTED"]);
    for rule in &status.rules {
        let oldest = rule.oldest.as_deref().map_or_else(|| "-".to_owned(), whole_seconds);
        let counts = [rule.recordings, rule.due, rule.held].map(|count| count.to_string());
        let [recordings, due, held] = counts;
        let days = rule.counted_days.map_or_else(|| "-".to_owned(), |days| counted(days, "day"));
        table.row([named(rule), counted(rule.keep_days, "day"), recordings, due, held, oldest, days]);
    }
    table.write(out)?;
    let is_due = status.rules.iter().any(|rule| rule.due > 0);
    if is_due {
        writeln!(
            out,
            "\nwhat is due and does not wait is erased within the hour; a legal hold keeps it: vidimus hold add SESSION"
        )?;
    }
    if status.rules.iter().any(|rule| rule.counted_days.is_some_and(|days| days < rule.keep_days)) {
        writeln!(
            out,
            "\nCOUNTED is how long the gateway has run since the oldest ended, and what retention goes by: clocks can be set, \
             so the time while it was down does not count"
        )?;
    }
    for rule in &status.rules {
        if let Some(why) = &rule.waits {
            writeln!(out, "\nthe rule on {} waits: {}", output::printable(&named(rule)), output::printable(why))?;
        }
        if rule.released > 0 {
            let (count, named) = (counted(rule.released, "recording"), named(rule));
            writeln!(
                out,
                "\n{count} more by the rule on {}, kept until a removed hold is past",
                output::printable(&named)
            )?;
        }
    }
    for rule in status.rules.iter().filter(|rule| with_due && rule.due > 0) {
        writeln!(out, "\ndue by the rule on {}:", output::printable(&named(rule)))?;
        for session in &rule.due_sessions {
            writeln!(out, "  {}", output::printable(session))?;
        }
        let named = u64::try_from(rule.due_sessions.len()).unwrap_or(u64::MAX);
        if rule.due > named {
            writeln!(out, "  and {} more", rule.due - named)?;
        }
    }
    Ok(())
}

fn named(rule: &RetentionRule) -> String {
    match (&rule.target, &rule.class) {
        (Some(target), _) => format!("target {target}"),
        (None, Some(class)) => format!("class {class}"),
        (None, None) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rules: Vec<RetentionRule>) -> String {
        let mut out = Vec::new();
        write_status(&RetentionStatus { rules }, true, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_rule_is_shown_with_what_is_due() {
        let rule = |target: Option<&str>, class: Option<&str>, due| RetentionRule {
            target: target.map(str::to_owned),
            class: class.map(str::to_owned),
            keep_days: 90,
            recordings: 12,
            due,
            held: 1,
            released: 3,
            waits: (due > 0).then(|| "the rule was made shorter".into()),
            oldest: Some("2026-08-01T10:00:00.123456789Z".into()),
            counted_days: target.map(|_| 85),
            due_sessions: vec!["0199-1".into()],
        };
        let text = shown(vec![rule(Some("crm"), None, 2), rule(None, Some("US_SSN"), 0)]);
        assert!(
            text.contains("target crm    90 days  12          2    1     2026-08-01T10:00:00Z  85 days\n"),
            "{text}"
        );
        assert!(text.contains("\nCOUNTED is how long the gateway has run"), "{text}");
        assert!(text.contains("due by the rule on target crm:\n  0199-1\n  and 1 more\n"), "{text}");
        assert!(text.contains("\nthe rule on target crm waits: the rule was made shorter\n"), "{text}");
        assert!(text.contains("\n3 recordings more by the rule on class US_SSN"), "{text}");
        assert!(!text.contains("due by the rule on class US_SSN") && !text.contains("US_SSN waits"), "{text}");
        assert!(shown(Vec::new()).contains("kept until somebody erases them"));
    }
}
