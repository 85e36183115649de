//! Paths in configuration to arguments: `$.command`, `$.steps[*].run`, `$['odd name']` (a part of RFC 9535).

use std::fmt;

use vidimus_core::json::{Value, same_ignoring_case};

/// A path to arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    /// `[*]` and `.*`: every element and every member.
    Every,
}

/// A path that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPath;

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path to an argument is written like `$.query`, `$.steps[*].run` or `$['odd name']`")
    }
}

impl std::error::Error for InvalidPath {}

impl std::str::FromStr for Path {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let mut rest = text.strip_prefix('$').ok_or(InvalidPath)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = if let Some(after) = rest.strip_prefix("[*]").or_else(|| rest.strip_prefix(".*")) {
                (Step::Every, after)
            } else if let Some(after) = rest.strip_prefix("['") {
                let (name, after) = after.split_once("']").ok_or(InvalidPath)?;
                (Step::Member(name.to_owned()), after)
            } else {
                let after = rest.strip_prefix('.').ok_or(InvalidPath)?;
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, after) = after.split_at(end);
                (Step::Member(name.to_owned()), after)
            };
            if matches!(&step, Step::Member(name) if name.is_empty()) {
                return Err(InvalidPath);
            }
            steps.push(step);
            rest = after;
        }
        if steps.is_empty() { Err(InvalidPath) } else { Ok(Self(steps)) }
    }
}

/// A place that a path leads to: in this object or array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) container: Value<'a>,
    pub(crate) at: At<'a>,
}

/// Where in it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At<'a> {
    /// Under this key.
    Member(Value<'a>, Value<'a>),
    /// An element.
    Element(Value<'a>),
    /// Under this name, which nothing stands under yet.
    Absent(&'a str),
}

/// Beside a name that a path goes by stands one that differs from it in letter case only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Twin {
    pub(crate) name: String,
    pub(crate) twin: String,
}

impl Path {
    /// The places that it leads to. The last name may be one that an object does not have.
    pub(crate) fn places<'a>(&'a self, arguments: Value<'a>) -> Result<Vec<Place<'a>>, Twin> {
        let Some((last, way)) = self.0.split_last() else { return Ok(Vec::new()) };
        let mut containers = vec![arguments];
        for step in way {
            let mut next = Vec::new();
            for place in containers.into_iter().map(|container| places(container, step)) {
                next.extend(place?.into_iter().filter_map(|place| match place.at {
                    At::Member(_, value) | At::Element(value) => Some(value),
                    At::Absent(_) => None,
                }));
            }
            containers = next;
        }
        let mut found = Vec::new();
        for container in containers {
            found.extend(places(container, last)?);
        }
        Ok(found)
    }

    /// The values that it leads to.
    pub(crate) fn values<'a>(&self, arguments: Value<'a>) -> Vec<Value<'a>> {
        self.0.iter().fold(vec![arguments], |values, step| {
            let next = values.into_iter().flat_map(|value| match step {
                Step::Member(name) => value.get(name).into_iter().collect::<Vec<_>>(),
                Step::Every => value.elements().chain(value.entries().map(|(_, member)| member)).collect(),
            });
            next.collect()
        })
    }
}

/// The places that one step leads to.
fn places<'a>(container: Value<'a>, step: &'a Step) -> Result<Vec<Place<'a>>, Twin> {
    let place = |at| Place { container, at };
    match step {
        Step::Every => {
            let members = container.entries().map(|(key, value)| At::Member(key, value));
            Ok(members.chain(container.elements().map(At::Element)).map(place).collect())
        }
        Step::Member(name) if container.is_object() => {
            let mut found = At::Absent(name);
            for (key, value) in container.entries() {
                let own = key.as_str().unwrap_or_default();
                if own == *name {
                    found = At::Member(key, value);
                } else if same_ignoring_case(&own, name) {
                    return Err(Twin { name: name.clone(), twin: own.into_owned() });
                }
            }
            Ok(vec![place(found)])
        }
        Step::Member(_) => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vidimus_core::json::{Document, Limits};

    use super::*;

    #[test]
    fn where_paths_lead() {
        let text = r#"{"a":{"b":[1,{"c d":2},[3]]},"a.b":4,"e":[{"f":5},{"f":6},7]}"#;
        let document = Document::parse(Bytes::from(text), &Limits::default()).unwrap();
        for (path, values) in [
            ("$.a.b[*]", &["1", r#"{"c d":2}"#, "[3]"][..]),
            ("$.a.b[*]['c d']", &["2"]),
            ("$['a.b']", &["4"]),
            ("$.e[*].f", &["5", "6"]),
            ("$.a.*", &[r#"[1,{"c d":2},[3]]"#]),
            ("$.x.y", &[]),
            ("$.e.f", &[]),
        ] {
            let found = path.parse::<Path>().unwrap().values(document.root());
            let found: Vec<_> = found.iter().map(Value::raw).collect();
            assert_eq!(found, values, "{path}");
        }
        for path in ["", "$", "a", "$a", "$.", "$..a", "$[0]", "$['a", "$['']", "$.a[", "$.a[*]b"] {
            assert_eq!(path.parse::<Path>(), Err(InvalidPath), "{path}");
        }
    }
}
