//! Two definitions line by line, as people read them: each member on a line of its own under its path, texts broken where
//! they break, and everything that a terminal would hide or act on escaped.

use std::io::{self, Write};

use serde_json::Value;

use crate::output::printable;

/// Unchanged lines that are shown around changed ones.
const CONTEXT: usize = 3;

/// Cells of the table that is filled to compare; what would take more is shown as taken out and put in whole.
const MAX_CELLS: usize = 4_000_000;

/// The lines of a definition, which is JSON; one line of it as it is when it is none.
pub(crate) fn lines(definition: &str) -> Vec<String> {
    let mut lines = Vec::new();
    match serde_json::from_str(definition) {
        Ok(value) => write_value("", &value, &mut lines),
        Err(_) => lines.push(printable(definition)),
    }
    lines
}

fn write_value(path: &str, value: &Value, lines: &mut Vec<String>) {
    let within = |key: &str| if path.is_empty() { printable(key) } else { format!("{path}.{}", printable(key)) };
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(key, member)| write_value(&within(key), member, lines));
        }
        Value::Array(elements) if elements.iter().any(|element| element.is_object() || element.is_array()) => {
            let each = elements.iter().enumerate();
            each.for_each(|(index, element)| write_value(&format!("{path}[{index}]"), element, lines));
        }
        Value::String(text) if text.contains('\n') => {
            lines.push(format!("{path}:"));
            lines.extend(text.split('\n').map(|line| format!("  | {}", printable(line))));
        }
        other => lines.push(format!("{path}: {}", printable(&other.to_string()))),
    }
}

/// Writes the changed lines with some around them: taken out after `-`, put in after `+`.
pub(crate) fn write(before: &[String], after: &[String], out: &mut impl Write) -> io::Result<()> {
    let steps = compared(before, after);
    let is_near = |at: usize| {
        let near = at.saturating_sub(CONTEXT)..=at.saturating_add(CONTEXT);
        steps.iter().enumerate().any(|(other, (mark, _))| *mark != ' ' && near.contains(&other))
    };
    let mut is_apart = false;
    for (at, (mark, line)) in steps.iter().enumerate() {
        if *mark != ' ' || is_near(at) {
            writeln!(out, "{mark} {line}")?;
            is_apart = false;
        } else if !is_apart {
            writeln!(out, "  …")?;
            is_apart = true;
        }
    }
    Ok(())
}

/// All lines in order, each with what became of it: a longest common subsequence stays.
fn compared<'a>(before: &'a [String], after: &'a [String]) -> Vec<(char, &'a str)> {
    let same = before.iter().zip(after).take_while(|(one, other)| one == other).count();
    let (head, before) = before.split_at(same);
    let after = after.get(same..).unwrap_or_default();
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(one, other)| one == other).count();
    let (before, kept) = before.split_at(before.len() - tail);
    let after = after.get(..after.len() - tail).unwrap_or_default();
    let mut steps: Vec<(char, &str)> = head.iter().map(|line| (' ', line.as_str())).collect();
    if before.len().saturating_mul(after.len()) > MAX_CELLS {
        steps.extend(before.iter().map(|line| ('-', line.as_str())));
        steps.extend(after.iter().map(|line| ('+', line.as_str())));
    } else {
        middle(before, after, &mut steps);
    }
    steps.extend(kept.iter().map(|line| (' ', line.as_str())));
    steps
}

fn middle<'a>(before: &'a [String], after: &'a [String], steps: &mut Vec<(char, &'a str)>) {
    // The length of the longest common subsequence of what is left from here, row by row.
    let width = after.len() + 1;
    let mut lengths = vec![0_u32; (before.len() + 1) * width];
    let at = |row: usize, column: usize| row * width + column;
    let length = |lengths: &[u32], row: usize, column: usize| lengths.get(at(row, column)).copied().unwrap_or(0);
    for (row, one) in before.iter().enumerate().rev() {
        for (column, other) in after.iter().enumerate().rev() {
            let longest = if one == other {
                length(&lengths, row + 1, column + 1) + 1
            } else {
                length(&lengths, row + 1, column).max(length(&lengths, row, column + 1))
            };
            if let Some(cell) = lengths.get_mut(at(row, column)) {
                *cell = longest;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    loop {
        match (before.get(row), after.get(column)) {
            (Some(one), Some(other)) if one == other => {
                steps.push((' ', one));
                (row, column) = (row + 1, column + 1);
            }
            (Some(one), other)
                if other.is_none() || length(&lengths, row + 1, column) >= length(&lengths, row, column + 1) =>
            {
                steps.push(('-', one));
                row += 1;
            }
            (_, Some(other)) => {
                steps.push(('+', other));
                column += 1;
            }
            (_, None) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> String {
        let mut out = Vec::new();
        write(&lines(before), &lines(after), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_stand_under_their_paths_and_nothing_acts_on_the_terminal() {
        let definition = r#"{"description":"a\u001b[8m\nb\u202ec","inputSchema":{"properties":{"x\u200by":{"enum":["1",2]}},
            "anyOf":[{"required":["a"]},{"type":"object"}]},"outputSchema":{}}"#;
        assert_eq!(
            lines(definition),
            [
                "description:",
                "  | a\\u{1b}[8m",
                "  | b\\u{202e}c",
                "inputSchema.properties.x\\u{200b}y.enum: [\"1\",2]",
                "inputSchema.anyOf[0].required: [\"a\"]",
                "inputSchema.anyOf[1].type: \"object\"",
                "outputSchema: {}",
            ]
        );
    }

    #[test]
    fn what_stays_is_shown_around_what_changes_alone() {
        let before: Vec<String> = (0..12).map(|line| line.to_string()).collect();
        let mut after = before.clone();
        after[6] = "six".to_owned();
        after.insert(7, "six and a half".to_owned());
        let mut out = Vec::new();
        write(&before, &after, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "  …\n  3\n  4\n  5\n- 6\n+ six\n+ six and a half\n  7\n  8\n  9\n  …\n");
        assert_eq!(shown("{\"a\":1}", "{\"a\":1}"), "  …\n");
        assert_eq!(shown("{}", "{\"a\":1}"), "- : {}\n+ a: 1\n");
    }

    #[test]
    fn what_is_taken_out_and_put_in_makes_the_other_text() {
        let texts = ["a b c a b b a", "c b a b a c", "", "x", "a b c", "b c d a b"];
        let split = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (before, after) in texts.iter().flat_map(|one| texts.iter().map(|other| (split(one), split(other)))) {
            let steps = compared(&before, &after);
            let only = |mark| steps.iter().filter(|(own, _)| *own != mark).map(|(_, line)| *line).collect::<Vec<_>>();
            assert_eq!(
                (only('+'), only('-')),
                (before.iter().map(String::as_str).collect(), after.iter().map(String::as_str).collect())
            );
        }
    }
}
