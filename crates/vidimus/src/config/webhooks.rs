//! `[webhooks.NAME]`: who is told of requests for approval.

use std::ops::Range;

use http::Uri;
use toml::Spanned;
use toml::de::{DeString, DeTable};

use super::document::Document;
use super::table::{Table, Value};
use super::{keys, value};
use crate::secret::SecretRef;

/// One webhook.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) name: String,
    pub(crate) url: Uri,
    pub(crate) secret: SecretRef,
    /// The rules whose requests it is told of; none for all.
    pub(crate) rules: Option<Vec<String>>,
    pub(crate) is_private_allowed: bool,
}

/// The webhooks, by name; none when there is no table. `rules` are the approval rules there are.
pub(super) fn read<'a>(
    document: &'a Document,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
    rules: &[String],
) -> Option<Vec<Webhook>> {
    let tables = found.into_iter().flat_map(|(_, table)| table);
    let webhooks: Vec<_> = tables.map(|(name, value)| webhook(document, (name, value), rules)).collect();
    webhooks.into_iter().collect()
}

fn webhook<'a>(
    document: &'a Document,
    (name, value): (&'a Spanned<DeString<'a>>, Value<'a>),
    known: &[String],
) -> Option<Webhook> {
    let own_name = value::name(name.get_ref());
    if let Err(expected) = &own_name {
        document.problem(name.span(), expected.as_str(), None);
    }
    let Some(table) = value.get_ref().as_table() else {
        document.strike(value.span());
        document.problem(value.span(), format!("`{}` in [webhooks] must be a table", name.get_ref()), None);
        return None;
    };
    let table = Table::new(document, &keys::WEBHOOK, format!("webhooks.{}", name.get_ref()), name.span(), table);
    let is_private_allowed = table.boolean("allow_private");
    let url = table
        .parsed("url", |text| if is_private_allowed == Some(true) { value::url(text) } else { value::https_url(text) });
    let secret = table.secret("secret");
    let has_rules = table.value("rules").is_some();
    let rules = table.list("rules", |rule| {
        let is_known = known.iter().any(|known| known == rule);
        is_known.then(|| rule.to_owned()).ok_or_else(|| format!("there is no [approvals.{rule}]"))
    });
    table.finish();
    if has_rules && rules.is_none() {
        return None;
    }
    Some(Webhook {
        name: own_name.ok()?,
        url: url?,
        secret: secret?,
        rules: rules.filter(|_| has_rules),
        is_private_allowed: is_private_allowed?,
    })
}
