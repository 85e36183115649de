//! Small languages on command lines that can run programs: those of `sed` and `awk`.

use super::judge::Judge;
use super::lexer::Word;
use super::targets;

/// `awk`: danger where it runs programs, unclear where it might.
pub(super) fn awk(judge: &mut Judge, words: &[Word]) {
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let text = word.text.as_str();
        match text {
            "-F" | "-v" => {
                rest.next();
            }
            "-f" | "--file" => return,
            _ if text.starts_with("-F") || text.starts_with("-v") || text == "--" => {}
            _ if text.starts_with('-') => {
                judge.unclear();
                return;
            }
            _ => {
                if word.is_unknown() {
                    judge.unclear();
                }
                return awk_program(judge, text);
            }
        }
    }
}

fn awk_program(judge: &mut Judge, program: &str) {
    if program.contains("system") || program.contains("getline") {
        judge.danger();
    }
    if program.contains('@') {
        judge.unclear();
    }
    let in_first_pattern = program.trim_start().strip_prefix('/').and_then(|rest| rest.split('/').next());
    let rest = program.len().saturating_sub(in_first_pattern.map_or(0, |pattern| pattern.len().saturating_add(1)));
    let start = program.len().saturating_sub(rest);
    let rest = program.get(start..).unwrap_or(program).replace("||", "  ");
    for (bar, _) in rest.match_indices('|') {
        let after = rest.get(bar.saturating_add(1)..).unwrap_or_default().trim_start_matches(['&', ' ', '\t']);
        if after.starts_with('"') {
            judge.danger();
        } else {
            judge.unclear();
        }
    }
    // Output to files: `print > "name"`.
    for (place, _) in rest.match_indices('>') {
        let after = rest.get(place..).unwrap_or_default().trim_start_matches(['>', ' ', '\t']);
        if let Some(name) = after.strip_prefix('"').and_then(|after| after.split('"').next())
            && targets::is_spoilt_by_writing(&Word::plain(name))
        {
            judge.danger();
        }
    }
}

/// `sed`: unclear where a script has commands beyond the usual ones.
pub(super) fn sed(judge: &mut Judge, words: &[Word]) {
    let mut scripts: Vec<&Word> = Vec::new();
    let mut operands: Vec<&Word> = Vec::new();
    let mut has_script = false;
    let mut is_in_place = false;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let text = word.text.as_str();
        match text {
            "-e" | "--expression" => {
                scripts.extend(rest.next());
                has_script = true;
            }
            "-f" | "--file" => {
                rest.next();
                has_script = true;
            }
            _ if text.starts_with("--expression=") || text.starts_with("--file=") || text.starts_with("-s=") => {
                judge.unclear();
                has_script = true;
            }
            _ if text.starts_with("--") => is_in_place |= text.starts_with("--in"),
            _ if text.starts_with('-') && text.len() > 1 => {
                is_in_place |= text.contains('i');
                // `-ne SCRIPT`.
                if text.ends_with('e') {
                    scripts.extend(rest.next());
                    has_script = true;
                }
            }
            _ => operands.push(word),
        }
    }
    if !has_script && !operands.is_empty() {
        scripts.push(operands.remove(0));
    }
    if is_in_place && operands.iter().any(|word| targets::is_spoilt_by_writing(word)) {
        judge.danger();
    }
    for script in scripts {
        if script.is_unknown() || !is_usual_sed(&script.text) {
            judge.unclear();
        }
    }
}

/// Whether a script only prints, deletes and replaces: no `e`, `w`, `r`, `W`, `R`, and no such flags.
fn is_usual_sed(script: &str) -> bool {
    let mut rest = script.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            's' | 'y' => {
                let Some(delimiter) = rest.next().filter(|delimiter| !matches!(delimiter, '\\' | '\n')) else {
                    return false;
                };
                let is_over = (0..2).all(|_| until(&mut rest, delimiter));
                if !is_over {
                    return false;
                }
                while let Some(flag) = rest.peek() {
                    match flag {
                        'g' | 'p' | 'i' | 'I' | 'm' | 'M' | '0'..='9' => drop(rest.next()),
                        _ => break,
                    }
                }
                if !matches!(rest.peek(), None | Some(';' | '\n' | '}' | ' ')) {
                    return false;
                }
            }
            '/' => {
                if !until(&mut rest, '/') {
                    return false;
                }
            }
            '\\' => {
                let Some(delimiter) = rest.next() else { return false };
                if !until(&mut rest, delimiter) {
                    return false;
                }
            }
            // Text to the end of the line.
            'a' | 'i' | 'c' => {
                for character in rest.by_ref() {
                    if character == '\n' {
                        break;
                    }
                }
            }
            'p'
            | 'P'
            | 'd'
            | 'D'
            | 'q'
            | 'Q'
            | 'n'
            | 'N'
            | 'h'
            | 'H'
            | 'g'
            | 'G'
            | 'x'
            | 'l'
            | '='
            | '{'
            | '}'
            | '!'
            | ','
            | '$'
            | '~'
            | '+'
            | '0'..='9'
            | ' '
            | '\t'
            | ';'
            | '\n'
            | 'I' => {}
            _ => return false,
        }
    }
    true
}

/// Passes the next delimiter that is not escaped, nor in a bracket expression.
fn until(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, delimiter: char) -> bool {
    while let Some(character) = rest.next() {
        match character {
            '\\' => drop(rest.next()),
            _ if character == delimiter => return true,
            _ => {}
        }
    }
    false
}
