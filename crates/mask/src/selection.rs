//! Which classes an engine looks for, and how strictly.

use std::borrow::Cow;

use crate::class::{Check, ClassSpec, Edges, Finder, Group, MAX_CLASSES, Values};
use crate::classes;
use crate::custom::{self, CustomClass};
use crate::error::ConfigError;
use crate::form::{Reader, Tail};

/// Classes by name, `default`, `secrets` or `all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    names: Vec<String>,
    gated: bool,
}

impl Selection {
    /// Classes that count alone where their shape or validator suffices, and otherwise only where a word, a key or a
    /// column names them. `names` are class names, `default`, `secrets` or `all`.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), gated: true }
    }

    /// The same classes wherever their shape stands, named or not: for measuring, and for `all`.
    #[must_use]
    pub fn without_context(self) -> Self {
        Self { gated: false, ..self }
    }

    /// Whether shapes that need context wait for it.
    pub(crate) fn is_gated(&self) -> bool {
        self.gated
    }

    /// Every class there is, with those that are looked for marked.
    pub(crate) fn classes(&self, own: &[CustomClass]) -> Result<Vec<Chosen>, ConfigError> {
        let own = custom::compile(own)?.into_iter().map(|class| Chosen {
            class,
            detect: false,
            behind_names: false,
            gated: true,
        });
        let mut chosen: Vec<Chosen> = classes::all().map(Chosen::from).chain(own).collect();
        if chosen.len() > MAX_CLASSES {
            return Err(ConfigError::TooManyClasses { limit: MAX_CLASSES });
        }
        for name in &self.names {
            let mut any = false;
            for class in &mut chosen {
                let takes = match name.as_str() {
                    "default" => class.class.in_default,
                    "secrets" => class.class.group == Group::Secret,
                    "all" => true,
                    name => class.class.name == name,
                };
                any |= takes;
                class.detect |= takes;
                class.behind_names |= takes && name != "default";
                class.gated &= self.gated;
            }
            if !any {
                return Err(ConfigError::UnknownClass { name: name.clone(), nearest: nearest(name, &chosen) });
            }
        }
        Ok(chosen)
    }
}

/// The known name that shares most of its words with a wrong one.
pub(crate) fn nearest(name: &str, known: &[Chosen]) -> Option<String> {
    let wanted = name.to_ascii_uppercase();
    let words = |name: &str| name.split('_').map(str::to_owned).collect::<Vec<_>>();
    let shared = |known: &str| words(known).iter().filter(|word| words(&wanted).contains(word)).count();
    known
        .iter()
        .map(|chosen| (shared(&chosen.class.name), &chosen.class.name))
        .filter(|(shared, _)| *shared > 0)
        .max_by_key(|(shared, name)| (*shared, std::cmp::Reverse(name.len())))
        .map(|(_, name)| name.to_string())
}

/// A class as an engine holds it.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) class: Class,
    /// Whether it is looked for.
    pub(crate) detect: bool,
    /// Whether it is looked for behind names in text too.
    pub(crate) behind_names: bool,
    /// Whether shapes that need context wait for it.
    pub(crate) gated: bool,
}

/// A built-in or custom class.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    pub(crate) name: Cow<'static, str>,
    pub(crate) group: Group,
    pub(crate) shapes: Vec<OwnedShape>,
    pub(crate) finder: Option<Finder>,
    pub(crate) keywords: &'static [&'static str],
    pub(crate) values: Values,
    pub(crate) anchors: &'static [(&'static str, Reader)],
    pub(crate) check: Option<Check>,
    pub(crate) proves: bool,
    pub(crate) context: Vec<Cow<'static, str>>,
    pub(crate) in_default: bool,
}

/// A shape of a built-in or custom class.
#[derive(Debug, Clone)]
pub(crate) struct OwnedShape {
    pub(crate) pattern: Cow<'static, str>,
    pub(crate) score: u8,
    pub(crate) needs_context: bool,
    pub(crate) edges: Edges,
    pub(crate) tail: Tail,
    pub(crate) reaches_back: u8,
    pub(crate) after_letters: bool,
}

impl From<&'static ClassSpec> for Chosen {
    fn from(spec: &'static ClassSpec) -> Self {
        let shapes = spec.shapes.iter().map(|shape| OwnedShape {
            pattern: shape.pattern.into(),
            score: shape.score,
            needs_context: shape.needs_context,
            edges: shape.edges,
            tail: shape.tail,
            reaches_back: shape.reaches_back,
            after_letters: shape.after_letters,
        });
        let class = Class {
            name: spec.name.into(),
            group: spec.group,
            shapes: shapes.collect(),
            finder: spec.finder,
            keywords: spec.keywords,
            values: spec.values,
            anchors: spec.anchors,
            check: spec.check,
            proves: spec.proves,
            context: spec.context.iter().map(|phrase| Cow::Borrowed(*phrase)).collect(),
            in_default: spec.in_default,
        };
        Self { class, detect: false, behind_names: false, gated: true }
    }
}
