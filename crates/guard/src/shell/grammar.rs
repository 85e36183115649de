//! Commands of a script, and what each is fed by (IEEE Std 1003.1, "Shell Command Language", 2.9 and 2.10).
//!
//! No tree is built: compounds are followed only as far as it takes to tell where commands begin, and which of them write
//! into which. Functions, aliases, arrays, `select` and `coproc` are not followed: with them, a script is not understood.

use super::lexer::{Direction, Token, Word};

/// A command with its words, without what surrounds it.
#[derive(Debug, Clone, Default)]
pub(super) struct Command {
    pub(super) words: Vec<Word>,
    pub(super) redirects: Vec<(Direction, Word)>,
    /// What commands before it in its pipeline write to it.
    pub(super) fed: Fed,
}

/// What arrives at a command by a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fed {
    pub(super) by_any: bool,
    /// By what comes from elsewhere, or was decoded.
    pub(super) by_foreign: bool,
    /// By the environment.
    pub(super) by_environment: bool,
}

impl Fed {
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            by_any: self.by_any || other.by_any,
            by_foreign: self.by_foreign || other.by_foreign,
            by_environment: self.by_environment || other.by_environment,
        }
    }
}

/// A compound that is open.
struct Frame {
    kind: Kind,
    /// What the compound as a whole is fed by.
    fed: Fed,
    /// What its pipeline has been fed with so far, itself included.
    inner: Fed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Parentheses,
    Braces,
    If,
    Loop,
    /// `case`; whether a pattern comes next.
    Case(bool),
}

/// Walks over commands; `judge` is told of each, and says what it feeds the next one with.
pub(super) fn walk(tokens: Vec<Token>, judge: &mut dyn FnMut(Command) -> Fed) -> Option<()> {
    let mut walker = Walker { command: Command::default(), flowing: Fed::default(), frames: Vec::new(), judge };
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        walker.step(token, &mut tokens)?;
    }
    walker.end_command(false);
    walker.frames.is_empty().then_some(())
}

struct Walker<'j> {
    command: Command,
    /// What the commands of the pipeline so far write.
    flowing: Fed,
    frames: Vec<Frame>,
    judge: &'j mut dyn FnMut(Command) -> Fed,
}

impl Walker<'_> {
    fn step(&mut self, token: Token, rest: &mut dyn Iterator<Item = Token>) -> Option<()> {
        if let Some(Frame { kind: kind @ Kind::Case(true), .. }) = self.frames.last_mut() {
            match token {
                Token::Close => *kind = Kind::Case(false),
                Token::Word(word) if word.is_bare("esac") => self.close(|kind| matches!(kind, Kind::Case(_)))?,
                Token::Word(_) | Token::Open | Token::Pipe | Token::Separator => {}
                Token::CaseEnd | Token::Redirect(..) => return None,
            }
            return Some(());
        }
        match token {
            Token::Word(word) if self.command.words.is_empty() => self.first(word, rest)?,
            Token::Word(word) => self.command.words.push(word),
            Token::Redirect(direction, word) => self.command.redirects.push((direction, word)),
            Token::Separator => self.end_command(false),
            Token::Pipe => self.end_command(true),
            Token::Open if self.command.words.is_empty() => self.open(Kind::Parentheses),
            // A function, or an array.
            Token::Open => return None,
            Token::Close => {
                self.end_command(false);
                self.close(|kind| kind == Kind::Parentheses)?;
            }
            Token::CaseEnd => {
                self.end_command(false);
                match self.frames.last_mut() {
                    Some(Frame { kind: kind @ Kind::Case(false), .. }) => *kind = Kind::Case(true),
                    _ => return None,
                }
            }
        }
        Some(())
    }

    /// The first word of a command, which may be one of the language.
    fn first(&mut self, word: Word, rest: &mut dyn Iterator<Item = Token>) -> Option<()> {
        if word.is_quoted {
            self.command.words.push(word);
            return Some(());
        }
        match word.text.as_str() {
            "if" => self.open(Kind::If),
            "while" | "until" => self.open(Kind::Loop),
            "{" => self.open(Kind::Braces),
            "then" | "else" | "elif" | "do" | "!" | "time" => {}
            "fi" => self.close(|kind| kind == Kind::If)?,
            "done" => self.close(|kind| kind == Kind::Loop)?,
            "}" => self.close(|kind| kind == Kind::Braces)?,
            "for" => {
                self.open(Kind::Loop);
                // Its name and words; what they hold has been read.
                loop {
                    match rest.next()? {
                        Token::Separator => break,
                        Token::Word(word) if word.is_bare("do") => break,
                        Token::Word(_) => {}
                        _ => return None,
                    }
                }
            }
            "case" => {
                self.open(Kind::Case(true));
                let Token::Word(_) = rest.next()? else { return None };
                loop {
                    match rest.next()? {
                        Token::Separator => {}
                        Token::Word(word) if word.is_bare("in") => break,
                        _ => return None,
                    }
                }
            }
            "[[" => loop {
                if let Token::Word(word) = rest.next()?
                    && word.is_bare("]]")
                {
                    break;
                }
            },
            "esac" => self.close(|kind| matches!(kind, Kind::Case(_)))?,
            "function" | "select" | "coproc" | "in" => return None,
            _ => self.command.words.push(word),
        }
        Some(())
    }

    fn open(&mut self, kind: Kind) {
        let outer = self.frames.last().map(|frame| frame.fed).unwrap_or_default();
        self.frames.push(Frame { kind, fed: outer.and(self.flowing), inner: self.flowing });
        self.flowing = Fed::default();
    }

    fn close(&mut self, is_meant: impl Fn(Kind) -> bool) -> Option<()> {
        let frame = self.frames.pop()?;
        self.flowing = frame.inner;
        is_meant(frame.kind).then_some(())
    }

    fn end_command(&mut self, is_piped: bool) {
        let command = std::mem::take(&mut self.command);
        let outer = self.frames.last().map(|frame| frame.fed).unwrap_or_default();
        if !(command.words.is_empty() && command.redirects.is_empty()) {
            let fed = outer.and(self.flowing);
            let written = (self.judge)(Command { fed, ..command });
            self.flowing = self.flowing.and(written);
            if let Some(frame) = self.frames.last_mut() {
                frame.inner = frame.inner.and(written);
            }
        }
        self.flowing = if is_piped { Fed { by_any: true, ..self.flowing } } else { Fed::default() };
    }
}
