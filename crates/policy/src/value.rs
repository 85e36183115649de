//! A call's arguments as Cedar values, built value by value.
//!
//! Never by Cedar's JSON reader, which takes `{"__entity":…}` and `{"__extn":…}` for what they say: here they stay
//! records. Only what policies read is built. `null` counts as absent. What a policy reads but Cedar cannot hold, or
//! what contradicts the tool's schema (`"501"` or `1e3` where an integer is due), is *unfit*: left out, and reported, so
//! that the decision is a denial even where a policy guards the attribute with `has`.

use cedar_policy::RestrictedExpression;
use vidimus_core::json::{Kind, Value};

use crate::decimal;
use crate::reads::Reads;
use crate::shape::Shape;

/// Objects and arrays inside one another, in what policies read.
const MAX_DEPTH: usize = 32;

/// Values in all, in what policies read of one call.
const MAX_VALUES: usize = 10_000;

/// Bytes of strings and keys in all, in what policies read of one call.
const MAX_BYTES: usize = 1 << 20;

const UNTYPED: &str = "a string, a boolean, an integer of 64 bits, a list of one kind, or an object";
const ONE_SPELLING: &str = "it under this key alone: another one differs from it in letter case only";
const SMALLER: &str = "less: at most 10000 values, 32 levels and 1 MiB";

/// A value that policies read and that cannot be given to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// Keys from the arguments down to it.
    pub(crate) path: Vec<String>,
    /// What would fit.
    pub(crate) expected: &'static str,
}

/// The arguments policies read, and what of them is unfit. No arguments are an empty record (MCP: they are optional).
pub(crate) fn arguments(
    value: Option<Value<'_>>,
    shape: Option<&Shape>,
    reads: &Reads,
) -> (Option<RestrictedExpression>, Vec<Unfit>) {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return (RestrictedExpression::new_record([]).ok(), Vec::new());
    };
    let mut builder = Builder { values: MAX_VALUES, bytes: MAX_BYTES, path: Vec::new(), unfit: Vec::new() };
    let built = if value.is_object() { builder.build(value, shape, reads, MAX_DEPTH) } else { Err("an object") };
    let record = builder.settle(built);
    (record, builder.unfit)
}

struct Builder {
    /// Values left.
    values: usize,
    /// Bytes left.
    bytes: usize,
    /// Where the walk is.
    path: Vec<String>,
    unfit: Vec<Unfit>,
}

/// A value, `None` for null, or what would have been fit.
type Built = Result<Option<RestrictedExpression>, &'static str>;

impl Builder {
    fn build(&mut self, value: Value<'_>, shape: Option<&Shape>, reads: &Reads, depth: usize) -> Built {
        if !value.is_null() && *reads == Reads::nothing() {
            // Policies ask whether it is there, not what it is.
            return Ok(Some(RestrictedExpression::new_bool(true)));
        }
        self.values = self.values.checked_sub(1).ok_or(SMALLER)?;
        let depth = depth.checked_sub(1).ok_or(SMALLER)?;
        let expected = shape.map_or(UNTYPED, Shape::expected);
        let built = match (value.kind(), shape) {
            (Kind::Null, _) => None,
            (Kind::Bool, None | Some(Shape::Bool)) => value.as_bool().map(RestrictedExpression::new_bool),
            (Kind::Number, None | Some(Shape::Long)) => Some(RestrictedExpression::new_long(
                value.as_number().and_then(|lexeme| lexeme.parse().ok()).ok_or(expected)?,
            )),
            (Kind::Number, Some(Shape::Decimal)) => {
                Some(RestrictedExpression::new_decimal(value.as_number().and_then(decimal::exact).ok_or(expected)?))
            }
            (Kind::String, None | Some(Shape::String)) => {
                let text = value.as_str().unwrap_or_default();
                self.spend(&text)?;
                Some(RestrictedExpression::new_string(text.into_owned()))
            }
            (Kind::Array, None | Some(Shape::Set(_))) => Some(self.set(value, shape, depth)?),
            (Kind::Object, None | Some(Shape::Record(_))) => Some(self.record(value, shape, reads, depth)?),
            _ => return Err(expected),
        };
        // What is read deeper must be an object; anything else has no attributes to be judged by.
        let is_leaf = !matches!(value.kind(), Kind::Null | Kind::Object);
        if is_leaf && matches!(reads, Reads::Attributes(_)) { Err("an object") } else { Ok(built) }
    }

    /// A set is read as a whole. Elements of several kinds, or null ones, make it unfit.
    fn set(
        &mut self,
        value: Value<'_>,
        shape: Option<&Shape>,
        depth: usize,
    ) -> Result<RestrictedExpression, &'static str> {
        let expected = shape.map_or(UNTYPED, Shape::expected);
        let element_shape = match shape {
            Some(Shape::Set(element)) => Some(&**element),
            _ => None,
        };
        let kind = value.elements().next().map(|first| first.kind());
        let mut elements = Vec::new();
        for element in value.elements() {
            if Some(element.kind()) != kind {
                return Err(expected);
            }
            elements.push(self.build(element, element_shape, &Reads::All, depth)?.ok_or(expected)?);
        }
        Ok(RestrictedExpression::new_set(elements))
    }

    /// A record of the attributes that are read. Read as a whole, one unfit attribute makes it unfit.
    fn record(
        &mut self,
        value: Value<'_>,
        shape: Option<&Shape>,
        reads: &Reads,
        depth: usize,
    ) -> Result<RestrictedExpression, &'static str> {
        let mut attributes = Vec::new();
        for (name, member) in value.members() {
            let Some(member_reads) = reads.attribute(&name) else {
                // A server that ignores letter case would act on what no policy has seen. Where the tool itself has both
                // keys, it tells them apart.
                if let Some(twin) = reads.twin(&name)
                    && shape.and_then(|shape| shape.attribute(&name)).is_none()
                {
                    let path = self.path.iter().cloned().chain([twin.to_owned()]).collect();
                    self.unfit.push(Unfit { path, expected: ONE_SPELLING });
                }
                continue;
            };
            self.spend(&name)?;
            let member_shape = shape.and_then(|shape| shape.attribute(&name));
            let name = name.into_owned();
            let attribute = if matches!(reads, Reads::All) {
                self.build(member, member_shape, member_reads, depth)?
            } else {
                self.path.push(name.clone());
                let built = self.build(member, member_shape, member_reads, depth);
                let settled = self.settle(built);
                self.path.pop();
                settled
            };
            attributes.extend(attribute.map(|attribute| (name, attribute)));
        }
        RestrictedExpression::new_record(attributes).map_err(|_| "an object without duplicate keys")
    }

    /// Notes a value at the current path that is unfit.
    fn settle(&mut self, built: Built) -> Option<RestrictedExpression> {
        built.unwrap_or_else(|expected| {
            self.unfit.push(Unfit { path: self.path.clone(), expected });
            None
        })
    }

    fn spend(&mut self, text: &str) -> Result<(), &'static str> {
        self.bytes = self.bytes.checked_sub(text.len()).ok_or(SMALLER)?;
        Ok(())
    }
}
