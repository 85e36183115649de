//! `vidimus mask --list`: every class there is.

use std::io::Write;

use serde::Serialize;
use vidimus_mask::{Group, Settings, catalogue};

use crate::output;

#[derive(Serialize)]
struct Row {
    class: &'static str,
    about: &'static str,
    group: &'static str,
    in_default: bool,
    needs_context: bool,
    operator: String,
    validator: Option<&'static str>,
    example: &'static str,
}

/// Writes a table, or JSON.
pub(super) fn write(settings: &Settings, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let classes: Vec<Row> = catalogue()
        .map(|class| Row {
            class: class.name,
            about: class.about,
            group: match class.group {
                Group::Personal => "personal",
                Group::Secret => "secret",
            },
            in_default: class.in_default,
            needs_context: class.only_in_context,
            operator: settings.operators.get(class.name).copied().unwrap_or_default().to_string(),
            validator: Some(class.checked_by).filter(|check| !check.is_empty()),
            example: class.example,
        })
        .collect();
    if json {
        return Ok(output::json(out, &classes)?);
    }
    let mut table = output::Table::new(&["CLASS", "GROUP", "DEFAULT", "CONTEXT", "OPERATOR", "CHECKED BY", "EXAMPLE"]);
    let yes = |holds: bool, word: &'static str| if holds { word } else { "-" };
    for class in &classes {
        table.row([
            class.class,
            class.group,
            yes(class.in_default, "yes"),
            yes(class.needs_context, "needed"),
            &class.operator,
            class.validator.unwrap_or("-"),
            class.example,
        ]);
    }
    Ok(table.write(out)?)
}
