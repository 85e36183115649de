//! `vidimus tools`: what a target offers, as the running gateway knows it.
//!
//! `--json` prints what `tools` in `[targets.NAME]` takes, so that `vidimus check` holds policies to the arguments a tool
//! has. Definitions are the target's own words: nothing of them reaches the terminal unescaped.

use std::io::{self, Write};

use anyhow::Context as _;
use serde_json::Value;

use crate::api::{self, Tool, ToolList};
use crate::cli::Tools;
use crate::client;
use crate::output::{self, Table};
use crate::pins_commands;

/// Shows the tools of a target, or how they stand to what is accepted.
pub(crate) async fn run(tools: Tools, out: &mut impl Write) -> anyhow::Result<()> {
    let Tools { command, target, gateway, output } = tools;
    if let Some(command) = command {
        return pins_commands::run(command, out).await;
    }
    let target = target.context("name a target")?;
    let list: ToolList = client::get(&gateway.places()?.1, &format!("{}/{target}", api::TOOLS)).await?;
    Ok(if output.json { output::json(out, &list) } else { write_list(&list, out) }?)
}

fn write_list(list: &ToolList, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["TOOL", "HINTS", "ARGUMENTS"]);
    for tool in &list.tools {
        table.row([&tool.name, &hints(tool), &arguments(tool)]);
    }
    table.write(out)
}

fn hints(tool: &Tool) -> String {
    let hints = &tool.annotations;
    let named = [
        (hints.read_only_hint, "readOnly"),
        (hints.destructive_hint, "destructive"),
        (hints.idempotent_hint, "idempotent"),
        (hints.open_world_hint, "openWorld"),
    ];
    named.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

/// `id: string, amount?: number`: the question mark as in a policy's `has`.
fn arguments(tool: &Tool) -> String {
    let schema: Value = serde_json::from_str(tool.input_schema.get()).unwrap_or_default();
    let required = |name: &str| {
        schema.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|known| known == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let argument = |(name, schema): (&String, &Value)| {
        let optional = if required(name) { "" } else { "?" };
        format!("{name}{optional}: {}", schema.get("type").and_then(Value::as_str).unwrap_or("any"))
    };
    properties.map(argument).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_show_their_arguments_and_cannot_act_on_the_terminal() {
        let list = r#"{"tools":[
            {"name":"refund\u001b[31m","annotations":{"readOnlyHint":false,"destructiveHint":true,"idempotentHint":false,
             "openWorldHint":true},"inputSchema":{"type":"object","properties":{"amount":{"type":"number"},"note":{}},
             "required":["amount"]}},
            {"name":"ping","annotations":{"readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,
             "openWorldHint":false},"inputSchema":{"type":"object"}}
        ]}"#;
        let mut out = Vec::new();
        write_list(&serde_json::from_str(list).unwrap(), &mut out).unwrap();
        let expected = "TOOL              HINTS                  ARGUMENTS\n\
                        refund\\u{1b}[31m  destructive openWorld  amount: number, note?: any\n\
                        ping              readOnly idempotent\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
