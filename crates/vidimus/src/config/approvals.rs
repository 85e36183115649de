//! `[approvals.NAME]`: who must agree before a call passes that policy holds.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable};
use vidimus_policy::ApprovalRule;

use super::document::Document;
use super::sections::one_of;
use super::table::{Table, Value};
use super::{keys, value};

/// The most people that a rule may ask for.
const MAX_APPROVERS: usize = 10;
/// The longest message, in bytes.
const MAX_MESSAGE: usize = 500;

/// The rules, by name; none when there is no table.
pub(super) fn read<'a>(
    document: &'a Document,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
) -> Option<Vec<ApprovalRule>> {
    let rules = found.into_iter().flat_map(|(_, table)| table);
    let rules: Vec<_> = rules.map(|(name, value)| rule(document, name, value)).collect();
    rules.into_iter().collect()
}

fn rule<'a>(document: &'a Document, name: &'a Spanned<DeString<'a>>, value: Value<'a>) -> Option<ApprovalRule> {
    let own_name = value::name(name.get_ref());
    if let Err(expected) = &own_name {
        document.problem(name.span(), expected.as_str(), None);
    }
    let Some(table) = value.get_ref().as_table() else {
        document.strike(value.span());
        document.problem(value.span(), format!("`{}` in [approvals] must be a table", name.get_ref()), None);
        return None;
    };
    let table = Table::new(document, &keys::APPROVAL, format!("approvals.{}", name.get_ref()), name.span(), table);
    let approvers = table.count("approvers").filter(|approvers| {
        let fits = *approvers <= MAX_APPROVERS;
        if !fits {
            document.problem(name.span(), format!("`approvers` in {table} is more than {MAX_APPROVERS}"), None);
        }
        fits
    });
    let expires = table.parsed("expires", value::duration);
    let wait = table.parsed("wait", value::duration);
    let needs_reason = table.parsed("justification", |text| one_of(text, &[("required", true), ("optional", false)]));
    let has_message = table.value("message").is_some();
    let message = table.parsed("message", |text| {
        let fits = (1..=MAX_MESSAGE).contains(&text.len()) && !text.chars().any(char::is_control);
        let expected = || format!("expected 1 to {MAX_MESSAGE} bytes without control characters");
        fits.then(|| text.to_owned()).ok_or_else(expected)
    });
    table.finish();
    if has_message && message.is_none() {
        return None;
    }
    Some(ApprovalRule {
        name: own_name.ok()?.into(),
        approvers: u64::try_from(approvers?).ok()?,
        expires: expires?,
        wait: wait?,
        needs_reason: needs_reason?,
        message,
    })
}
