//! Which of several findings of one class stands.
//!
//! Of findings that overlap the best stands. What it leaves of another is looked at once more: a shorter match of it may
//! stand before the best, as it would in the masked text. So masking again finds nothing in what is left.

use std::collections::BTreeMap;

use super::Finding;

/// Sorts by start and, within each class, keeps of overlapping findings the one with the highest score, then the
/// longest, then the first. `shorter` holds, by start, what else was matched where a finding of the class begins.
pub(super) fn per_class(findings: &mut Vec<Finding>, shorter: &mut [Finding]) {
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
            several => best(several, shorter, &mut kept),
        }
    }
    kept.sort_unstable_by_key(|finding| (finding.start, finding.end));
    *findings = kept;
}

/// Adds those of some findings of one class that stand.
fn best(findings: &[Finding], shorter: &[Finding], kept: &mut Vec<Finding>) {
    let mut by_worth = findings.to_vec();
    by_worth.sort_by_key(|finding| std::cmp::Reverse((finding.score, finding.end - finding.start)));
    // Where what stands begins and ends.
    let mut standing: BTreeMap<usize, usize> = BTreeMap::new();
    let mut stand = |finding: &Finding| {
        let before = standing.range(..finding.end).next_back();
        let stands = before.is_none_or(|(_, end)| *end <= finding.start);
        if stands {
            standing.insert(finding.start, finding.end);
            kept.push(*finding);
        }
        stands
    };
    by_worth.retain(|finding| !stand(finding));
    for finding in by_worth {
        let key = (finding.class, finding.start);
        let from = shorter.partition_point(|shorter| (shorter.class, shorter.start) < key);
        let same = shorter.iter().skip(from).take_while(|shorter| (shorter.class, shorter.start) == key);
        let mut same: Vec<&Finding> = same.collect();
        same.sort_by_key(|shorter| std::cmp::Reverse(shorter.end));
        same.into_iter().any(&mut stand);
    }
}
