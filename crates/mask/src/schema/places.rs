//! Which subschemas govern a place (JSON Schema 2020-12 core §10; draft-07's `items` and `definitions` too).
//!
//! Every branch of every combinator counts: a branch that refused the original does not have to accept what replaces it.

use vidimus_core::json::{Kind, Value};

use super::MAX_DEPTH;
use super::leaf::matches;

/// Subschemas of one place, at most; more is not worth judging.
const MAX_PLACES: usize = 256;

/// A subschema that may govern a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) schema: Value<'a>,
    /// What it refused it must refuse still: it stands below `oneOf`, `not` or `if`.
    pub(super) exact: bool,
}

impl<'a> Place<'a> {
    pub(super) fn of(schema: Value<'a>) -> Self {
        Self { schema, exact: false }
    }

    /// Whether it says anything of the keys of an object.
    pub(super) fn names_keys(&self) -> bool {
        const WORDS: &[&str] = &[
            "properties",
            "required",
            "additionalProperties",
            "patternProperties",
            "propertyNames",
            "unevaluatedProperties",
            "dependentRequired",
            "dependentSchemas",
            "dependencies",
        ];
        WORDS.iter().any(|word| self.schema.get(word).is_some())
    }

    /// Whether the elements of an array must differ.
    pub(super) fn wants_unique(&self) -> bool {
        self.schema.get("uniqueItems").and_then(|value| value.as_bool()) == Some(true)
    }
}

/// These places and all that they refer to or combine.
pub(super) fn expand<'a>(root: Value<'a>, mut places: Vec<Place<'a>>) -> Result<Vec<Place<'a>>, ()> {
    let mut at = 0;
    while let Some(place) = places.get(at).copied() {
        at += 1;
        if at > MAX_PLACES {
            return Err(());
        }
        let mut add = |schema: Value<'a>, exact: bool| {
            let new = Place { schema, exact: exact || place.exact };
            if !places.iter().any(|known| known.schema.span() == schema.span() && known.exact == new.exact) {
                places.push(new);
            }
        };
        for (key, value) in place.schema.members() {
            match key.as_ref() {
                "$ref" => add(follow(root, value)?, false),
                "$dynamicRef" | "$recursiveRef" | "unevaluatedItems" | "unevaluatedProperties"
                    if value.kind() != Kind::Bool =>
                {
                    return Err(());
                }
                "allOf" | "anyOf" => value.elements().for_each(|branch| add(branch, false)),
                "oneOf" => value.elements().for_each(|branch| add(branch, true)),
                "not" | "if" => add(value, true),
                "then" | "else" => add(value, false),
                "dependentSchemas" | "dependencies" => value.members().for_each(|(_, branch)| add(branch, false)),
                _ => {}
            }
        }
    }
    Ok(places)
}

/// A reference inside the document: a JSON pointer after `#`.
pub(super) fn follow<'a>(root: Value<'a>, reference: Value<'a>) -> Result<Value<'a>, ()> {
    let text = reference.as_str().ok_or(())?;
    let pointer = text.strip_prefix('#').ok_or(())?;
    if pointer.is_empty() {
        return Ok(root);
    }
    let steps = pointer.strip_prefix('/').ok_or(())?;
    steps.split('/').take(MAX_DEPTH).try_fold(root, |value, step| {
        let name = step.replace("~1", "/").replace("~0", "~");
        match value.kind() {
            Kind::Array => name.parse().ok().and_then(|number: usize| value.elements().nth(number)),
            _ => value.get(&name),
        }
        .ok_or(())
    })
}

/// The places of a member, and whether a schema names it.
pub(super) fn member<'a>(places: &[Place<'a>], name: &str) -> Result<(bool, Vec<Place<'a>>), ()> {
    let (mut known, mut below) = (false, Vec::new());
    for place in places {
        let mut governed = false;
        let mut add = |schema| below.push(Place { schema, exact: place.exact });
        if let Some(schema) = place.schema.get("properties").and_then(|properties| properties.get(name)) {
            (known, governed) = (true, true);
            add(schema);
        }
        if let Some(patterns) = place.schema.get("patternProperties") {
            for (pattern, schema) in patterns.members() {
                if matches(&pattern, name).ok_or(())? {
                    governed = true;
                    add(schema);
                }
            }
        }
        if !governed && let Some(schema) = place.schema.get("additionalProperties") {
            add(schema);
        }
    }
    Ok((known, below))
}

/// The places of an array's element.
pub(super) fn element<'a>(places: &[Place<'a>], number: usize) -> Result<Vec<Place<'a>>, ()> {
    let mut below = Vec::new();
    for place in places {
        let mut add = |schema| below.push(Place { schema, exact: place.exact });
        let items = place.schema.get("items");
        // Draft-07 wrote what is `prefixItems` now as an array of `items`.
        let prefix = place.schema.get("prefixItems").or(items.filter(Value::is_array));
        let rest =
            if items.is_some_and(|items| items.is_array()) { place.schema.get("additionalItems") } else { items };
        match prefix.and_then(|prefix| prefix.elements().nth(number)) {
            Some(schema) => add(schema),
            None => rest.into_iter().for_each(&mut add),
        }
        if place.schema.get("contains").is_some() {
            // How many elements it must accept is counted over all of them.
            return Err(());
        }
    }
    Ok(below)
}
