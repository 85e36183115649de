//! What commands would do, told by their programs and words.
//!
//! Programs that run others are followed to those. What is not known to run others is taken for what its name says; what
//! cannot be told — code of other languages, programs whose name is made by an expansion — is not understood.

use std::collections::BTreeSet;

use vidimus_core::ShellFacts;

use super::grammar::{self, Command, Fed};
use super::lexer::{self, Direction, UNKNOWN, Word};
use super::tables::{
    CONNECTORS, DANGEROUS, DECODERS, DOWNLOADERS, HARMLESS_MODULES, INTERPRETERS, PLAIN_OPTIONS, RUNNING_VARIABLES,
    SHELLS, UNREADABLE, WRAPPERS,
};
use super::targets;
use super::{printed, programs};
use crate::MAX_NAMES;

/// Scripts and programs inside one another that are followed.
const MAX_NESTING: usize = 8;
/// A directory with a longer name is not gone to: what follows is looked at with it, word by word.
const MAX_DIRECTORY: usize = 256;
/// Commands of one call that are followed.
const MAX_COMMANDS: usize = 2_000;

/// What has been found so far.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) facts: ShellFacts,
    commands: usize,
    /// Names of files that were got from elsewhere.
    fetched: BTreeSet<String>,
    /// Substitutions that are being read: what is printed there becomes words.
    substitutions: usize,
    /// Where `cd` went last.
    directory: String,
}

/// Around a command.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Around<'a> {
    pub(super) fed: Fed,
    /// What it reads in place of what it is fed: a text, or a file.
    input: Option<(Direction, &'a Word)>,
    /// It is run once or more with names that are found.
    pub(super) is_repeated: bool,
    depth: usize,
}

impl Around<'_> {
    const fn deeper(self) -> Self {
        Self { depth: self.depth.saturating_add(1), ..self }
    }
}

impl Judge {
    pub(super) const fn new() -> Self {
        let facts = ShellFacts { parsed: true, programs: BTreeSet::new(), dangerous: false };
        Self { facts, commands: 0, fetched: BTreeSet::new(), substitutions: 0, directory: String::new() }
    }

    pub(super) const fn unclear(&mut self) {
        self.facts.parsed = false;
    }

    pub(super) const fn danger(&mut self) {
        self.facts.dangerous = true;
    }

    /// A text as it came.
    pub(super) fn text(&mut self, text: &str) {
        match lexer::lex(text) {
            Some(_) => self.script(text, Around::default()),
            None => self.unclear(),
        }
    }

    /// Words as they came, which no shell expands.
    pub(super) fn words(&mut self, words: &[Word]) {
        self.run(words, Around::default());
    }

    /// A script, parts of which may be unknown.
    pub(super) fn script(&mut self, text: &str, around: Around<'_>) {
        let Some(lexed) = lexer::lex_again(text).filter(|_| around.depth <= MAX_NESTING) else {
            return self.unclear();
        };
        self.substitutions = self.substitutions.saturating_add(1);
        for (inner, is_written) in &lexed.nested {
            let fed = Fed { by_any: *is_written, ..Fed::default() };
            self.script(inner, Around { fed, ..Around::default().at(around.depth.saturating_add(1)) });
        }
        self.substitutions = self.substitutions.saturating_sub(1);
        let around = Around { input: None, ..around };
        let walked = grammar::walk(lexed.tokens, &mut |command| self.command(&command, around));
        if walked.is_none() {
            self.unclear();
        }
    }

    fn command(&mut self, command: &Command, around: Around<'_>) -> Fed {
        let mut input = None;
        for (direction, word) in &command.redirects {
            match direction {
                Direction::To => self.facts.dangerous |= targets::is_spoilt_by_writing(word),
                Direction::From => {
                    self.facts.dangerous |= targets::is_secret(word);
                    input = Some((*direction, word));
                }
                Direction::Here => input = Some((*direction, word)),
                Direction::Descriptor => {}
            }
            self.facts.dangerous |= targets::is_connection(word);
        }
        let words = self.without_assignments(&command.words);
        let around = Around { fed: around.fed.and(command.fed), input, ..around };
        let written = self.run(words, around);
        if written.by_foreign {
            let files = command.redirects.iter().filter(|(direction, _)| *direction == Direction::To);
            self.fetched.extend(files.map(|(_, word)| targets::name(&word.text).to_owned()));
        }
        written
    }

    /// The words after `NAME=value`.
    pub(super) fn without_assignments<'w>(&mut self, words: &'w [Word]) -> &'w [Word] {
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            if !self.assigned(word) {
                break;
            }
            rest = after;
        }
        rest
    }

    /// Whether a word is an assignment, which is judged if so.
    pub(super) fn assigned(&mut self, word: &Word) -> bool {
        let Some((name, value)) = word.text.split_once('=') else { return false };
        let name = name.strip_suffix('+').unwrap_or(name);
        let plain = name.split('[').next().unwrap_or(name);
        let is_name = plain.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
            && plain.starts_with(|character: char| character.is_ascii_alphabetic() || character == '_');
        if !is_name {
            return false;
        }
        self.facts.dangerous |= !value.is_empty()
            && (RUNNING_VARIABLES.contains(&plain) || plain == "PATH" && targets::is_foreign_search_path(value));
        true
    }

    /// One program with its words. What it writes.
    pub(super) fn run(&mut self, words: &[Word], around: Around<'_>) -> Fed {
        let Some((program, rest)) = words.split_first() else { return Fed::default() };
        self.commands = self.commands.saturating_add(1);
        if around.depth > MAX_NESTING || self.commands > MAX_COMMANDS {
            self.unclear();
            return Fed::default();
        }
        let unknown = Fed { by_any: true, by_foreign: true, by_environment: false };
        if program.is_unknown() || (program.is_pattern && program.text != "[") || program.splits {
            self.facts.dangerous |= program.is_of_command;
            self.unclear();
            self.words_of("", rest);
            return unknown;
        }
        let name = targets::name(&program.text);
        let is_name = !name.is_empty()
            && !name.starts_with(['=', '-', '~'])
            && !name.contains(|character: char| character.is_control() || character.is_whitespace());
        if !is_name || self.facts.programs.len() >= MAX_NAMES {
            self.unclear();
            return unknown;
        }
        self.facts.programs.insert(name.to_owned());
        self.facts.dangerous |= self.fetched.contains(name) && program.text.contains('/');
        if !WRAPPERS.iter().any(|(wrapper, ..)| *wrapper == name) {
            self.words_of(name, rest);
        }
        self.judge(name, rest, around)
    }

    /// What any program's words may be.
    fn words_of(&mut self, program: &str, words: &[Word]) {
        let prints = self.substitutions == 0 && matches!(program, "echo" | "printf");
        let shows_key = matches!(program, "ssh" | "scp" | "sftp" | "ssh-add" | "ssh-keygen" | "ssh-copy-id" | "rsync");
        if program == "printf" && self.substitutions > 0 {
            self.printed(words);
        }
        let mut before = "";
        for word in words {
            let is_key = shows_key && before == "-i";
            self.facts.dangerous |= targets::is_connection(word) || (!prints && !is_key && targets::is_secret(word));
            if !self.directory.is_empty() && !prints && !word.text.starts_with(['/', '-', '~']) {
                let text = format!("{}/{}", self.directory, word.text);
                self.facts.dangerous |= targets::is_secret(&Word { text, ..word.clone() });
            }
            before = &word.text;
        }
    }

    /// What `printf` prints becomes words.
    fn printed(&mut self, words: &[Word]) {
        let Some(printed) = printed::by_printf(words) else { return self.unclear() };
        let model = Word { is_pattern: words.iter().any(|word| word.is_pattern), ..Word::default() };
        for text in printed.split_whitespace() {
            let word = Word { text: text.to_owned(), ..model.clone() };
            self.facts.dangerous |= targets::is_secret(&word);
        }
    }

    fn judge(&mut self, name: &str, words: &[Word], around: Around<'_>) -> Fed {
        if let Some((_, with_value, operands)) = WRAPPERS.iter().find(|(wrapper, ..)| *wrapper == name) {
            return self.wrapped(name, words, (with_value, *operands), around);
        }
        if SHELLS.contains(&name) {
            return self.shell(name, words, around);
        }
        let family = name.trim_end_matches(|character: char| character.is_ascii_digit() || character == '.');
        if let Some((_, options)) =
            INTERPRETERS.iter().find(|(interpreter, _)| *interpreter == name || *interpreter == family)
        {
            return self.interpreter(words, options, around);
        }
        if UNREADABLE.contains(&name) {
            self.unclear();
        }
        self.facts.dangerous |= DANGEROUS.contains(&name) || name.starts_with("mkfs.");
        match name {
            "cd" | "pushd" => {
                let to = words.iter().find(|word| !word.text.starts_with('-')).map_or("", |word| &word.text);
                if to.len() > MAX_DIRECTORY {
                    self.unclear();
                } else {
                    to.trim_end_matches('/').clone_into(&mut self.directory);
                }
            }
            "eval" => self.evaluated(words, around),
            "." | "source" => return self.sourced(words, around),
            "trap" => {
                if let Some(text) = words.first().filter(|word| word.text != "-") {
                    self.script(&text.text, Around::default().at(around.depth.saturating_add(1)));
                }
            }
            "export" | "declare" | "typeset" | "local" | "readonly" => {
                for word in words {
                    self.assigned(word);
                }
            }
            "su" | "watch" | "ssh" => self.other_shell(name, words, around),
            _ => programs::judge(self, name, words, around),
        }
        if programs::gets_file(name) || (name == "tee" && around.fed.by_foreign) {
            let names = words.iter().map(|word| targets::name(word.text.split(['?', '#']).next().unwrap_or_default()));
            let names = names.filter(|name| !name.is_empty() && !name.starts_with('-')).map(str::to_owned);
            self.fetched.extend(names.take(MAX_NAMES));
        }
        self.facts.dangerous |=
            around.fed.by_environment && (DOWNLOADERS.contains(&name) || CONNECTORS.contains(&name));
        self.facts.dangerous |=
            CONNECTORS.contains(&name) && (around.fed.by_any || matches!(around.input, Some((Direction::From, _))));
        Fed {
            by_any: false,
            by_foreign: DOWNLOADERS.contains(&name) || DECODERS.contains(&name),
            by_environment: matches!(name, "env" | "printenv" | "set" | "export" | "declare"),
        }
    }

    /// A program that runs the one in its words.
    fn wrapped(&mut self, name: &str, words: &[Word], takes: (&str, usize), around: Around<'_>) -> Fed {
        let (with_value, mut operands) = takes;
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            let text = word.text.as_str();
            if text == "--" {
                rest = after;
                break;
            }
            if word.splits {
                // Options and operands of which nothing is known.
                self.unclear();
                return Fed::default();
            }
            if let Some(option) = text.strip_prefix("--") {
                let is_split = name == "env" && option.starts_with('s');
                if let Some((_, value)) = option.split_once('=').filter(|_| is_split) {
                    self.script(value, around.deeper());
                } else if !option.contains('=') && !PLAIN_OPTIONS.contains(&text) {
                    self.unclear();
                }
                rest = after;
            } else if let Some(option) = text.strip_prefix('-').filter(|option| !option.is_empty()) {
                if name == "command" && option.contains(['v', 'V']) {
                    return Fed::default();
                }
                let valued = option.find(|character| with_value.contains(character));
                let is_split = name == "env" && option.contains('S');
                let is_shell = matches!(name, "flock" | "runuser") && option.contains('c');
                if is_split || is_shell {
                    let letter = if is_split { 'S' } else { 'c' };
                    let attached = option.split_once(letter).map_or("", |(_, value)| value);
                    let text = if attached.is_empty() { after.first().map_or("", |word| &word.text) } else { attached };
                    let rest = if attached.is_empty() { after.get(1..).unwrap_or_default() } else { after };
                    let joined = std::iter::once(text).chain(rest.iter().map(|word| word.text.as_str()));
                    let joined = joined.collect::<Vec<_>>().join(" ");
                    self.script(&joined, around.deeper());
                    return Fed::default();
                }
                // The value is attached, or the next word.
                let is_last = valued.is_some_and(|place| place.saturating_add(1) == option.len());
                rest = if is_last { after.get(1..).unwrap_or_default() } else { after };
            } else if operands > 0 {
                operands = operands.saturating_sub(1);
                rest = after;
            } else if matches!(name, "env" | "sudo" | "doas") && self.assigned(word) {
                rest = after;
            } else {
                break;
            }
        }
        // The rest is the other program's.
        self.words_of(name, words.get(..words.len().saturating_sub(rest.len())).unwrap_or_default());
        if rest.is_empty() {
            return Fed { by_environment: name == "env", ..Fed::default() };
        }
        if matches!(name, "xargs" | "gxargs") {
            let found = Word { text: UNKNOWN.to_string(), splits: true, ..Word::default() };
            let words: Vec<Word> = rest.iter().cloned().chain([found]).collect();
            // What it is fed goes into the words of the command, not to the command.
            let inner = Around { is_repeated: true, fed: Fed::default(), ..around };
            return self.run(&words, inner.deeper());
        }
        self.run(rest, around.deeper())
    }

    fn shell(&mut self, name: &str, words: &[Word], around: Around<'_>) -> Fed {
        let unknown = Fed { by_any: false, by_foreign: true, by_environment: false };
        if matches!(name, "fish" | "csh" | "tcsh") && !words.is_empty() {
            self.unclear();
        }
        let mut rest = words;
        let mut reads_input = false;
        let mut wants_text = false;
        while let Some((word, after)) = rest.split_first() {
            let text = word.text.as_str();
            if word.splits {
                self.facts.dangerous |= word.is_of_command;
                self.unclear();
                return unknown;
            }
            if text == "--" {
                rest = after;
                break;
            }
            let Some(option) = text.strip_prefix(['-', '+']).filter(|option| !option.is_empty()) else { break };
            if matches!(text, "--version" | "--help") {
                return Fed::default();
            }
            rest = after;
            if option.starts_with('-') {
                if matches!(option, "-rcfile" | "-init-file") {
                    self.unclear();
                }
                continue;
            }
            wants_text |= option.contains('c');
            reads_input |= option.contains('s');
            if option.ends_with(['o', 'O']) {
                rest = rest.get(1..).unwrap_or_default();
            }
        }
        match rest.first() {
            Some(text) if wants_text => {
                self.facts.dangerous |= text.is_of_command;
                // Names that are found become part of the text.
                if around.is_repeated && text.text.contains("{}") {
                    self.unclear();
                }
                self.script(&text.text, around.deeper());
            }
            Some(file)
                if !reads_input && !matches!(&*file.text, "-" | "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0") =>
            {
                self.file(file);
            }
            _ => self.input(around, true),
        }
        unknown
    }

    /// A program that runs what it reads, in a language that is not followed.
    fn interpreter(&mut self, words: &[Word], options: &[&str], around: Around<'_>) -> Fed {
        let unknown = Fed { by_any: false, by_foreign: true, by_environment: false };
        let letters: String =
            options.iter().filter(|option| option.len() == 2).filter_map(|option| option.chars().nth(1)).collect();
        for (place, word) in words.iter().enumerate() {
            let text = word.text.as_str();
            if word.splits {
                self.facts.dangerous |= word.is_of_command;
                self.unclear();
                return unknown;
            }
            if matches!(text, "--version" | "-V" | "--help" | "-h" | "-v") {
                return Fed::default();
            }
            if text == "-m" && options.contains(&"-m") {
                let module = words.get(place.saturating_add(1)).map_or("", |word| &word.text);
                if !HARMLESS_MODULES.contains(&module) {
                    self.unclear();
                }
                return unknown;
            }
            let is_cluster = text.starts_with('-') && !text.starts_with("--") && text.len() > 1;
            let is_code = options.iter().any(|option| text == *option || text.starts_with(&format!("{option}=")))
                || is_cluster && text.contains(|character| letters.contains(character));
            if is_code {
                self.unclear();
                return unknown;
            }
            if text == "-" || text == "/dev/stdin" {
                self.input(around, false);
                return unknown;
            }
            if !is_cluster && !text.starts_with("--") {
                self.file(word);
                return unknown;
            }
        }
        self.input(around, false);
        unknown
    }

    /// A script in a file.
    fn file(&mut self, file: &Word) {
        self.facts.dangerous |= file.is_of_command || self.fetched.contains(targets::name(&file.text));
        if file.is_unknown() || file.is_pattern {
            self.unclear();
        }
    }

    /// A script that a program reads where others read data.
    fn input(&mut self, around: Around<'_>, is_shell: bool) {
        match around.input {
            Some((Direction::Here, text)) if is_shell => {
                self.facts.dangerous |= text.is_of_command;
                self.script(&text.text, Around { fed: Fed::default(), ..around }.deeper());
            }
            Some((Direction::From, file)) => self.file(file),
            Some(_) => self.unclear(),
            None if around.fed.by_any => {
                self.facts.dangerous |= around.fed.by_foreign;
                self.unclear();
            }
            None => {}
        }
    }

    fn evaluated(&mut self, words: &[Word], around: Around<'_>) {
        let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        self.facts.dangerous |= text.contains(UNKNOWN);
        self.script(&text, around.deeper());
    }

    fn sourced(&mut self, words: &[Word], around: Around<'_>) -> Fed {
        match words.first() {
            Some(file) if matches!(&*file.text, "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0") => {
                self.input(around, true);
            }
            Some(file) => self.file(file),
            None => {}
        }
        Fed { by_any: false, by_foreign: true, by_environment: false }
    }

    /// Programs that hand their words to a shell of another user, place or time.
    fn other_shell(&mut self, name: &str, words: &[Word], around: Around<'_>) {
        let with_value = match name {
            "ssh" => "BbcDEeFIiJLlmOopPQRSWw",
            "watch" => "n",
            _ => "sgGwC",
        };
        let mut rest = words;
        let mut has_host = name != "ssh";
        while let Some((word, after)) = rest.split_first() {
            let text = word.text.as_str();
            if name == "ssh" {
                let lower = text.to_ascii_lowercase();
                self.facts.dangerous |=
                    ["proxycommand", "localcommand", "knownhostscommand"].iter().any(|option| lower.contains(option));
            }
            if name == "su" {
                let is_cluster = text.starts_with('-') && !text.starts_with("--") && text.contains('c');
                if is_cluster || text == "--command" {
                    let text = after.first().map_or("", |word| &word.text);
                    self.script(text, around.deeper());
                }
                rest = after;
                continue;
            }
            match text.strip_prefix('-').filter(|option| !option.is_empty()) {
                Some(option) => {
                    let is_valued = !option.starts_with('-') && option.ends_with(|letter| with_value.contains(letter));
                    rest = if is_valued { after.get(1..).unwrap_or_default() } else { after };
                }
                None if has_host => break,
                None => {
                    has_host = true;
                    rest = after;
                }
            }
        }
        if name == "su" {
            return;
        }
        if rest.is_empty() {
            if name == "ssh" {
                self.input(around, true);
            }
            return;
        }
        let text = rest.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        self.script(&text, around.deeper());
    }

    /// Whether a file of this name was got from elsewhere before.
    pub(super) fn has_fetched(&self, word: &Word) -> bool {
        self.fetched.contains(targets::name(&word.text))
    }
}

impl Around<'_> {
    const fn at(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// The same, for one program that another one runs on what it finds.
    pub(super) const fn repeated(self) -> Self {
        Self {
            is_repeated: true,
            fed: Fed { by_any: false, by_foreign: false, by_environment: false },
            ..self.deeper()
        }
    }

    /// The same, for one program that another one runs once.
    pub(super) const fn inner(self) -> Self {
        self.deeper()
    }
}
