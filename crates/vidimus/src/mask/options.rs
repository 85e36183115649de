//! What `vidimus mask` is asked for.

use std::path::{Path, PathBuf};

use clap::Args;
use vidimus_core::TargetName;
use vidimus_mask::{Allow, CustomClass, Form, Framing, Operator, Selection, Settings, UnknownOperator};

use crate::config::Config;
use crate::key;
use crate::secret::{SecretRef, Source};

/// How standard input is read, and what is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Whole,
    Lines,
    Chunks,
    Detect,
}

/// How a text is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// JSON, lines of JSON, or text: its beginning tells
    Auto,
    /// Text and nothing else
    Text,
    /// One JSON document, read whole; text if it is none
    Json,
    /// Lines, of which some are JSON
    Lines,
    /// Server-sent events
    Sse,
    /// What a program wrote to a terminal: colours and other control sequences hide nothing, and stay
    Terminal,
}

impl Format {
    /// Of a text that is there whole; none if it is read as a stream all the same.
    pub(super) fn form(self) -> Option<Form> {
        match self {
            Self::Auto => Some(Form::Auto),
            Self::Text => Some(Form::Text),
            Self::Json => Some(Form::Json),
            Self::Lines => Some(Form::Lines),
            Self::Sse | Self::Terminal => None,
        }
    }

    /// Of a text that comes in pieces.
    pub(super) fn framing(self) -> Framing {
        match self {
            Self::Auto | Self::Json => Framing::Auto,
            Self::Text => Framing::Text,
            Self::Lines => Framing::Lines,
            Self::Sse => Framing::EventStream,
            Self::Terminal => Framing::Terminal,
        }
    }
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Mask {
    /// What to look for: names of classes, `default`, `secrets` or `all`; see --list
    ///
    /// `all` counts whatever has the shape of a value. Anything else counts alone only where its shape or its check
    /// digits suffice, and otherwise where a near word or a key names it.
    ///
    /// If nothing is said, what the configuration says, or else `default`.
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',')]
    pub(super) classes: Vec<String>,
    /// Mask as the gateway of this configuration does; other options win over it or add to it
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// With --config: as it does for this target
    #[arg(long, requires = "config")]
    pub(super) target: Option<TargetName>,
    /// How a text is made up
    #[arg(long, value_enum, default_value_t = Format::Auto, conflicts_with = "detect")]
    pub(super) format: Format,
    /// Count whatever has the shape of a value, named or not
    #[arg(long)]
    pub(super) without_context: bool,
    /// Mask a class in another way: replace, redact, `keep_last(N)`, hmac, token or nullify
    #[arg(long, value_name = "CLASS=OPERATOR", value_parser = class_and_operator)]
    pub(super) operator: Vec<(String, Operator)>,
    /// Take what stands in a place for a class, whatever it looks like: `$.users[*].ssn`, `*_ssn`, `schema.table.column`
    #[arg(long, value_name = "RULE=CLASS", value_parser = rule_and_class)]
    pub(super) field: Vec<(String, String)>,
    /// Leave a value alone: exactly this one, one with `*` in it such as `*@example.org`, or addresses of a network such as
    /// `10.0.0.0/8`; for all classes, or for one as CLASS=VALUE
    #[arg(long, value_name = "VALUE", value_parser = allowed)]
    pub(super) allow: Vec<Allow>,
    /// Look for a class of your own too: what a regular expression matches, which is bounded and ASCII
    #[arg(long = "class", value_name = "CLASS=PATTERN", value_parser = class_and_pattern)]
    pub(super) custom: Vec<(String, String)>,
    /// The key of the operator hmac: 32 bytes, raw, in hexadecimal or in base64, that only the owner may read
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// Mask many texts: JSON lines {"id","text"}, answered by the same with the text masked
    #[arg(long, conflicts_with = "detect")]
    pub(super) lines: bool,
    /// Mask many texts that came in pieces: JSON lines {"id","chunks":[…]}, answered by {"id","text"}
    #[arg(long, conflicts_with_all = ["detect", "lines"])]
    pub(super) chunks: bool,
    /// Tell what is found and mask nothing: JSON lines {"id","text"}, answered by
    /// {"id","findings":[{"class","start","end","score"}]} with offsets in bytes of UTF-8
    ///
    /// Named classes count wherever their shape stands, as with --without-context.
    #[arg(long)]
    pub(super) detect: bool,
    /// With --detect: leave out findings of a lower score, from 0 to 1
    #[arg(long, value_name = "SCORE", default_value_t = 0.0, requires = "detect", value_parser = score)]
    pub(super) min_score: f64,
    /// Tell on standard error how many values of each class there were
    #[arg(long)]
    pub(super) stats: bool,
    /// List all classes
    #[arg(long, conflicts_with_all = ["lines", "chunks", "detect"])]
    pub(super) list: bool,
    /// With --list: print JSON
    #[arg(long, requires = "list")]
    pub(super) json: bool,
}

/// Options that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionError {
    /// A keyed hash without a key.
    #[error("the operator hmac needs a key; give it with --key-file FILE")]
    NoKey,
    /// A target that the configuration does not have.
    #[error("the configuration has no target {0}")]
    NoTarget(TargetName),
}

impl Mask {
    pub(super) fn mode(&self) -> Mode {
        match (self.detect, self.lines, self.chunks) {
            (true, ..) => Mode::Detect,
            (_, true, _) => Mode::Lines,
            (_, _, true) => Mode::Chunks,
            _ => Mode::Whole,
        }
    }

    /// What the configuration says; without one, what holds if nothing is said.
    fn configured(&self) -> anyhow::Result<Settings> {
        let default = || Settings::new(Selection::new(["default"]), [0; 32]);
        let Some(file) = &self.config else { return Ok(default()) };
        let config = Config::load(file)?;
        let masking = match &self.target {
            None => config.masking,
            Some(name) => {
                let target = config.targets.into_iter().find(|target| target.name == *name);
                target.ok_or_else(|| OptionError::NoTarget(name.clone()))?.masking
            }
        };
        Ok(masking.settings())
    }

    fn selection(&self, classes: &[String]) -> Selection {
        let only_named = classes.iter().all(|name| !["default", "secrets"].contains(&name.as_str()));
        let all = classes.iter().any(|name| name == "all");
        let selection = Selection::new(classes.iter().map(|name| name.trim()));
        let ungated = self.without_context || all || self.detect && only_named;
        if ungated { selection.without_context() } else { selection }
    }

    /// The options, on top of what the configuration says.
    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = self.configured()?;
        if !self.classes.is_empty() {
            settings.selection = self.selection(&self.classes);
        } else if self.without_context {
            settings.selection = settings.selection.without_context();
        }
        settings.operators.extend(self.operator.iter().cloned());
        settings.fields.extend(self.field.iter().cloned());
        settings.allow.extend(self.allow.iter().cloned());
        for (name, pattern) in &self.custom {
            // Patterns of one name are one class.
            if let Some(class) = settings.custom.iter_mut().find(|class| class.name == *name) {
                class.patterns.push(pattern.clone());
            } else {
                settings.custom.push(CustomClass { patterns: vec![pattern.clone()], ..CustomClass::new(name.clone()) });
            }
        }
        let own = settings.custom.iter().filter_map(|class| class.operator);
        let needs_key = settings.operators.values().copied().chain(own).any(|operator| operator == Operator::Hmac);
        match &self.key_file {
            Some(file) => {
                let reference = SecretRef { source: Source::File(file.clone()), format: None };
                settings.key = *key::load(&reference, Path::new(""))?;
            }
            None if needs_key => return Err(OptionError::NoKey.into()),
            None => {}
        }
        Ok(settings)
    }
}

/// A class is told by its capital letters; whether it exists is looked at later.
#[expect(clippy::unnecessary_wraps, reason = "what clap calls may fail")]
fn allowed(text: &str) -> Result<Allow, std::convert::Infallible> {
    let is_class = |name: &str| {
        let letters = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        letters && name.starts_with(|first: char| first.is_ascii_uppercase())
    };
    Ok(match text.split_once('=').filter(|(class, _)| is_class(class)) {
        Some((class, value)) => Allow { value: value.to_owned(), class: Some(class.to_owned()) },
        None => Allow { value: text.to_owned(), class: None },
    })
}

fn class_and_pattern(text: &str) -> Result<(String, String), String> {
    let (class, pattern) = text.split_once('=').ok_or("write CLASS=PATTERN, such as 'BADGE=EMP-[0-9]{5}'")?;
    Ok((class.to_owned(), pattern.to_owned()))
}

fn class_and_operator(text: &str) -> Result<(String, Operator), String> {
    let (class, operator) = text.split_once('=').ok_or("write CLASS=OPERATOR, such as CREDIT_CARD=keep_last(4)")?;
    Ok((class.to_owned(), operator.parse().map_err(|error: UnknownOperator| error.to_string())?))
}

fn rule_and_class(text: &str) -> Result<(String, String), String> {
    let (rule, class) = text.rsplit_once('=').ok_or("write RULE=CLASS, such as '$.users[*].ssn=US_SSN'")?;
    Ok((rule.to_owned(), class.to_owned()))
}

fn score(text: &str) -> Result<f64, String> {
    let score = text.parse().ok().filter(|score| (0.0..=1.0).contains(score));
    score.ok_or_else(|| "a score is a number from 0 to 1".to_owned())
}
