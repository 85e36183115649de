//! Paths in configuration to arguments: `$.command`, `$.steps[*].run`, `$['odd name']` (a part of RFC 9535).

use std::fmt;

use vidimus_core::json::Value;

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

impl Path {
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
