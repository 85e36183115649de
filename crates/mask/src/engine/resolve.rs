//! Which of several findings of one class stands.
//!
//! Of findings that overlap the best stands. What it leaves of another is looked at once more: a shorter match of it may
//! stand before the best, as it would in the masked text. So masking again finds nothing in what is left.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Finding;
use crate::class::ClassSet;

/// Sorts by start and, within each class, keeps of overlapping findings the one with the highest score, then the
/// longest, then the first. `shorter` holds, by start, what else was matched where a finding of the class begins.
/// Of the classes `in_parts`, whose finders know no shorter matches, all that overlaps is kept, in parts.
pub(super) fn per_class(findings: &mut Vec<Finding>, shorter: &mut [Finding], in_parts: &ClassSet) {
    if findings.len() < 2 {
        return;
    }
    findings.sort_unstable_by_key(|finding| (finding.class, finding.start, finding.end));
    shorter.sort_unstable_by_key(|finding| (finding.class, finding.start));
    let mut kept = Vec::with_capacity(findings.len());
    let mut rest = findings.as_slice();
    while let Some(first) = rest.first() {
        let mut end = first.end;
        let joins = |finding: &&Finding| {
            let joins = finding.class == first.class && (finding.start < end || std::ptr::eq(*finding, first));
            end = end.max(finding.end);
            joins
        };
        let (overlapping, after) = rest.split_at(rest.iter().take_while(joins).count());
        rest = after;
        match overlapping {
            [alone] => kept.push(*alone),
            several => best(several, shorter, in_parts, &mut kept),
        }
    }
    kept.sort_unstable_by_key(|finding| (finding.start, finding.end));
    *findings = kept;
}

/// Adds those of some findings of one class that stand, and what they leave of the others.
fn best(findings: &[Finding], shorter: &[Finding], in_parts: &ClassSet, kept: &mut Vec<Finding>) {
    let mut by_worth = findings.to_vec();
    by_worth.sort_by_key(|finding| Reverse((finding.score, finding.end - finding.start)));
    let mut standing = Standing::default();
    by_worth.retain(|finding| !standing.take(finding, kept));
    for finding in by_worth {
        if in_parts.contains(finding.class) {
            standing.take_rest(&finding, kept);
            continue;
        }
        let key = (finding.class, finding.start);
        let from = shorter.partition_point(|shorter| (shorter.class, shorter.start) < key);
        let same = shorter.iter().skip(from).take_while(|shorter| (shorter.class, shorter.start) == key);
        let mut same: Vec<&Finding> = same.collect();
        same.sort_by_key(|shorter| Reverse(shorter.end));
        same.into_iter().any(|shorter| standing.take(shorter, kept));
    }
}

/// What stands, by its start: none of it overlaps.
#[derive(Default)]
struct Standing(BTreeMap<usize, usize>);

impl Standing {
    /// Keeps a finding if nothing that stands overlaps it.
    fn take(&mut self, finding: &Finding, kept: &mut Vec<Finding>) -> bool {
        let before = self.0.range(..finding.end).next_back();
        let stands = before.is_none_or(|(_, end)| *end <= finding.start);
        if stands {
            self.0.insert(finding.start, finding.end);
            kept.push(*finding);
        }
        stands
    }

    /// Keeps what nothing that stands overlaps of a finding.
    fn take_rest(&mut self, finding: &Finding, kept: &mut Vec<Finding>) {
        let overlapping = self.0.range(..finding.end).rev().take_while(|(_, end)| **end > finding.start);
        let mut gaps = Vec::new();
        let mut end = finding.end;
        for (from, to) in overlapping {
            gaps.push(*to..end);
            end = *from;
        }
        gaps.push(finding.start..end);
        for gap in gaps.into_iter().filter(|gap| gap.start < gap.end) {
            self.take(&Finding { start: gap.start, end: gap.end, ..*finding }, kept);
        }
    }
}
