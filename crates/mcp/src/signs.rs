//! Signs that a definition speaks to the model behind the user's back: what reviewers are shown beside a definition, and
//! what no decision rests on, because whoever knows the table writes around it.
//!
//! Looked through is every text of a definition, keys and schemas included. Words are compared in lower case, without the
//! characters that nobody sees, so that those do not hide what stands around them. The table is English, as poisoned
//! descriptions are.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::LazyLock;

use vidimus_core::hidden;
use vidimus_core::json::Value;

/// Characters nobody sees, or that change the order of others.
const INVISIBLE: &str = "invisible";
/// Control characters, escape sequences of terminals among them.
const ESCAPES: &str = "escapes";
/// A long run of what looks like base64.
const ENCODED: &str = "encoded";
/// Something is to be kept from the user.
const SECRECY: &str = "secrecy";
/// What was said before is not to count.
const OVERRIDE: &str = "override";
/// How other tools are to be used, or not.
const OTHER_TOOLS: &str = "other_tools";
/// Marks by which a text pretends to be another part of a conversation.
const MARKS: &str = "marks";
/// Places where secrets are kept.
const SECRETS: &str = "secrets";

/// The shortest run that counts as base64, in characters.
const SHORTEST_BLOB: usize = 64;

/// The fewest digits in one: of 64 random characters ten are.
const FEWEST_DIGITS: usize = 4;

/// Sequences of words: alternatives are apart by `|`, `*N` stands for up to N words of the same sentence.
const SEQUENCES: &[(&str, &str)] = &[
    (
        SECRECY,
        "not|dont|never|cannot|without *1 tell|telling|inform|informing|notify|notifying *2 user|users|human|anyone|them",
    ),
    (
        SECRECY,
        "not|dont|never|without *1 mention|mentioning|reveal|revealing|disclose|disclosing|show|showing|report *6 user|users|human|anyone|them",
    ),
    (SECRECY, "hide|conceal|keep *4 from the|your|any user|users|human|person"),
    (SECRECY, "without *2 users|user knowledge|noticing|consent|approval|confirmation|permission"),
    (SECRECY, "user|users must|should|shall not|never *2 know|see|notice|learn|aware|realize"),
    (SECRECY, "keep|do *2 secret|secretly|silently|covertly"),
    (SECRECY, "silently|secretly|covertly send|forward|copy|include|add|read|upload|attach|append|call|pass"),
    (
        OVERRIDE,
        "ignore|disregard|forget|override *3 previous|prior|earlier|above|preceding|system *2 instructions|instruction|rules|prompt|prompts|messages|guidelines|context",
    ),
    (OVERRIDE, "ignore|disregard|override *2 your|all *2 instructions|rules|guidelines|safety|training|restrictions"),
    (OVERRIDE, "you are now|no *4 longer|assistant|agent|mode|bound|unrestricted"),
    (OVERRIDE, "new|updated|real system prompt|instructions|message"),
    (OVERRIDE, "regardless of *3 user|users *2 says|asks|asked|wants|requested|instructions"),
    (
        OTHER_TOOLS,
        "before using|calling|invoking|running|executing *2 any|other|another|all|every *3 tool|tools|function|functions",
    ),
    (OTHER_TOOLS, "before|after any|every|each|all *2 other tool|tools|call|calls|function"),
    (OTHER_TOOLS, "always|must|first *2 call|use|invoke|run this|me *2 first|before"),
    (OTHER_TOOLS, "always|must|should *1 call|use|invoke|run *3 instead of|any|the *4 tool|tools"),
    (
        OTHER_TOOLS,
        "do|must|should not|never *1 use|call|invoke|trust *2 other|another|any|original|built *3 tool|tools|function|functions",
    ),
    (OTHER_TOOLS, "never|dont use|call|invoke|trust *2 other|another|any *3 tool|tools|function|functions"),
    (
        OTHER_TOOLS,
        "when|whenever|if|once|after *4 tool|function *1 is|gets|was|has *1 used|called|invoked|available|run|present",
    ),
    (
        OTHER_TOOLS,
        "when|whenever|if|after *1 using|calling|invoking|sending|running *2 with|other|another|any *3 tool|tools|function",
    ),
    (
        OTHER_TOOLS,
        "this|the *2 tool|tool_name|server replaces|overrides|supersedes|takes *3 other|another|all|any|precedence|tool|tools",
    ),
    (
        OTHER_TOOLS,
        "change|modify|replace|redirect|alter|set|send *4 recipient|arguments|argument|parameter|parameters|address of|in|for|to *3 other|another|every|all|any *3 tool|tools|call|calls|email|emails|message|messages",
    ),
    (
        SECRETS,
        "read|include|send|pass|paste|provide|attach|put|upload|copy|add *4 contents|content *3 file|files *3 as|in|into|to|here",
    ),
    (
        SECRETS,
        "pass|include|send|put|provide|add|attach *5 conversation|chat|system *2 history|prompt|transcript *3 as|in|into|to|parameter|argument",
    ),
    (
        SECRETS,
        "include|send|pass|put|provide|attach|add *4 api|private|secret|access|ssh *2 key|keys|token|tokens|password|credentials *4 as|in|into|to|parameter|argument|sidenote",
    ),
];

/// Texts that count wherever they stand, in lower case.
const MARKERS: &[(&str, &str)] = &[
    (MARKS, "<important>"),
    (MARKS, "<system"),
    (MARKS, "</system"),
    (MARKS, "<instructions>"),
    (MARKS, "<hidden"),
    (MARKS, "<secret"),
    (MARKS, "<|im_start"),
    (MARKS, "<|system"),
    (MARKS, "<|endoftext"),
    (MARKS, "[inst]"),
    (MARKS, "[system]"),
    (MARKS, "<<sys>>"),
    (MARKS, "### system"),
    (MARKS, "### instruction"),
    (MARKS, "<!--"),
    (SECRETS, "id_rsa"),
    (SECRETS, "id_ed25519"),
    (SECRETS, "~/.ssh"),
    (SECRETS, ".aws/credentials"),
    (SECRETS, ".kube/config"),
    (SECRETS, ".cursor/mcp.json"),
    (SECRETS, "/etc/shadow"),
    (SECRETS, ".netrc"),
];

/// One place of a sequence.
#[derive(Debug)]
enum Place {
    OneOf(Vec<&'static str>),
    UpTo(usize),
}

#[derive(Debug)]
struct Sequence {
    sign: &'static str,
    /// After the first word.
    rest: Vec<Place>,
}

/// The sequences by the words that they begin with.
static BY_FIRST_WORD: LazyLock<HashMap<&'static str, Vec<Sequence>>> = LazyLock::new(|| {
    let mut by_first = HashMap::<_, Vec<_>>::new();
    for (sign, sequence) in SEQUENCES {
        let mut words = sequence.split(' ');
        for first in words.next().unwrap_or_default().split('|') {
            let place = |word: &'static str| match word.strip_prefix('*').and_then(|most| most.parse().ok()) {
                Some(most) => Place::UpTo(most),
                None => Place::OneOf(word.split('|').collect()),
            };
            let rest = words.clone().map(place).collect();
            by_first.entry(first).or_default().push(Sequence { sign, rest });
        }
    }
    by_first
});

/// The signs in a definition, by name, each once and in order.
pub(crate) fn of(definition: Value<'_>) -> Vec<&'static str> {
    let mut signs = Vec::new();
    visit(definition, &mut signs);
    signs.sort_unstable();
    signs.dedup();
    signs
}

fn visit(value: Value<'_>, signs: &mut Vec<&'static str>) {
    if let Some(text) = value.as_str() {
        look(&text, signs);
    }
    for (key, member) in value.members() {
        look(&key, signs);
        visit(member, signs);
    }
    for element in value.elements() {
        visit(element, signs);
    }
}

/// Adds the signs in one text.
fn look(text: &str, signs: &mut Vec<&'static str>) {
    if hidden::has_invisible(text) {
        signs.push(INVISIBLE);
    }
    if hidden::has_escapes(text) {
        signs.push(ESCAPES);
    }
    if has_blob(text) {
        signs.push(ENCODED);
    }
    let visible: String = text.chars().filter(|character| !hidden::is_invisible(*character)).collect();
    let visible = visible.to_lowercase();
    signs.extend(MARKERS.iter().filter(|(_, marker)| visible.contains(marker)).map(|(sign, _)| sign));
    let words = words(&visible);
    for (at, word) in words.iter().enumerate() {
        let Some(sequences) = BY_FIRST_WORD.get(&**word) else { continue };
        let after = words.get(at + 1..).unwrap_or_default();
        signs.extend(sequences.iter().filter(|sequence| follows(&sequence.rest, after)).map(|sequence| sequence.sign));
    }
}

/// Whether words go on as a sequence does.
fn follows(places: &[Place], words: &[String]) -> bool {
    match places.split_first() {
        None => true,
        Some((Place::OneOf(known), rest)) => match words.split_first() {
            Some((word, after)) => known.contains(&word.as_str()) && follows(rest, after),
            None => false,
        },
        Some((Place::UpTo(most), rest)) => {
            let ends = words.iter().position(|word| word == SENTENCE_END).unwrap_or(words.len());
            (0..=ends.min(*most)).any(|gap| follows(rest, words.get(gap..).unwrap_or_default()))
        }
    }
}

/// Stands between sentences.
const SENTENCE_END: &str = ".";

/// The words of a text, without apostrophes, and the ends of its sentences.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_alphanumeric() {
            word.push(character);
            continue;
        }
        if matches!(character, '\'' | '\u{2019}') {
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        let ends =
            matches!(character, '.' | '!' | '?' | ';') && characters.peek().is_none_or(|next| next.is_whitespace());
        if ends {
            words.push(SENTENCE_END.to_owned());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether a run of base64 stands in a text: long, of small and capital letters and digits, and no path or name.
fn has_blob(text: &str) -> bool {
    let is_inside = |character: char| character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '-' | '_');
    text.split(|character: char| !is_inside(character)).any(|run| {
        let has = |is_one: fn(&u8) -> bool| run.as_bytes().iter().any(is_one);
        let parts = run.split(['/', '-', '_']).map(str::len).max().unwrap_or(0);
        run.len() >= SHORTEST_BLOB
            && parts >= SHORTEST_BLOB / 2
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_uppercase)
            && run.bytes().filter(u8::is_ascii_digit).count() >= FEWEST_DIGITS
    })
}
