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
    // They come nearly in this order.
    findings.sort_by_key(|finding| finding.start);
    shorter.sort_unstable_by_key(|finding| (finding.class, finding.start));
    let mut kept = Vec::with_capacity(findings.len());
    let mut rest = findings.as_mut_slice();
    while let Some(first) = rest.first() {
        let length = overlapping(first, rest);
        let (together, after) = rest.split_at_mut(length);
        rest = after;
        let from = kept.len();
        if are_of_different_classes(together) {
            kept.extend_from_slice(together);
        } else {
            together.sort_unstable_by_key(|finding| (finding.class, finding.start, finding.end));
            for of_class in together.chunk_by(|one, other| one.class == other.class) {
                one_class(of_class, shorter, in_parts, &mut kept);
            }
        }
        // What stays of findings that overlapped stands where they stood.
        let order = |finding: &Finding| (finding.start, finding.end, finding.class);
        kept.get_mut(from..).unwrap_or_default().sort_unstable_by_key(order);
    }
    *findings = kept;
}

/// How many findings, by start, overlap the first of them or one another after it, whatever their classes.
fn overlapping(first: &Finding, findings: &[Finding]) -> usize {
    let mut end = first.end;
    let joins = |finding: &&Finding| {
        let joins = finding.start < end;
        end = end.max(finding.end);
        joins
    };
    1 + findings.iter().skip(1).take_while(joins).count()
}

fn are_of_different_classes(findings: &[Finding]) -> bool {
    let mut classes = ClassSet::EMPTY;
    findings.iter().all(|finding| {
        let is_new = !classes.contains(finding.class);
        classes.insert(finding.class);
        is_new
    })
}

/// Keeps those of one class's findings, by start, that stand.
fn one_class(findings: &[Finding], shorter: &[Finding], in_parts: &ClassSet, kept: &mut Vec<Finding>) {
    let mut rest = findings;
    while let Some(first) = rest.first() {
        let (together, after) = rest.split_at(overlapping(first, rest));
        rest = after;
        match together {
            [alone] => kept.push(*alone),
            several => match first_of_all(several) {
                Some(best) => kept.push(best),
                None => best(several, shorter, in_parts, kept),
            },
        }
    }
}

/// The best of some findings of one class, if it holds all others: then nothing of them, and nothing shorter, stands beside
/// it.
fn first_of_all(findings: &[Finding]) -> Option<Finding> {
    let best =
        findings.iter().copied().reduce(|best, finding| if worth(&finding) > worth(&best) { finding } else { best });
    best.filter(|best| findings.iter().all(|finding| best.start <= finding.start && finding.end <= best.end))
}

/// What decides which of two findings of one class stands.
fn worth(finding: &Finding) -> (u8, usize) {
    (finding.score, finding.end - finding.start)
}

/// Adds those of some findings of one class that stand, and what they leave of the others.
fn best(findings: &[Finding], shorter: &[Finding], in_parts: &ClassSet, kept: &mut Vec<Finding>) {
    let mut by_worth = findings.to_vec();
    by_worth.sort_by_key(|finding| Reverse(worth(finding)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::ClassId;

    fn finding(class: u16, start: usize, end: usize, score: u8) -> Finding {
        Finding { class: ClassId(class), start, end, score }
    }

    #[test]
    fn of_one_class_the_best_stands_and_of_others_whatever_is_there() {
        let mut findings = vec![
            finding(2, 0, 4, 10),
            finding(1, 0, 9, 50),
            finding(1, 4, 12, 60),
            finding(2, 20, 25, 10),
            finding(1, 20, 25, 10),
        ];
        per_class(&mut findings, &mut [finding(1, 0, 3, 40)], &ClassSet::EMPTY);
        let stand = [
            finding(1, 0, 3, 40),
            finding(2, 0, 4, 10),
            finding(1, 4, 12, 60),
            finding(1, 20, 25, 10),
            finding(2, 20, 25, 10),
        ];
        assert_eq!(findings, stand);
    }

    #[test]
    fn the_best_of_one_class_stands_alone_where_it_holds_all_others() {
        let mut findings = vec![finding(1, 0, 14, 95), finding(1, 0, 14, 55), finding(1, 6, 14, 55)];
        per_class(&mut findings, &mut [finding(1, 6, 10, 55)], &ClassSet::EMPTY);
        assert_eq!(findings, [finding(1, 0, 14, 95)]);
        let mut findings = vec![finding(1, 0, 14, 95), finding(1, 6, 15, 55)];
        per_class(&mut findings, &mut [], &ClassSet::EMPTY);
        assert_eq!(findings, [finding(1, 0, 14, 95)]);
        let mut findings = vec![finding(1, 0, 8, 55), finding(1, 6, 15, 95)];
        per_class(&mut findings, &mut [finding(1, 0, 4, 55)], &ClassSet::EMPTY);
        assert_eq!(findings, [finding(1, 0, 4, 55), finding(1, 6, 15, 95)]);
    }
}
