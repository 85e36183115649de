//! The tree of a text, by the tables of PostgreSQL's own grammar (`gram.y`, PostgreSQL 17, in `postgresql-cst-parser`).
//!
//! The parser's lexer is a port with gaps, so it never sees the text. What it gets is plain: of the same length, comments blank,
//! every name in quotes, string and number replaced by one that cannot be misread, long lists of values cut short. Then the
//! tokens of its tree are compared with those of `scan`, one by one: if they differ, the text is refused. It recurses once per
//! level, and a level may be as small as a token: larger texts get a thread with a stack that fits.
//!
//! Kinds of nodes are named as in `gram.y`. Empty nodes are left out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use postgresql_cst_parser::syntax_kind::SyntaxKind;
use postgresql_cst_parser::{NodeOrToken, ResolvedNode};

use crate::error::ParseError;
use crate::scan::{Token, TokenKind};
use crate::{MAX_DEPTH, MAX_TOKENS};

/// Up to so many tokens are read on the caller's stack.
const FEW_TOKENS: usize = 256;
/// What a level of the parser's recursion may take, in bytes; two levels for each token, at most, besides nesting.
const STACK_PER_TOKEN: usize = 2 << 10;
const STACK_AT_LEAST: usize = 4 << 20;
/// Of a long list of plain values, or rows of them, so many are read: more than a row, a target list or a call may have.
const MAX_VALUES: usize = 2_000;

/// A node, or a token, of the tree. Those below it follow it in the tree, up to `end`.
#[derive(Debug, Clone, Copy)]
struct Node {
    kind: SyntaxKind,
    /// The first node that is not below this one.
    end: usize,
    /// The first token.
    from: usize,
    /// The token after the last.
    to: usize,
}

/// A parsed text: nodes in the order in which they begin.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    tokens: Vec<Token>,
    text: Box<str>,
}

impl Tree {
    /// The tree of a text that was divided into these tokens.
    pub(crate) fn parse(text: &str, tokens: Vec<Token>) -> Result<Self, ParseError> {
        check_depth(text, &tokens)?;
        let mut tokens = tokens;
        let is_left_out = values::left_out(text, &tokens);
        let kept = is_left_out.iter().filter(|is_left_out| !**is_left_out).count();
        if kept > MAX_TOKENS {
            return Err(ParseError::TooManyTokens);
        }
        let mut left_out = is_left_out.iter();
        tokens.retain(|_| !left_out.next().copied().unwrap_or(false));
        let plain = plain(text, &tokens)?;
        let nodes = if tokens.len() <= FEW_TOKENS {
            guarded(&plain, &tokens)
        } else {
            let stack = tokens.len().saturating_mul(STACK_PER_TOKEN).saturating_add(STACK_AT_LEAST);
            thread::scope(|scope| {
                let thread = thread::Builder::new().name("sql".into()).stack_size(stack);
                let read = thread.spawn_scoped(scope, || guarded(&plain, &tokens));
                read.map_err(|_| ParseError::Exhausted)?.join().unwrap_or(Err(ParseError::Disagreement))
            })
        }?;
        Ok(Self { nodes, tokens, text: text.into() })
    }

    pub(crate) const fn root(&self) -> Cursor<'_> {
        Cursor { tree: self, id: 0 }
    }

    pub(crate) const fn text(&self) -> &str {
        &self.text
    }
}

/// The parser's answer; its panics are errors.
fn guarded(plain: &str, tokens: &[Token]) -> Result<Vec<Node>, ParseError> {
    catch_unwind(AssertUnwindSafe(|| read(plain, tokens))).unwrap_or(Err(ParseError::Disagreement))
}

fn read(plain: &str, tokens: &[Token]) -> Result<Vec<Node>, ParseError> {
    let root = postgresql_cst_parser::parse(plain).map_err(|error| match error {
        postgresql_cst_parser::ParserError::ParseError { start_byte_pos, .. } => ParseError::Syntax(start_byte_pos),
        _ => ParseError::Disagreement,
    })?;
    flattened(&root, tokens)
}

/// The tree as a list, its tokens compared with those that are known.
fn flattened(root: &ResolvedNode, tokens: &[Token]) -> Result<Vec<Node>, ParseError> {
    let mut nodes = vec![Node { kind: root.kind(), end: 0, from: 0, to: 0 }];
    let mut open = vec![(0_usize, root.children_with_tokens())];
    let mut next_token = 0_usize;
    while let Some((id, children)) = open.last_mut() {
        match children.next() {
            Some(NodeOrToken::Node(node)) => {
                let id = nodes.len();
                nodes.push(Node { kind: node.kind(), end: 0, from: next_token, to: 0 });
                open.push((id, node.children_with_tokens()));
            }
            Some(NodeOrToken::Token(leaf)) => {
                if leaf.kind() == SyntaxKind::Whitespace {
                    continue;
                }
                let range = leaf.text_range();
                let (start, end) = (usize::from(range.start()), usize::from(range.end()));
                let token = tokens.get(next_token).ok_or(ParseError::Disagreement)?;
                if start < token.start || end != token.end || !is_same_kind(leaf.kind(), token.kind) {
                    return Err(ParseError::Disagreement);
                }
                let (from, to) = (next_token, next_token.saturating_add(1));
                next_token = to;
                nodes.push(Node { kind: leaf.kind(), end: nodes.len().saturating_add(1), from, to });
            }
            None => {
                let (id, end) = (*id, nodes.len());
                if let Some(node) = nodes.get_mut(id) {
                    (node.end, node.to) = (end, next_token);
                }
                open.pop();
            }
        }
    }
    if next_token == tokens.len() { Ok(nodes) } else { Err(ParseError::Disagreement) }
}

fn is_same_kind(leaf: SyntaxKind, token: TokenKind) -> bool {
    match token {
        TokenKind::Text => leaf == SyntaxKind::SCONST,
        TokenKind::Bits => matches!(leaf, SyntaxKind::BCONST | SyntaxKind::XCONST),
        TokenKind::Integer => leaf == SyntaxKind::ICONST,
        TokenKind::Number => leaf == SyntaxKind::FCONST,
        TokenKind::Parameter => leaf == SyntaxKind::PARAM,
        TokenKind::Quoted => leaf == SyntaxKind::IDENT,
        TokenKind::Word | TokenKind::Sign => !matches!(
            leaf,
            SyntaxKind::SCONST
                | SyntaxKind::BCONST
                | SyntaxKind::XCONST
                | SyntaxKind::ICONST
                | SyntaxKind::FCONST
                | SyntaxKind::PARAM
        ),
    }
}

/// A text of the same length with the same tokens, each written so that nobody can misread it.
fn plain(text: &str, tokens: &[Token]) -> Result<String, ParseError> {
    let mut plain = vec![b' '; text.len()];
    for token in tokens {
        let written = text.get(token.start..token.end).unwrap_or_default().as_bytes();
        let length = written.len();
        let Some(place) = plain.get_mut(token.start..token.end) else { return Err(ParseError::Disagreement) };
        let quoted = |quote: u8, begin: usize| {
            let is_quote = move |at: usize| at == begin || at.saturating_add(1) == length;
            move |at: usize| {
                if is_quote(at) {
                    quote
                } else if at < begin {
                    b' '
                } else {
                    b'x'
                }
            }
        };
        let unicode = if matches!(written, [b'u' | b'U', b'&', ..]) { 2 } else { 0 };
        let prefix = match written {
            [b'\'', ..] => 0,
            [b'e' | b'E', ..] => 1,
            [b'$', ..] => length.saturating_sub(2).min(1),
            _ => unicode,
        };
        for (at, byte) in place.iter_mut().enumerate() {
            *byte = match token.kind {
                TokenKind::Text => quoted(b'\'', prefix)(at),
                TokenKind::Quoted => quoted(b'"', unicode)(at),
                TokenKind::Bits if at == 0 => b'b',
                TokenKind::Bits if at == 1 || at.saturating_add(1) == length => b'\'',
                TokenKind::Number if at == usize::from(length > 2) => b'.',
                TokenKind::Bits | TokenKind::Integer | TokenKind::Number => b'0',
                TokenKind::Parameter if at == 0 => b'$',
                TokenKind::Parameter => {
                    if at.saturating_add(1) == length {
                        b'1'
                    } else {
                        b'0'
                    }
                }
                TokenKind::Word => written.get(at).copied().filter(u8::is_ascii).unwrap_or(b'x'),
                TokenKind::Sign => {
                    let stands_for_itself = match written {
                        [only] => !matches!(only, b'~' | b'!' | b'@' | b'#' | b'&' | b'|' | b'`' | b'?'),
                        b"<=" | b">=" | b"<>" | b"!=" | b"=>" | b"::" | b":=" => true,
                        _ => false,
                    };
                    if stands_for_itself { written.get(at).copied().unwrap_or(b' ') } else { b'@' }
                }
            };
        }
    }
    String::from_utf8(plain).map_err(|_| ParseError::Disagreement)
}

/// Refuses what is nested too deep: each level costs several of the tree.
fn check_depth(text: &str, tokens: &[Token]) -> Result<(), ParseError> {
    let mut depth = 0_usize;
    for token in tokens {
        match (token.kind, text.get(token.start..token.end)) {
            (TokenKind::Sign, Some("(" | "[")) => depth = depth.saturating_add(1),
            (TokenKind::Sign, Some(")" | "]")) => depth = depth.saturating_sub(1),
            (TokenKind::Word, _) => match token.value.as_deref() {
                Some("case") => depth = depth.saturating_add(1),
                Some("end") => depth = depth.saturating_sub(1),
                _ => {}
            },
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(ParseError::TooDeep(token.start));
        }
    }
    Ok(())
}

/// A place in a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    tree: &'a Tree,
    id: usize,
}

impl<'a> Cursor<'a> {
    fn node(self) -> Node {
        self.tree.nodes.get(self.id).copied().unwrap_or(Node { kind: SyntaxKind::Root, end: 0, from: 0, to: 0 })
    }

    pub(crate) fn kind(self) -> SyntaxKind {
        self.node().kind
    }

    pub(crate) const fn id(self) -> usize {
        self.id
    }

    /// The first node after all that are below.
    pub(crate) fn end(self) -> usize {
        self.node().end
    }

    pub(crate) fn is(self, kind: SyntaxKind) -> bool {
        self.kind() == kind
    }

    pub(crate) fn children(self) -> impl Iterator<Item = Self> + use<'a> {
        let end = self.end();
        let first = Some(Self { id: self.id.saturating_add(1), ..self }).filter(|first| first.id < end);
        std::iter::successors(first, move |last| {
            let next = last.end();
            (next > last.id && next < end).then_some(Self { id: next, ..*last })
        })
    }

    /// The first child of this kind.
    pub(crate) fn child(self, kind: SyntaxKind) -> Option<Self> {
        self.children().find(|child| child.is(kind))
    }

    pub(crate) fn has(self, kind: SyntaxKind) -> bool {
        self.child(kind).is_some()
    }

    /// All that is below, in order.
    pub(crate) fn descendants(self) -> impl Iterator<Item = Self> + use<'a> {
        (self.id.saturating_add(1)..self.end()).map(move |id| Self { id, ..self })
    }

    /// The first of this kind below.
    pub(crate) fn find(self, kind: SyntaxKind) -> Option<Self> {
        self.descendants().find(|below| below.is(kind))
    }

    /// Down through nodes that hold nothing but one other.
    pub(crate) fn only(self, kind: SyntaxKind) -> Option<Self> {
        let mut at = self;
        while !at.is(kind) {
            let mut children = at.children();
            let (Some(child), None) = (children.next(), children.next()) else { return None };
            at = child;
        }
        Some(at)
    }

    /// The elements of a list: `list: list ',' element | element`.
    pub(crate) fn items(self) -> Vec<Self> {
        let kind = self.kind();
        let mut items = Vec::new();
        let mut list = Some(self);
        while let Some(at) = list {
            let (inner, own): (Vec<_>, Vec<_>) = at.children().partition(|child| child.is(kind));
            items.extend(own.into_iter().rev().filter(|child| !is_separator(child.kind())));
            list = inner.first().copied();
        }
        items.reverse();
        items
    }

    fn tokens(self) -> &'a [Token] {
        let node = self.node();
        self.tree.tokens.get(node.from..node.to).unwrap_or_default()
    }

    /// The bytes of the text that it is made of.
    pub(crate) fn range(self) -> std::ops::Range<usize> {
        let tokens = self.tokens();
        let start = tokens.first().map_or(0, |token| token.start);
        start..tokens.last().map_or(start, |token| token.end)
    }

    /// Another node of the same tree.
    pub(crate) const fn at(self, id: usize) -> Self {
        Self { id, ..self }
    }

    /// How many tokens it is made of.
    pub(crate) fn size(self) -> usize {
        self.tokens().len()
    }

    /// What its first token stands for: a name decoded, a string, or what is written.
    pub(crate) fn value(self) -> &'a str {
        let Some(token) = self.tokens().first() else { return "" };
        let written = || self.tree.text.get(token.start..token.end).unwrap_or_default();
        token.value.as_deref().unwrap_or_else(written)
    }

    /// What its tokens stand for, to compare it with another.
    pub(crate) fn values(self) -> impl Iterator<Item = (TokenKind, &'a str)> {
        self.tokens().iter().map(move |token| {
            let written = self.tree.text.get(token.start..token.end).unwrap_or_default();
            (token.kind, token.value.as_deref().unwrap_or(written))
        })
    }

    /// What was written, white space and comments included.
    pub(crate) fn written(self) -> &'a str {
        self.tree.text.get(self.range()).unwrap_or_default()
    }
}

const fn is_separator(kind: SyntaxKind) -> bool {
    matches!(kind, SyntaxKind::Comma | SyntaxKind::Semicolon)
}

mod values;
