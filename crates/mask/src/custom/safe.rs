//! Which regular expressions of others are run: those whose matches are short, whose automaton is small, and that match
//! ASCII alone.
//!
//! All shapes run in one automaton that takes one step a byte, so no pattern backtracks. What a pattern could still do is
//! grow without end (repetitions have an end), make the automaton large (it is built by itself first, within a bound), or
//! cut characters apart (only ASCII is matched).

use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{MatchKind, dfa::dense::BuildError};
use regex_syntax::ast::{self, Ast, RepetitionKind, RepetitionRange, Span, parse};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Bytes of a pattern.
const MAX_PATTERN: usize = 512;

/// Bytes of a match, at least and at most.
pub(super) const MIN_MATCH: usize = 3;
const MAX_MATCH: usize = 256;

/// Groups inside groups.
const MAX_NESTING: u32 = 32;

/// Memory of one pattern's automaton, and of building it.
const MAX_AUTOMATON: usize = 1 << 20;
const MAX_BUILDING: usize = 4 << 20;

/// Refuses what is not safe, and says what to write instead.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("a pattern has at most {MAX_PATTERN} bytes"));
    }
    let tree = parse::ParserBuilder::new().nest_limit(MAX_NESTING).build().parse(pattern);
    let tree = tree.map_err(|error| at(pattern, error.span(), &error.kind().to_string()))?;
    ast::visit(&tree, Syntax).map_err(|(span, why)| at(pattern, &span, why))?;
    let meaning = TranslatorBuilder::new().unicode(false).utf8(false).build().translate(pattern, &tree);
    let meaning = meaning.map_err(|error| at(pattern, error.span(), &error.kind().to_string()))?;
    if !is_ascii(&meaning) {
        return Err(
            "it may match what is not ASCII; instead of . or [^…] write what may stand there, such as [!-~]".to_owned()
        );
    }
    let lengths = (meaning.properties().minimum_len(), meaning.properties().maximum_len());
    let (Some(MIN_MATCH..), Some(..=MAX_MATCH)) = lengths else {
        return Err(format!("a match must have {MIN_MATCH} to {MAX_MATCH} bytes"));
    };
    build(pattern).map_err(|_| "it needs too large an automaton; make repetitions shorter or take some out".to_owned())
}

/// Refuses what has no end, and what looks at what is beside a match.
struct Syntax;

impl ast::Visitor for Syntax {
    type Output = ();
    type Err = (Span, &'static str);

    fn finish(self) -> Result<(), Self::Err> {
        Ok(())
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Self::Err> {
        match tree {
            Ast::Repetition(repetition) => match repetition.op.kind {
                RepetitionKind::ZeroOrMore
                | RepetitionKind::OneOrMore
                | RepetitionKind::Range(RepetitionRange::AtLeast(_)) => {
                    Err((repetition.op.span, "a repetition needs an end: write {1,20} instead of +"))
                }
                _ => Ok(()),
            },
            Ast::Assertion(assertion) => Err((
                assertion.span,
                "anchors and boundaries are not needed: a match begins and ends where a word does",
            )),
            _ => Ok(()),
        }
    }
}

fn is_ascii(meaning: &Hir) -> bool {
    match meaning.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => literal.0.is_ascii(),
        HirKind::Class(Class::Bytes(class)) => class.is_ascii(),
        HirKind::Class(Class::Unicode(class)) => class.is_ascii(),
        HirKind::Repetition(repetition) => is_ascii(&repetition.sub),
        HirKind::Capture(capture) => is_ascii(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_ascii),
    }
}

/// As `engine::automaton` builds it.
fn build(pattern: &str) -> Result<(), Box<BuildError>> {
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(MatchKind::All)
        .accelerate(false)
        .dfa_size_limit(Some(MAX_AUTOMATON))
        .determinize_size_limit(Some(MAX_BUILDING));
    dense::Builder::new()
        .configure(config)
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MAX_AUTOMATON)))
        .build(pattern)
        .map(drop)
        .map_err(Box::new)
}

/// A fault with its place, in characters from 1.
fn at(pattern: &str, span: &Span, why: &str) -> String {
    let before = pattern.get(..span.start.offset).unwrap_or(pattern);
    format!("{why} (at character {})", before.chars().count() + 1)
}
