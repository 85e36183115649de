//! Policy files: their statements one by one, places in them, and the hash that stands for all of them.
//!
//! Statements are cut apart here so that every fault in every policy is found in one go (Cedar's parser stops at the
//! first it cannot recover from) and so that each policy knows its line. Cedar parses the whole file besides, and a
//! file in which the two count differently is refused: no policy may get lost between two readings of one text.

use aws_lc_rs::digest;

use crate::error::Place;

/// One policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's name, for messages and ids; part of the hash.
    pub name: String,
    /// Its text, in Cedar's policy syntax.
    pub text: String,
}

impl Source {
    /// The line and column of a byte offset; past the end, those of the end.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let in_line = before.rsplit('\n').next().unwrap_or_default();
        Place { file: self.name.clone(), line, column: in_line.chars().count().saturating_add(1) }
    }

    /// The policies of the file, each from its first word or annotation to its semicolon. What stands after the last
    /// semicolon is a statement too, for the parser to refuse.
    pub(crate) fn statements(&self) -> Vec<Statement<'_>> {
        let mut found = Vec::new();
        let mut rest = self.text.as_str();
        loop {
            rest = after_trivia(rest);
            if rest.is_empty() {
                return found;
            }
            let (text, after) = rest.split_at(statement_length(rest));
            found.push(Statement { source: self, start: self.text.len().saturating_sub(rest.len()), text });
            rest = after;
        }
    }
}

/// One policy's text in its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement<'a> {
    source: &'a Source,
    start: usize,
    pub(crate) text: &'a str,
}

impl Statement<'_> {
    /// Where a byte offset in the statement is.
    pub(crate) fn place(&self, offset: usize) -> Place {
        self.source.place(self.start.saturating_add(offset))
    }

    /// Where the first of these words is that occurs in the statement; else where the statement begins.
    pub(crate) fn find(&self, words: &[&str]) -> Place {
        self.place(words.iter().find_map(|word| self.text.find(word)).unwrap_or(0))
    }
}

/// `sha256:` and the hex digest over every source, in order of name: length (8 bytes, big-endian) and bytes of the name,
/// then of the text. Lengths keep one set of files from passing as another.
pub(crate) fn hash(sources: &[Source]) -> String {
    let mut sorted: Vec<_> = sources.iter().collect();
    sorted.sort_by(|a, b| (&a.name, &a.text).cmp(&(&b.name, &b.text)));
    let mut context = digest::Context::new(&digest::SHA256);
    for part in sorted.iter().flat_map(|source| [&source.name, &source.text]) {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part.as_bytes());
    }
    let hex = context.finish().as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    format!("sha256:{hex}")
}

/// Skips white space and comments. Cedar ends a comment at CR as well as at LF.
fn after_trivia(text: &str) -> &str {
    let mut rest = text.trim_start();
    while let Some(comment) = rest.strip_prefix("//") {
        rest = comment.trim_start_matches(|letter| !matches!(letter, '\n' | '\r')).trim_start();
    }
    rest
}

/// The length up to and with the first semicolon outside strings and comments; else all of it.
fn statement_length(text: &str) -> usize {
    let mut place = Within::Code;
    let mut previous = '\0';
    for (offset, letter) in text.char_indices() {
        place = match (place, letter) {
            (Within::Code, ';') => return offset.saturating_add(1),
            (Within::Code, '"') | (Within::Escape, _) => Within::Text,
            (Within::Code, '/') if previous == '/' => Within::Comment,
            (Within::Text, '\\') => Within::Escape,
            (Within::Text, '"') | (Within::Comment, '\n' | '\r') => Within::Code,
            (same, _) => same,
        };
        previous = letter;
    }
    text.len()
}

#[derive(Clone, Copy)]
enum Within {
    Code,
    Text,
    Escape,
    Comment,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { name: "a.cedar".into(), text: text.into() }
    }

    #[test]
    fn a_semicolon_in_a_string_or_comment_ends_nothing() {
        let source = source("// a; b\r@id(\"x;\\\";\") permit(a); // no;\n// no\n forbid // ; \"\n (b);\n  \n permit(");
        let texts: Vec<_> = source.statements().iter().map(|statement| statement.text).collect();
        assert_eq!(texts, ["@id(\"x;\\\";\") permit(a);", "forbid // ; \"\n (b);", "permit("]);
        assert_eq!(source.statements()[1].find(&["nowhere", "(b)"]).to_string(), "a.cedar:4:2");
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(source("é\nßß x").place(8).to_string(), "a.cedar:2:4");
        assert_eq!(source("").place(9).to_string(), "a.cedar:1:1");
    }

    #[test]
    fn the_hash_is_of_names_and_texts_whatever_their_order() {
        let named = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
        let (a, b) = (named("a", "1"), named("b", "2"));
        assert_eq!(hash(&[a.clone(), b.clone()]), hash(&[b, a.clone()]));
        assert_ne!(hash(&[named("ab", "c")]), hash(&[named("a", "bc")]));
        // Printed by: printf '\0\0\0\0\0\0\0\1a\0\0\0\0\0\0\0\0011' | sha256sum
        assert_eq!(hash(&[a]), "sha256:0e9c3156ac694b081269e7631db910df955a4df29e20086134d7aa57f4e54795");
    }
}
