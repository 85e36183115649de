//! Tokens of the POSIX shell (IEEE Std 1003.1, "Shell Command Language", 2.2 and 2.3), with Bash's quotes, here-strings and
//! process substitutions.
//!
//! Nothing is expanded. What an expansion would become is [`UNKNOWN`] in its word; commands inside substitutions are put
//! aside, to be read as scripts of their own.

/// Stands for what an expansion becomes. A text that holds this very character is not read.
pub(super) const UNKNOWN: char = '\u{F8FF}';

/// A word, unquoted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "what a word is made of is independent of each other")]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) is_quoted: bool,
    /// It may become several words, or none: an expansion stands in it without quotes.
    pub(super) splits: bool,
    /// It is a pattern, or has braces to expand.
    pub(super) is_pattern: bool,
    /// What another command writes is part of it.
    pub(super) is_of_command: bool,
}

impl Word {
    /// A word that is nothing but its text.
    pub(super) fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), is_quoted: true, ..Self::default() }
    }

    /// Whether part of it depends on what the shell knows.
    pub(super) fn is_unknown(&self) -> bool {
        self.text.contains(UNKNOWN)
    }

    /// Whether it is this, without any quotes: a keyword.
    pub(super) fn is_bare(&self, text: &str) -> bool {
        !self.is_quoted && self.text == text
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    /// `;`, `&`, `&&`, `||`, and the end of a line.
    Separator,
    /// `;;`, `;&`, `;;&`.
    CaseEnd,
    Pipe,
    Open,
    Close,
    /// What is read or written by a command, and where.
    Redirect(Direction, Word),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From a file.
    From,
    /// To a file.
    To,
    /// From a text: here-documents and here-strings.
    Here,
    /// Another descriptor.
    Descriptor,
}

/// What a text consists of.
#[derive(Debug, Default)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    /// Commands in substitutions, and whether it is they who are written to (`>(…)`).
    pub(super) nested: Vec<(String, bool)>,
}

/// The tokens of a text; `None` where a quote or a substitution does not end, or what there is cannot be told.
pub(super) fn lex(text: &str) -> Option<Lexed> {
    if text.contains(['\0', UNKNOWN]) {
        return None;
    }
    lex_again(text)
}

/// The same for a text that comes of a word, so that parts may be unknown.
pub(super) fn lex_again(text: &str) -> Option<Lexed> {
    let mut lexer = Lexer::new(text, 0);
    lexer.run()?;
    Some(lexer.lexed)
}

struct Lexer {
    text: Vec<char>,
    place: usize,
    /// Expansions inside one another.
    depth: usize,
    /// Here-documents whose text begins after this line: where their token is, their end, and whether tabs are taken away.
    waiting: Vec<(usize, Word, bool)>,
    lexed: Lexed,
}

impl Lexer {
    fn new(text: &str, depth: usize) -> Self {
        Self { text: text.chars().collect(), place: 0, depth, waiting: Vec::new(), lexed: Lexed::default() }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.place.saturating_add(ahead)).copied()
    }

    fn begins_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, character)| self.peek(ahead) == Some(character))
    }

    const fn skip(&mut self, count: usize) {
        self.place = self.place.saturating_add(count);
    }

    fn slice(&self, from: usize, to: usize) -> String {
        self.text.get(from..to).unwrap_or_default().iter().collect()
    }

    fn run(&mut self) -> Option<()> {
        while let Some(character) = self.peek(0) {
            match character {
                '\n' => {
                    self.skip(1);
                    self.lexed.tokens.push(Token::Separator);
                    self.here_documents()?;
                }
                ' ' | '\t' => self.skip(1),
                '\\' if self.peek(1) == Some('\n') => self.skip(2),
                '#' => {
                    while self.peek(0).is_some_and(|character| character != '\n') {
                        self.skip(1);
                    }
                }
                _ => self.token()?,
            }
        }
        // A here-document that never begins.
        self.waiting.is_empty().then_some(())
    }

    fn token(&mut self) -> Option<()> {
        const OPERATORS: &[(&str, Token)] = &[
            (";;&", Token::CaseEnd),
            (";;", Token::CaseEnd),
            (";&", Token::CaseEnd),
            ("&&", Token::Separator),
            ("||", Token::Separator),
            ("|&", Token::Pipe),
            ("|", Token::Pipe),
            (";", Token::Separator),
            ("(", Token::Open),
            (")", Token::Close),
        ];
        if self.redirect()? {
            return Some(());
        }
        if let Some((operator, token)) = OPERATORS.iter().find(|(operator, _)| self.begins_with(operator)) {
            self.skip(operator.len());
            self.lexed.tokens.push(token.clone());
            return Some(());
        }
        if self.peek(0) == Some('&') {
            self.skip(1);
            self.lexed.tokens.push(Token::Separator);
            return Some(());
        }
        let before = self.place;
        let word = self.word()?;
        if self.place == before || runs_in_sums(&word.text) {
            return None;
        }
        self.lexed.tokens.push(Token::Word(word));
        Some(())
    }

    /// `2>file`, `&>file`, `<<END` and the like, with the word after it. Whether there is one.
    fn redirect(&mut self) -> Option<bool> {
        const OPERATORS: &[(&str, Direction)] = &[
            ("&>>", Direction::To),
            ("&>", Direction::To),
            ("<<<", Direction::Here),
            ("<<-", Direction::Here),
            ("<<", Direction::Here),
            (">>", Direction::To),
            (">|", Direction::To),
            (">&", Direction::Descriptor),
            ("<&", Direction::Descriptor),
            ("<>", Direction::To),
            (">", Direction::To),
            ("<", Direction::From),
        ];
        let start = self.place;
        while self.peek(0).is_some_and(|character| character.is_ascii_digit()) {
            self.skip(1);
        }
        let found = OPERATORS.iter().find(|(operator, _)| self.begins_with(operator));
        let is_process = (self.begins_with("<(") || self.begins_with(">(")) && self.place == start;
        let Some((operator, direction)) = found.filter(|_| !is_process) else {
            self.place = start;
            return Some(false);
        };
        self.skip(operator.len());
        while matches!(self.peek(0), Some(' ' | '\t')) {
            self.skip(1);
        }
        let before = self.place;
        let word = self.word()?;
        if self.place == before {
            return None;
        }
        let is_number = word.text.chars().all(|character| character.is_ascii_digit() || character == '-');
        let direction = match direction {
            Direction::Descriptor if !is_number => Direction::To,
            direction => *direction,
        };
        if operator.starts_with("<<") && *operator != "<<<" {
            self.waiting.push((self.lexed.tokens.len(), word.clone(), *operator == "<<-"));
        }
        self.lexed.tokens.push(Token::Redirect(direction, word));
        Some(true)
    }

    /// The texts of here-documents that were announced on the line before.
    fn here_documents(&mut self) -> Option<()> {
        for (token, end, strips) in std::mem::take(&mut self.waiting) {
            let mut body = String::new();
            loop {
                self.peek(0)?;
                let start = self.place;
                while self.peek(0).is_some_and(|character| character != '\n') {
                    self.skip(1);
                }
                let line = self.slice(start, self.place);
                self.skip(1);
                let line = if strips { line.trim_start_matches('\t') } else { &line };
                if line == end.text {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            let word = if end.is_quoted { Word::plain(&body) } else { self.expanded(&body)? };
            if let Some(found) = self.lexed.tokens.get_mut(token) {
                *found = Token::Redirect(Direction::Here, word);
            }
        }
        Some(())
    }

    /// A text as it is between double quotes.
    fn expanded(&mut self, text: &str) -> Option<Word> {
        let depth = self.depth.checked_add(1).filter(|depth| *depth <= MAX_NESTING)?;
        let mut inner = Self::new(text, depth);
        let mut word = Word { is_quoted: true, ..Word::default() };
        while let Some(character) = inner.peek(0) {
            inner.between_quotes(character, &mut word)?;
        }
        self.lexed.nested.append(&mut inner.lexed.nested);
        Some(word)
    }

    fn word(&mut self) -> Option<Word> {
        let mut word = Word::default();
        while let Some(character) = self.peek(0) {
            match character {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' => break,
                '<' | '>' => {
                    if self.peek(1) != Some('(') || !word.text.is_empty() {
                        break;
                    }
                    self.skip(1);
                    self.command(&mut word, character == '>')?;
                }
                '\\' => {
                    if let Some(next) = self.peek(1).filter(|next| *next != '\n') {
                        word.text.push(next);
                        word.is_quoted = true;
                    }
                    self.skip(2);
                }
                '\'' => {
                    self.skip(1);
                    while self.peek(0)? != '\'' {
                        word.text.push(self.peek(0)?);
                        self.skip(1);
                    }
                    self.skip(1);
                    word.is_quoted = true;
                }
                '"' => self.quoted(&mut word)?,
                '$' if self.peek(1) == Some('\'') => self.c_string(&mut word)?,
                '$' if self.peek(1) == Some('"') => {
                    self.skip(1);
                    self.quoted(&mut word)?;
                }
                '$' | '`' => {
                    self.expansion(&mut word)?;
                    word.splits |= word.text.ends_with(UNKNOWN);
                }
                _ => {
                    word.splits |= character == UNKNOWN;
                    word.is_pattern |=
                        matches!(character, '*' | '?' | '[') || (character == '{' && self.has_alternatives());
                    word.text.push(character);
                    self.skip(1);
                }
            }
        }
        Some(word)
    }

    /// Whether braces that begin here are expanded.
    fn has_alternatives(&self) -> bool {
        let rest = self.text.get(self.place..).unwrap_or_default();
        let inner = rest.iter().take_while(|character| !character.is_whitespace() && **character != '}');
        let inner: String = inner.take(MAX_BRACES).collect();
        inner.contains(',') || inner.contains("..") || inner.chars().count() == MAX_BRACES
    }

    fn quoted(&mut self, word: &mut Word) -> Option<()> {
        self.skip(1);
        word.is_quoted = true;
        loop {
            match self.peek(0)? {
                '"' => {
                    self.skip(1);
                    return Some(());
                }
                character => self.between_quotes(character, word)?,
            }
        }
    }

    /// One character between double quotes, or one expansion.
    fn between_quotes(&mut self, character: char, word: &mut Word) -> Option<()> {
        match character {
            '\\' => {
                let next = self.peek(1);
                match next {
                    Some('\n') => {}
                    Some(next @ ('$' | '`' | '"' | '\\')) => word.text.push(next),
                    Some(next) => word.text.extend(['\\', next]),
                    None => word.text.push('\\'),
                }
                self.skip(2);
            }
            '$' | '`' => self.expansion(word)?,
            _ => {
                word.text.push(character);
                self.skip(1);
            }
        }
        Some(())
    }

    /// What begins with `$` or a backquote.
    fn expansion(&mut self, word: &mut Word) -> Option<()> {
        if self.peek(0) == Some('`') {
            self.skip(1);
            let mut inner = String::new();
            loop {
                match self.peek(0)? {
                    '`' => break,
                    '\\' => {
                        match self.peek(1)? {
                            next @ ('`' | '\\' | '$') => inner.push(next),
                            next => inner.extend(['\\', next]),
                        }
                        self.skip(2);
                    }
                    character => {
                        inner.push(character);
                        self.skip(1);
                    }
                }
            }
            self.skip(1);
            self.lexed.nested.push((inner, false));
            word.text.push(UNKNOWN);
            word.is_of_command = true;
            return Some(());
        }
        match self.peek(1) {
            Some('(') => {
                self.skip(1);
                return self.command(word, false);
            }
            Some('{') => {
                let start = self.place.saturating_add(2);
                let end = balanced(&self.text, start, Inside::Brace)?;
                let inner = self.slice(start, end.saturating_sub(1));
                self.place = end;
                // Runs what a variable holds, or names another one.
                if inner.contains("@P") || inner.contains('\'') {
                    return None;
                }
                let inner = self.expanded(&inner)?;
                word.is_of_command |= inner.is_of_command;
            }
            Some(next) if next.is_ascii_alphabetic() || next == '_' => {
                self.skip(1);
                while self.peek(0).is_some_and(|character| character.is_ascii_alphanumeric() || character == '_') {
                    self.skip(1);
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!' | '0'..='9') => self.skip(2),
            _ => {
                word.text.push('$');
                self.skip(1);
                return Some(());
            }
        }
        word.text.push(UNKNOWN);
        Some(())
    }

    /// The command, or sum, in the parentheses that begin here.
    fn command(&mut self, word: &mut Word, is_written: bool) -> Option<()> {
        let start = self.place.saturating_add(1);
        let end = balanced(&self.text, start, Inside::Parentheses)?;
        let inner = self.slice(start, end.saturating_sub(1));
        let is_sum = self.text.get(start) == Some(&'(')
            && balanced(&self.text, start.saturating_add(1), Inside::Parentheses) == Some(end.saturating_sub(1));
        self.place = end;
        word.text.push(UNKNOWN);
        if is_sum {
            let inner = self.expanded(&inner)?;
            word.is_of_command |= inner.is_of_command;
        } else {
            self.lexed.nested.push((inner, is_written));
            word.is_of_command = true;
        }
        Some(())
    }

    /// `$'…'`, whose escapes are those of C.
    fn c_string(&mut self, word: &mut Word) -> Option<()> {
        self.skip(2);
        word.is_quoted = true;
        loop {
            let character = self.peek(0)?;
            self.skip(1);
            match character {
                '\'' => return Some(()),
                '\\' => {
                    let escaped = self.peek(0)?;
                    self.skip(1);
                    let character = match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' => '\u{7}',
                        'b' => '\u{8}',
                        'e' | 'E' => '\u{1B}',
                        'f' => '\u{C}',
                        'v' => '\u{B}',
                        'x' => self.number(16, 2)?,
                        'u' => self.number(16, 4)?,
                        'U' => self.number(16, 8)?,
                        '0'..='7' => {
                            self.place = self.place.saturating_sub(1);
                            self.number(8, 3)?
                        }
                        'c' => return None,
                        other => other,
                    };
                    if character == '\0' {
                        return None;
                    }
                    word.text.push(character);
                }
                other => word.text.push(other),
            }
        }
    }

    fn number(&mut self, radix: u32, most: usize) -> Option<char> {
        let mut number: u32 = 0;
        for _ in 0..most {
            let Some(digit) = self.peek(0).and_then(|character| character.to_digit(radix)) else { break };
            number = number.checked_mul(radix)?.checked_add(digit)?;
            self.skip(1);
        }
        char::from_u32(number)
    }
}

/// Whether a text has a command in an index: shells run it where a variable that holds the text stands in a sum.
fn runs_in_sums(text: &str) -> bool {
    text.split('[').skip(1).any(|index| index.contains("$(") || index.contains('`'))
}

/// Expansions inside one another that are read.
const MAX_NESTING: usize = 8;

/// Braces longer than that are taken for such that are expanded.
const MAX_BRACES: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Parentheses,
    Brace,
    Quotes,
    Backquotes,
}

/// Where what begins at a place ends: after its closing character. `None` where it does not.
fn balanced(text: &[char], start: usize, inside: Inside) -> Option<usize> {
    let mut open = vec![inside];
    let mut place = start;
    loop {
        let character = *text.get(place)?;
        let next = text.get(place.saturating_add(1)).copied();
        let top = *open.last()?;
        let mut length = 1_usize;
        match (top, character) {
            (_, '\\') => length = 2,
            (Inside::Quotes, '"') | (Inside::Backquotes, '`') | (Inside::Brace, '}') | (Inside::Parentheses, ')') => {
                open.pop();
                if open.is_empty() {
                    return Some(place.saturating_add(1));
                }
            }
            (Inside::Backquotes, _) => {}
            (_, '`') => open.push(Inside::Backquotes),
            (_, '$') if next == Some('{') => {
                open.push(Inside::Brace);
                length = 2;
            }
            (_, '$') if next == Some('(') => {
                open.push(Inside::Parentheses);
                length = 2;
            }
            (Inside::Quotes, _) => {}
            (_, '"') => open.push(Inside::Quotes),
            // Shells do not agree on what it means there.
            (Inside::Brace, '\'') => return None,
            (Inside::Parentheses, '\'') => {
                let is_c = place.checked_sub(1).and_then(|before| text.get(before)) == Some(&'$');
                let mut end = place.saturating_add(1);
                while *text.get(end)? != '\'' {
                    end = end.saturating_add(if is_c && text.get(end) == Some(&'\\') { 2 } else { 1 });
                }
                length = end.saturating_sub(place).saturating_add(1);
            }
            (Inside::Parentheses, '(') => open.push(Inside::Parentheses),
            // A comment may hold anything.
            (Inside::Parentheses, '#')
                if place
                    .checked_sub(1)
                    .and_then(|before| text.get(before))
                    .is_some_and(|before| before.is_whitespace() || matches!(before, ';' | '&' | '|' | '(')) =>
            {
                let rest = text.get(place..).unwrap_or_default();
                length = rest.iter().take_while(|character| **character != '\n').count();
            }
            _ => {}
        }
        place = place.saturating_add(length);
    }
}
