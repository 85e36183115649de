//! What the readings of one text tell each other.
//!
//! A text that spells characters in other ways is read as it stands and as it reads, and what either reading holds is masked
//! in the one text that there is. A mark names its class to both. So the readings are scanned in turn, each told the parts
//! that will be masked, until neither learns anything: then the masked text names nothing that the text did not. Only texts
//! made for it need many rounds: in the last one, each class that was found counts as named everywhere. That masks more, never
//! less.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::class::ClassId;
use crate::engine::Finding;

/// Rounds in which the readings tell each other what they hold.
const MAX_ROUNDS: usize = 8;

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Reads,
    Stands,
}

/// What a reading is told before it is scanned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'t> {
    /// What is known to be masked, by its places in the text as it stands.
    pub(crate) masked: &'t [Finding],
    /// Whether that names its classes everywhere, not only near it.
    pub(crate) everywhere: bool,
}

/// Two readings of one text, and which of their findings are masked.
pub(crate) trait Readings {
    /// What one of them holds, by its places in the text as it stands.
    fn scan(&mut self, way: Way, told: Told<'_>) -> Vec<Finding>;

    /// A finding of the text as it stands, to the end of what it ends inside of as the text reads.
    fn whole(&self, finding: Finding) -> Finding;

    /// Whether a finding is sure enough to be masked.
    fn is_masked(&self, finding: &Finding) -> bool;
}

/// All that two readings hold that know of each other, by start.
pub(crate) fn exchange(readings: &mut impl Readings) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    for round in 0..=MAX_ROUNDS {
        let everywhere = round == MAX_ROUNDS;
        let mut masked: Vec<Finding> = masked_of(readings, &all).collect();
        let reads = readings.scan(Way::Reads, Told { masked: &masked, everywhere });
        let told_reads = names(&mut masked);
        masked.extend(masked_of(readings, &reads));
        let stands = readings.scan(Way::Stands, Told { masked: &masked, everywhere });
        let told_stands = names(&mut masked);
        let own = |found: &[Finding]| found.iter().map(name).collect::<Names>();
        let (own_reads, own_stands) = (own(&reads), own(&stands));
        all = reads.into_iter().chain(stands.into_iter().map(|finding| readings.whole(finding))).collect();
        unite(&mut all);
        let mut masked: Vec<Finding> = masked_of(readings, &all).collect();
        let now = names(&mut masked);
        let is_known = |name: &Name| {
            (told_reads.contains(name) || own_reads.contains(name))
                && (told_stands.contains(name) || own_stands.contains(name))
        };
        if now.iter().all(is_known) && told_reads.is_subset(&now) && told_stands.is_subset(&now) {
            break;
        }
    }
    all
}

fn masked_of(readings: &impl Readings, findings: &[Finding]) -> impl Iterator<Item = Finding> {
    findings.iter().filter(|finding| readings.is_masked(finding)).copied()
}

/// A class and from where on a mark names it.
type Name = (usize, ClassId);
type Names = HashSet<Name>;

/// What a finding alone names.
fn name(finding: &Finding) -> Name {
    (finding.end, finding.class)
}

/// What the marks of some findings may name, and from where on: those that overlap get one mark.
fn names(findings: &mut [Finding]) -> Names {
    findings.sort_unstable_by_key(|finding| finding.start);
    let mut names = Names::with_capacity(findings.len());
    let mut rest = &*findings;
    while let Some(first) = rest.first() {
        let (mut end, mut count) = (first.end, 1);
        while let Some(next) = rest.get(count).filter(|next| next.start < end) {
            end = end.max(next.end);
            count += 1;
        }
        let (part, after) = rest.split_at(count);
        names.extend(part.iter().map(|finding| (end, finding.class)));
        rest = after;
    }
    names
}

/// Sorts what was found more than once, and keeps the best of it.
fn unite(findings: &mut Vec<Finding>) {
    findings.sort_unstable_by_key(|finding| (finding.start, finding.end, finding.class, Reverse(finding.score)));
    findings.dedup_by_key(|finding| (finding.start, finding.end, finding.class));
}
