//! Shell commands in arguments: which programs they run, and whether what they do is dangerous.
//!
//! A text is read as a shell reads it (IEEE Std 1003.1, "Shell Command Language", and Bash where it adds to it), without
//! running anything. What cannot be told from the text alone makes it `parsed = false`: whoever forbids dangerous commands
//! forbids those too.

mod grammar;
mod judge;
mod lexer;
mod printed;
mod programs;
mod scripts;
mod tables;
mod targets;

use std::borrow::Cow;

use vidimus_core::ShellFacts;
use vidimus_core::json::Value;

use crate::lookup::Path;
use crate::walk;
use judge::Judge;
use lexer::Word;

/// Longer texts are not read.
const MAX_TEXT: usize = 64 << 10;

/// Keys whose texts are commands, spelt as [`walk::plain`] does.
const KEYS: &[&str] = &["command", "cmd", "script", "shell", "commands", "cmds", "cmdline", "commandline", "bash"];
/// Keys beside them whose texts are the words after a command.
const WORD_KEYS: &[&str] = &["args", "argv", "arguments", "params", "parameters"];

/// The commands of arguments, where paths lead and under keys that mean commands.
pub(crate) fn of(arguments: Option<Value<'_>>, paths: &[Path]) -> ShellFacts {
    let mut judge = Judge::new();
    let Some(arguments) = arguments else { return judge.facts };
    for value in paths.iter().flat_map(|path| path.values(arguments)) {
        command(&mut judge, value, None);
    }
    let mut waiting = vec![arguments];
    while let Some(value) = waiting.pop() {
        waiting.extend(value.elements());
        let mut commands = Vec::new();
        let mut words = None;
        for (key, member) in value.members() {
            let key = walk::plain(&key);
            if KEYS.contains(&&*key) {
                commands.push(member);
            } else if WORD_KEYS.contains(&&*key) {
                words = Some(member);
            }
            waiting.push(member);
        }
        for member in commands {
            command(&mut judge, member, words);
        }
    }
    judge.facts
}

/// A text, or an array of words or of texts; `after` are words that stand beside it.
fn command(judge: &mut Judge, value: Value<'_>, after: Option<Value<'_>>) {
    let texts = |value: Value<'_>| -> Vec<String> {
        let elements = value.elements().filter_map(|element| element.as_str().map(Cow::into_owned));
        elements.chain(value.as_str().map(Cow::into_owned)).collect()
    };
    let parts = texts(value);
    if parts.iter().map(String::len).fold(0, usize::saturating_add) > MAX_TEXT {
        return judge.unclear();
    }
    // One command, several, or the words of one.
    if value.as_str().is_some() || parts.first().is_some_and(|first| first.contains(char::is_whitespace)) {
        for text in &parts {
            judge.text(text);
        }
    } else {
        words(judge, &parts);
    }
    if let (Some(program), Some(after)) = (value.as_str(), after) {
        let mut parts: Vec<String> = program.split_whitespace().map(str::to_owned).collect();
        let rest = texts(after);
        let is_text = after.as_str().is_some();
        if is_text {
            judge.text(&format!("{program} {}", rest.concat()));
        } else if !parts.is_empty() {
            parts.extend(rest);
            words(judge, &parts);
        }
    }
}

/// Words that no shell expands.
fn words(judge: &mut Judge, parts: &[String]) {
    if parts.iter().map(String::len).fold(0, usize::saturating_add) > MAX_TEXT
        || parts.iter().any(|part| part.contains(['\0', lexer::UNKNOWN]))
    {
        return judge.unclear();
    }
    let words: Vec<Word> = parts.iter().map(|part| Word::plain(part)).collect();
    judge.words(&words);
}

#[cfg(test)]
mod tests;
