//! What a class of data is: the shapes it takes, how a candidate is proven, and which words near it name it.
//!
//! A class is a table entry and, where its standard has a check digit or a grammar that a shape cannot say, a function.
//! Shapes are regular expressions over ASCII, bounded in length and without boundaries of their own: the engine tries
//! them where a word begins and looks at what stands beside a match itself (`Edges`).

use std::fmt;

use crate::form::{Form, Part, Reader, Tail};
use crate::placeholder::REDACTED;

/// Classes one engine can hold, built-in and custom together.
pub const MAX_CLASSES: usize = 384;

/// One class of data, by its place in an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub(crate) u16);

impl ClassId {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What a validator says of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passes a check that its standard prescribes: score 100.
    Valid,
    /// It cannot be one.
    Invalid,
    /// Nothing speaks for or against it beyond its shape: the shape's score.
    Unproven,
}

impl From<bool> for Verdict {
    /// The verdict of a check that every genuine value passes.
    fn from(passes: bool) -> Self {
        if passes { Self::Valid } else { Self::Invalid }
    }
}

/// Judges a candidate's bytes, separators included.
pub type Check = fn(&[u8]) -> Verdict;

/// Which kind of data a class is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Says something of a person, an account or a device.
    Personal,
    /// Opens something: keys, tokens, passwords.
    Secret,
}

/// What may stand beside a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edges {
    /// No ASCII letter or digit directly before or after.
    Word,
    /// As `Word`, and it is no part of a longer chain of digits joined by `-`, `.` or `/`.
    Isolated,
    /// As `Word`, and no digit is joined to it by `-`, `.` or `/`; letters may be.
    Unjoined,
    /// As `Word`, and no digit is joined to it by a dot: it is no part of a fraction or of a longer dotted number.
    Undotted,
    /// It begins like a word and may end anywhere: tokens of a fixed length, beginnings.
    OpenEnd,
}

impl Edges {
    /// Whether more than the next byte decides.
    pub(crate) fn look_beside(self) -> bool {
        !matches!(self, Self::Word | Self::OpenEnd)
    }

    /// What joins it to more.
    pub(crate) fn joints(self) -> &'static [u8] {
        match self {
            Self::Word | Self::OpenEnd => b"",
            Self::Isolated | Self::Unjoined => b"-./",
            Self::Undotted => b".",
        }
    }

    /// Whether what stands beside `start..end` leaves it the whole of what it is.
    pub(crate) fn stand(self, text: &[u8], start: usize, end: usize) -> bool {
        let goes_on: fn(&u8) -> bool = match self {
            Self::Word | Self::OpenEnd => return true,
            Self::Isolated => u8::is_ascii_alphanumeric,
            Self::Unjoined | Self::Undotted => u8::is_ascii_digit,
        };
        let joints = self.joints();
        let at = |place: Option<usize>| place.and_then(|place| text.get(place));
        let joint = |place| at(place).is_some_and(|byte| joints.contains(byte));
        let before = at(start.checked_sub(2));
        // What is masked was joined to it before as well.
        let masked = |byte: &u8| match byte {
            b']' => text.get(..start - 1).is_some_and(|text| text.ends_with(REDACTED)),
            byte => matches!(byte, b'>' | b'*'),
        };
        if joint(start.checked_sub(1)) && before.is_some_and(|byte| goes_on(byte) || masked(byte)) {
            return false;
        }
        !(joint(Some(end)) && at(Some(end + 1)).is_some_and(goes_on))
    }
}

/// One way a class is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// A regular expression over ASCII, bounded, without anchors and boundaries; see the module's head.
    pub(crate) pattern: &'static str,
    /// 0 to 100: how sure the shape alone makes it.
    pub(crate) score: u8,
    /// Whether, in `default`, it counts only where a key, a column or a near word names the class.
    pub(crate) needs_context: bool,
    /// What may stand beside it.
    pub(crate) edges: Edges,
    /// How it goes on after the pattern.
    pub(crate) tail: Tail,
    /// How many bytes before the pattern it may begin.
    pub(crate) reaches_back: u8,
    /// Whether it may also follow a letter directly. It begins with three digits then, and says enough by itself.
    pub(crate) after_letters: bool,
}

impl Shape {
    const PLAIN: Self = Self {
        pattern: "",
        score: 0,
        needs_context: false,
        edges: Edges::Word,
        tail: Tail::None,
        reaches_back: 0,
        after_letters: false,
    };

    /// A shape that says enough by itself or by its validator.
    pub(crate) const fn alone(pattern: &'static str, score: u8) -> Self {
        Self { pattern, score, ..Self::PLAIN }
    }

    /// A shape that many other things have too: plain digits, and whatever one check digit cannot set apart.
    pub(crate) const fn in_context(pattern: &'static str, score: u8) -> Self {
        Self { pattern, score, needs_context: true, ..Self::PLAIN }
    }

    /// The same, but not inside a longer chain of digits.
    pub(crate) const fn isolated(self) -> Self {
        Self { edges: Edges::Isolated, ..self }
    }

    /// The same, but no digits go on before or after it.
    pub(crate) const fn unjoined(self) -> Self {
        Self { edges: Edges::Unjoined, ..self }
    }

    /// The same, but not inside a fraction or a longer dotted number.
    pub(crate) const fn undotted(self) -> Self {
        Self { edges: Edges::Undotted, ..self }
    }

    /// The same with more after its pattern, of at least this entropy in tenths of a bit: for what is long, so that the
    /// automaton holds its beginning only.
    pub(crate) const fn then(self, parts: &'static [Part], entropy: u8) -> Self {
        Self { tail: Tail::Form(Form { parts, entropy }), ..self }
    }

    /// The same, but its reader may find it to begin up to this many bytes before: letters, digits, `_`, `.`, `~`, `-`.
    pub(crate) const fn reaches_back(self, reaches_back: u8) -> Self {
        Self { reaches_back, ..self }
    }

    /// The same, read on by a function.
    pub(crate) const fn read_by(self, reader: Reader) -> Self {
        Self { tail: Tail::Read(reader), ..self }
    }

    /// The same, but it may follow a letter directly: `tel415-555-0132`.
    pub(crate) const fn after_letters(self) -> Self {
        Self { after_letters: true, ..self }
    }

    /// The same, but it may end anywhere.
    pub(crate) const fn open_end(self) -> Self {
        Self { edges: Edges::OpenEnd, ..self }
    }
}

/// A built-in class.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClassSpec {
    /// Presidio's name where Presidio has the class; secrets begin with `SECRET_`.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) about: &'static str,
    pub(crate) group: Group,
    pub(crate) shapes: &'static [Shape],
    /// Finds it where a shape cannot say it.
    pub(crate) finder: Option<Finder>,
    /// Names behind which a value of it stands: lower-case ASCII, in identifiers of any case.
    pub(crate) keywords: &'static [&'static str],
    /// Which values count there.
    pub(crate) values: Values,
    /// Other words, lower-case ASCII, that a function reads on from, wherever they stand.
    pub(crate) anchors: &'static [(&'static str, Reader)],
    pub(crate) check: Option<Check>,
    /// Whether the check can prove a value; if not, it only tells what is none.
    pub(crate) proves: bool,
    /// What the check is, for people: `Luhn, issuer ranges`. Empty without one.
    pub(crate) checked_by: &'static str,
    /// Words that name it: lower-case ASCII, one to three words each, as they stand in text and in keys.
    pub(crate) context: &'static [&'static str],
    /// A made-up value that is found, with a word of context before it where it needs one.
    pub(crate) example: &'static str,
    /// Whether it belongs to `default`.
    pub(crate) in_default: bool,
}

impl ClassSpec {
    /// What most classes share; a table entry names the rest.
    pub(crate) const PERSONAL: Self = Self {
        name: "",
        about: "",
        group: Group::Personal,
        shapes: &[],
        finder: None,
        keywords: &[],
        values: Values::Forms(&[]),
        anchors: &[],
        check: None,
        proves: true,
        checked_by: "",
        context: &[],
        example: "",
        in_default: true,
    };

    /// The same for secrets.
    pub(crate) const SECRET: Self = Self { group: Group::Secret, ..Self::PERSONAL };
}

/// Which values behind a name are of a class.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values {
    /// Those in one of these forms.
    Forms(&'static [Form]),
    /// What a password may be.
    Password,
    /// What looks drawn at random.
    Generic,
}

/// Detectors that a shape cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finder {
    /// Around an `@`.
    Email,
    /// Around a `:`.
    Ipv6,
    /// Around a dot or `://`.
    Url,
}

/// A set of classes of one engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClassSet {
    words: [u64; MAX_CLASSES / 64],
}

impl ClassSet {
    /// No class.
    pub const EMPTY: Self = Self { words: [0; MAX_CLASSES / 64] };

    /// Adds a class.
    pub fn insert(&mut self, class: ClassId) {
        if let Some(word) = self.words.get_mut(class.index() / 64) {
            *word |= 1 << (class.index() % 64);
        }
    }

    /// Takes a class away.
    pub(crate) fn remove(&mut self, class: ClassId) {
        if let Some(word) = self.words.get_mut(class.index() / 64) {
            *word &= !(1 << (class.index() % 64));
        }
    }

    /// Whether it holds a class.
    pub fn contains(&self, class: ClassId) -> bool {
        self.words.get(class.index() / 64).is_some_and(|word| word >> (class.index() % 64) & 1 == 1)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().fold(0, |any, word| any | word) == 0
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// Whether they have a class in common.
    pub fn intersects(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(word, more)| word & more != 0)
    }
}

/// Shows places, which are small numbers, not data.
impl fmt::Debug for ClassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries((0..MAX_CLASSES).filter(|at| self.words.get(at / 64).is_some_and(|w| w >> (at % 64) & 1 == 1)))
            .finish()
    }
}
