//! Keeps a masked result valid under the schema its tool declared (MCP `outputSchema`, JSON Schema 2020-12).
//!
//! The masked document is walked beside the original, and beside whatever subschemas may govern each place. A leaf that
//! changed must be accepted by all of them; where what the operator wrote is not, `null` is tried, then harmless values of
//! the usual formats. What still does not fit, and what cannot be judged (a pattern that is not regular, a reference
//! elsewhere), makes the whole result unfit: the caller gets an error instead.
//!
//! What stands for a value depends on the schema and on the value's type, never on the value: which branch it was accepted
//! by would tell of it. So where `oneOf`, `not` or `if` around a leaf asks for more than its type, the result is unfit.

mod leaf;
mod places;
mod scalar;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use vidimus_core::ErrorKind;
use vidimus_core::json::{Kind, Replacement, Value};

use self::leaf::Judgement;
use self::places::{Place, element, expand, member};
use self::scalar::{accepts, asks_for_type_only};

/// Containers inside one another, and references after one another, that are followed.
const MAX_DEPTH: usize = 64;

/// Values tried in the place of a masked string, after `null`: each is of a usual format, and nobody's.
const STRINGS: &[&str] = &[
    r#""masked@example.invalid""#,
    r#""https://masked.example.invalid/""#,
    r#""masked.example.invalid""#,
    r#""0.0.0.0""#,
    r#""::""#,
    r#""00000000-0000-0000-0000-000000000000""#,
    r#""1970-01-01T00:00:00Z""#,
    r#""1970-01-01""#,
    r#""00:00:00Z""#,
    r#""000-00-0000""#,
    r#""+10000000000""#,
    r#""000-000-0000""#,
    r#""(000) 000-0000""#,
    r#""0000 0000 0000 0000""#,
];

/// Characters that are repeated to a length that fits, after those.
const FILLERS: &[char] = &['*', 'X', 'x', '0', 'A', 'a'];

/// The longest filler.
const MAX_FILLER: u64 = 1024;

/// Values tried in the place of a masked number, after `null`; then the schema's own bounds.
const NUMBERS: &[&str] = &["0", "1", "-1"];

/// A masked result that its schema does not allow, by its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "nothing that hides the value at {pointer} fits the tool's output schema; loosen the schema there, allow null, or \
     reveal the class to who needs it"
)]
pub struct Unfit {
    /// The place as a JSON pointer (RFC 6901). Keys are the schema's own names or `*`, never data.
    pub pointer: String,
}

impl Unfit {
    /// Always [`ErrorKind::Upstream`]: the target's schema leaves no room.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Upstream
    }
}

/// What must still change in `masked`, so that it fits `schema` as `original` did: replacements in the masked
/// document's bytes, in order. Both documents have the same shape.
pub fn fit(original: Value<'_>, masked: Value<'_>, schema: Value<'_>) -> Result<Vec<Replacement>, Unfit> {
    let mut walk = Walk { root: schema, pointer: Vec::new(), replacements: Vec::new() };
    walk.value(original, masked, &[Place::of(schema)])?;
    Ok(walk.replacements)
}

struct Walk<'a> {
    root: Value<'a>,
    pointer: Vec<String>,
    replacements: Vec<Replacement>,
}

impl<'a> Walk<'a> {
    fn unfit(&self) -> Unfit {
        let pointer = self.pointer.iter().fold(String::new(), |text, step| text + "/" + step);
        Unfit { pointer: if pointer.is_empty() { "the root".to_owned() } else { pointer } }
    }

    fn value(&mut self, original: Value<'a>, masked: Value<'a>, places: &[Place<'a>]) -> Result<(), Unfit> {
        if original.raw() == masked.raw() {
            return Ok(());
        }
        if self.pointer.len() >= MAX_DEPTH {
            return Err(self.unfit());
        }
        let expanded = expand(self.root, places.to_vec()).map_err(|()| self.unfit())?;
        match (original.kind(), masked.kind()) {
            (Kind::Object, Kind::Object) => self.object(original, masked, &expanded),
            (Kind::Array, Kind::Array) => self.array(original, masked, &expanded),
            _ => self.leaf(original, masked, places, &expanded),
        }
    }

    fn object(&mut self, original: Value<'a>, masked: Value<'a>, places: &[Place<'a>]) -> Result<(), Unfit> {
        if original.entries().count() != masked.entries().count() {
            return Err(self.unfit());
        }
        for ((key, was), (masked_key, is)) in original.entries().zip(masked.entries()) {
            let name = key.as_str().unwrap_or_default();
            // A masked key is no name that a schema knows: it may only stand where none says anything of keys.
            if key.raw() != masked_key.raw() && places.iter().any(Place::names_keys) {
                return Err(self.unfit());
            }
            if was.raw() == is.raw() {
                continue;
            }
            let (known, below) = member(places, &name).map_err(|()| self.unfit())?;
            self.pointer.push(if known { name.into_owned() } else { "*".to_owned() });
            self.value(was, is, &below)?;
            self.pointer.pop();
        }
        Ok(())
    }

    fn array(&mut self, original: Value<'a>, masked: Value<'a>, places: &[Place<'a>]) -> Result<(), Unfit> {
        if original.elements().count() != masked.elements().count() {
            return Err(self.unfit());
        }
        if places.iter().any(Place::wants_unique) {
            let mut all: Vec<&str> = masked.elements().map(|element| element.raw()).collect();
            all.sort_unstable();
            if all.windows(2).any(|pair| pair.first() == pair.last()) {
                return Err(self.unfit());
            }
        }
        for (number, (was, is)) in original.elements().zip(masked.elements()).enumerate() {
            if was.raw() == is.raw() {
                continue;
            }
            self.pointer.push(number.to_string());
            let below = element(places, number).map_err(|()| self.unfit())?;
            self.value(was, is, &below)?;
            self.pointer.pop();
        }
        Ok(())
    }

    /// A leaf that changed, the schemas that govern it, and all that these combine.
    fn leaf(
        &mut self,
        original: Value<'a>,
        masked: Value<'a>,
        places: &[Place<'a>],
        all: &[Place<'a>],
    ) -> Result<(), Unfit> {
        let mut wanted = Vec::with_capacity(places.len());
        for place in places {
            wanted.push(match place.exact {
                false => Judgement::Accepts,
                true if asks_for_type_only(place.schema) => accepts(self.root, place.schema, original),
                true => return Err(self.unfit()),
            });
        }
        let fits = |candidate: &str| {
            let Ok(document) = document(candidate) else { return false };
            let judged = |place: &Place<'a>| accepts(self.root, place.schema, document.root());
            places.iter().zip(&wanted).all(|(place, wanted)| judged(place) == *wanted)
        };
        if fits(masked.raw()) {
            return Ok(());
        }
        let candidate =
            std::iter::once("null".to_owned()).chain(candidates(original.kind(), all)).find(|text| fits(text));
        let with = candidate.ok_or_else(|| self.unfit())?;
        self.replacements.push(Replacement { span: masked.span(), with: Bytes::from(with) });
        Ok(())
    }
}

fn document(text: &str) -> Result<vidimus_core::json::Document, vidimus_core::json::JsonError> {
    vidimus_core::json::Document::parse(Bytes::copy_from_slice(text.as_bytes()), &vidimus_core::json::Limits::default())
}

/// What may stand for a masked value of a kind.
fn candidates(kind: Kind, places: &[Place<'_>]) -> Vec<String> {
    match kind {
        Kind::String => {
            let bounds = places.iter().flat_map(|place| leaf::lengths(place.schema));
            let lengths: Vec<u64> = bounds.chain([0, 1, 8]).filter(|length| *length <= MAX_FILLER).collect();
            let mut fillers = Vec::new();
            for filler in FILLERS {
                for length in &lengths {
                    let count = usize::try_from(*length).unwrap_or(0);
                    fillers.push(format!("\"{}\"", filler.to_string().repeat(count)));
                }
            }
            let formats = STRINGS.iter().map(|text| (*text).to_owned());
            let mut all: Vec<String> = if places.iter().any(|place| leaf::has_form(place.schema)) {
                formats.chain(fillers).collect()
            } else {
                fillers
            };
            // Digits and capitals of a fixed length are the usual patterns; other lengths come last.
            for filler in ['0', 'A', 'a'] {
                all.extend((2..=40).map(|length| format!("\"{}\"", filler.to_string().repeat(length))));
            }
            all
        }
        Kind::Number => {
            let bounds = places.iter().flat_map(|place| leaf::bounds(place.schema));
            NUMBERS.iter().map(|text| (*text).to_owned()).chain(bounds).collect()
        }
        Kind::Bool => vec!["false".to_owned(), "true".to_owned()],
        _ => Vec::new(),
    }
}
