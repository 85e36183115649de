//! Every text in a call's arguments, with the key that it stands under. Does not recurse.

use std::borrow::Cow;

use vidimus_core::json::{Kind, Value};

/// A text.
#[derive(Debug, Clone)]
pub(crate) struct Text<'a> {
    /// The key that it, or the arrays around it, stand under, in lower case without `_` and `-`; empty at the top.
    pub(crate) key: String,
    pub(crate) value: Cow<'a, str>,
    pub(crate) role: Role,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    String,
    /// As it is written.
    Number,
    Key,
}

/// The texts of a value, in the order of a stack.
pub(crate) struct Texts<'a> {
    waiting: Vec<(String, Value<'a>)>,
    /// A key that was met on the way to its value.
    keys: Vec<Cow<'a, str>>,
}

impl<'a> Texts<'a> {
    pub(crate) fn of(arguments: Option<Value<'a>>) -> Self {
        Self { waiting: arguments.into_iter().map(|value| (String::new(), value)).collect(), keys: Vec::new() }
    }
}

impl<'a> Iterator for Texts<'a> {
    type Item = Text<'a>;

    fn next(&mut self) -> Option<Text<'a>> {
        loop {
            if let Some(text) = self.keys.pop() {
                return Some(Text { key: String::new(), value: text, role: Role::Key });
            }
            let (key, value) = self.waiting.pop()?;
            match value.kind() {
                Kind::String => return Some(Text { key, value: value.as_str()?, role: Role::String }),
                Kind::Number => {
                    return Some(Text { key, value: Cow::Borrowed(value.as_number()?), role: Role::Number });
                }
                Kind::Array => self.waiting.extend(value.elements().map(|element| (key.clone(), element))),
                Kind::Object => {
                    for (name, member) in value.members() {
                        self.waiting.push((plain(&name), member));
                        self.keys.push(name);
                    }
                }
                Kind::Null | Kind::Bool => {}
            }
        }
    }
}

/// A key as it is compared: `baseURL`, `base_url` and `base-url` are one.
pub(crate) fn plain(key: &str) -> String {
    key.chars().filter(|character| !matches!(character, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}
