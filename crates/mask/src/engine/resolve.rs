//! Which of several findings of one class stands.

use super::Finding;

/// Sorts by start and, within each class, keeps of overlapping findings the one with the highest score, then the
/// longest, then the first.
pub(super) fn per_class(findings: &mut Vec<Finding>) {
    if findings.len() < 2 {
        return;
    }
    findings.sort_unstable_by_key(|finding| (finding.class, finding.start, finding.end));
    let better =
        |one: &Finding, other: &Finding| (one.score, one.end - one.start) > (other.score, other.end - other.start);
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings.drain(..) {
        match kept.last_mut().filter(|last| last.class == finding.class && finding.start < last.end) {
            Some(last) if better(&finding, last) => *last = finding,
            Some(_) => {}
            None => kept.push(finding),
        }
    }
    kept.sort_unstable_by_key(|finding| (finding.start, finding.end));
    *findings = kept;
}
