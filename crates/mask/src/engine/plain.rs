//! Short and plain texts: values of JSON are mostly a word, a number or a date.
//!
//! Their signs, seen at one look, say that they hold no JSON, no mark, no escape and no other spelling of a character,
//! which finders may find something, and where shapes may begin. Most hold nothing, which is told before a pass is made;
//! what is found is what a pass would find in any other text.

use super::automaton::Failed;
use super::candidates::{Candidates, place, places_of};
use super::pass::Pass;
use super::starts::{Places, Plain};
use super::{Cut, End, Engine, Finding, Path, Scan, finders};
use crate::bits::BLOCK;
use crate::class::{ClassId, ClassSet, Finder};

/// Colons of an IPv6 address without `::` (RFC 4291 §2.2), at least: its last two groups may be an IPv4 address.
const MIN_COLONS: u32 = 6;

impl Engine {
    /// Scans a whole text that `path` leads to if it is short and plain, which reads as it stands. False if it is not, and
    /// if a scan of something else was told what it is to hear.
    pub(crate) fn scan_plain(&self, text: &[u8], path: &Path<'_>, scan: &mut Scan) -> bool {
        let plain = match text.len() {
            0..=16 => self.starts.plain::<1>(text),
            17..=32 => self.starts.plain::<2>(text),
            33..=BLOCK => self.starts.plain::<4>(text),
            _ => None,
        };
        match plain.filter(|_| scan.to_hear.is_empty()) {
            Some(plain) => {
                self.scan_short(text, &plain, path, scan);
                true
            }
            None => false,
        }
    }

    fn scan_short(&self, text: &[u8], plain: &Plain, path: &Path<'_>, scan: &mut Scan) {
        scan.begin(text);
        for (finder, class) in self.finders.iter().filter(|(finder, _)| plain.may_hold(*finder)) {
            finders::find(*finder, *class, text, 0, End::Final, scan);
        }
        let told = self.told(path, &mut scan.paths);
        let named = told.named;
        if let Some(key) = path.last().filter(|_| told.is_keyed) {
            self.keywords.find_keyed(key, text, &self.marks, End::Final, scan);
        }
        self.keywords.find(text, 0, &self.marks, End::Final, scan);
        let places = &plain.places;
        let alike = plain.alike.filter(|_| scan.findings.is_empty());
        let known = alike.and_then(|alike| scan.paths.candidates(&alike));
        if known.is_some_and(|known| known.is_empty()) {
            return;
        }
        let candidates = known.unwrap_or_else(|| {
            let near = places.near_digits(&Places::default());
            self.candidates(text, 0, places, &Places::default(), near, End::Final).sifted(self, text)
        });
        let mut short = Short { engine: self, text, places, candidates, named, said: ClassSet::EMPTY };
        short.listen();
        if candidates.alone | candidates.glued == 0 {
            short.rule_out(&scan.findings, None);
        }
        if let Some(alike) = alike.filter(|_| known.is_none()) {
            scan.paths.remember(alike, || short.of_all_alike(&candidates));
        }
        if scan.findings.is_empty() && short.candidates.is_empty() {
            return;
        }
        scan.forget();
        scan.findings.sort_unstable_by_key(|finding| (finding.end, finding.start));
        let by_finders = scan.findings.len();
        let passed = if short.candidates.is_empty() { Ok(()) } else { short.pass(scan) };
        self.conclude(passed, text, (Cut::default(), End::Final), by_finders, scan);
    }
}

impl Plain {
    /// Whether a finder may find something.
    fn may_hold(&self, finder: Finder) -> bool {
        match finder {
            Finder::Email => self.ats != 0,
            Finder::Ipv6 => self.colons & self.colons >> 1 != 0 || self.colons.count_ones() >= MIN_COLONS,
            Finder::Url => self.dots != 0,
        }
    }
}

/// A short text in which finders found what they find.
struct Short<'a> {
    engine: &'a Engine,
    text: &'a [u8],
    places: &'a Places,
    candidates: Candidates,
    /// The classes that the path names.
    named: ClassSet,
    /// Those that its words name, if a shape may begin.
    said: ClassSet,
}

impl Short<'_> {
    /// Looks up what all its words name.
    #[inline(never)]
    fn listen(&mut self) {
        if self.candidates.is_empty() {
            return;
        }
        let mut left = self.places.words | self.places.inner;
        if !self.engine.words.begin_with_digits() {
            left &= !self.places.digits;
        }
        while left != 0 {
            let lowest = left & left.wrapping_neg();
            left ^= lowest;
            if let Some(named) = self.engine.words.at(self.text, place(0, lowest)) {
                self.said.extend(&named);
            }
        }
    }

    /// Rules out places at which no shape of a class may match that something names, be it what was found; whatever stands
    /// there of one class makes no difference.
    fn rule_out(&mut self, found: &[Finding], but: Option<ClassId>) {
        let Self { engine, text, places, .. } = *self;
        let mut named = self.named;
        named.extend(&self.said);
        for finding in found {
            named.insert(finding.class);
        }
        if let Some(class) = but {
            named.remove(class);
        }
        let mut left = self.candidates.contextual;
        if !named.intersects(&engine.contextual_classes) {
            self.candidates.contextual = 0;
            return;
        }
        while left != 0 {
            let lowest = left & left.wrapping_neg();
            left ^= lowest;
            let classes = engine.in_context(text, 0, lowest, places, &Places::default(), End::Final);
            let may_match = named.intersects(classes)
                && engine.outlines.may_be_in_context(text, place(0, lowest), End::Final, &named);
            if !may_match {
                self.candidates.contextual ^= lowest;
            }
        }
    }

    /// Where shapes may begin in this text and those that differ from it in their digits only, given where they may begin in
    /// this one; none if that cannot be told. How many digits stand together, which tells what numbers may be, is the same
    /// in all of them. Outlines are asked again, with all digits at once.
    fn of_all_alike(&self, candidates: &Candidates) -> Option<Candidates> {
        let Self { engine, text, places, .. } = *self;
        let has_plain_words = candidates.is_empty() || places.parts_words_from_digits() && engine.words.ignore_digits();
        let begin_alike = || places_of(places.begin_before_digits()).all(|at| engine.begins_alike(text, at));
        if !has_plain_words || !begin_alike() {
            return None;
        }
        let mut all = *candidates;
        for at in places_of(candidates.outlined).filter(|at| engine.outlines.may_be_alone_alike(text, *at)) {
            all.alone |= 1 << at;
        }
        if all.alone | all.glued == 0 {
            // Nothing but the path and the words of the text can name a class.
            let mut named = self.named;
            named.extend(&self.said);
            for at in places_of(candidates.contextual) {
                let classes = engine.in_context(text, 0, 1 << at, places, &Places::default(), End::Final);
                let may_match = named.intersects(classes) && engine.outlines.may_be_in_context_alike(text, at, &named);
                all.contextual ^= if may_match { 0 } else { 1 << at };
            }
        }
        Some(all)
    }

    /// Tries the shapes that need no context, and then, if that may change what is found, both kinds as a pass does.
    fn pass(&mut self, scan: &mut Scan) -> Result<(), Failed> {
        let Self { engine, text, places, candidates, named, .. } = *self;
        let by_finders = scan.findings.len();
        let is_silent = self.said.is_empty() && by_finders == 0;
        let mut pass = Pass::new(engine, text, named, End::Final, scan, Cut::default());
        if is_silent {
            pass.hears_nothing();
        }
        if candidates.alone | candidates.glued != 0 {
            pass.run_alone(places, Candidates { contextual: 0, ..candidates })?;
            if candidates.contextual == 0 {
                return Ok(());
            }
            let found = pass.found();
            self.rule_out(found, self.whole(found).filter(|_| is_silent));
            if self.candidates.contextual == 0 {
                return Ok(());
            }
            if found.len() > by_finders {
                drop(pass);
                scan.again(by_finders);
                return Pass::new(engine, text, named, End::Final, scan, Cut::default()).run_alone(places, candidates);
            }
        }
        pass.run_alone(places, Candidates { alone: 0, glued: 0, ..self.candidates })
    }

    /// The class of the only finding, if that is all of a text whose words name nothing, the path names its class too, and
    /// no match in context is worth more: such a match would be a part of it, and would name nothing that is not named.
    fn whole(&self, found: &[Finding]) -> Option<ClassId> {
        let [Finding { class, start: 0, end, score }] = *found else { return None };
        let in_context = self.engine.scores_in_context.get(class.index())?;
        (end == self.text.len() && score >= *in_context && self.named.contains(class)).then_some(class)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{LazyLock, Mutex};

    use proptest::prelude::*;

    use super::*;
    use crate::custom::CustomClass;
    use crate::selection::Selection;
    use crate::spelling::Reading;

    static ENGINES: LazyLock<[Engine; 2]> = LazyLock::new(|| {
        [&["default", "secrets"][..], &["all"]]
            .map(|classes| Engine::new(&Selection::new(classes.iter().copied())).unwrap())
    });

    static SCANS: LazyLock<Mutex<[Scan; 2]>> = LazyLock::new(Mutex::default);

    const KEYS: [&str; 8] = ["id", "name", "ssn", "phone", "api_key", "token", "github_token", "<US_SSN>"];

    #[test]
    fn what_begins_json_marks_or_spellings_is_not_plain() {
        for text in ["", "Anna", "2026-11-21T08:00:00Z", "jane@example.com", "(415) 555-0134", "it's a_b, c; d/e!"] {
            assert!(ENGINES[0].scan_plain(text.as_bytes(), &[], &mut Scan::default()), "{text}");
        }
        let long = "a ".repeat(BLOCK / 2 + 1);
        for text in ["{a", "[1]", "a%40b", "a\\n", "caf\u{e9}", "<US_SSN>", "a\nb", "**12", "a&b", "a=b", "a\0b", &long]
        {
            assert!(!ENGINES[0].scan_plain(text.as_bytes(), &[], &mut Scan::default()), "{text:?}");
        }
    }

    #[test]
    fn digits_that_name_a_class_are_told_from_others() {
        for phrase in ["form 7 number", "form 7", "7"] {
            let mut class = CustomClass::new("FORM_NUMBER");
            class.patterns.push("[0-9]{6}".to_owned());
            class.context.push(phrase.to_owned());
            class.needs_context = true;
            let engine = Engine::build(&Selection::new(["default"]), &[class], &[]).unwrap();
            let mut scan = Scan::default();
            for (digit, found) in [(8, 0), (7, 1), (8, 0), (6, 0), (7, 1)] {
                let text = format!("{} 123456", phrase.replace('7', &digit.to_string()));
                assert!(engine.scan_plain(text.as_bytes(), &["note"], &mut scan));
                assert_eq!(scan.findings().len(), found, "{text}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn what_is_plain_reads_as_it_stands_and_holds_what_any_scan_finds(
            text in "[ -;@A-Z_a-z]{0,66}|([0-9a-f]{0,4}:){1,8}[0-9a-f.]{0,15}|([0-9]{1,6}[-:./ ]?){1,8}|\
                ([A-Z]{0,2}[0-9]{0,9} ?){1,5}|(1[. -]?)?\\(?[2-9][0-8][0-9]\\)?[. -]?[2-9][0-9]{2}[. -]?[0-9]{4}( ?x?[0-9 .-]{1,6})?|\
                [0-8][0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{4}([ .-]?[0-9]{1,6})?|((ssn|card|AWS|key|tel|a@b\\.org)?[ =:]?[0-9A-Za-z]{1,12}[ -]?){1,4}",
            key in prop::sample::select(&KEYS[..]),
            add in 0..9_u8,
        ) {
            // What is remembered of a text that differs in its digits makes no difference, and so what is of others.
            let other: Vec<u8> = text
                .bytes()
                .map(|byte| if byte.is_ascii_digit() { b'0' + (byte - b'0' + add) % 10 } else { byte })
                .collect();
            for (engine, plain) in ENGINES.iter().zip(&mut *SCANS.lock().unwrap()) {
                let mut any = Scan::default();
                engine.scan_plain(&other, &[key], plain);
                if engine.scan_plain(text.as_bytes(), &[key], plain) {
                    engine.scan(text.as_bytes(), &[key], End::Final, &mut any);
                    prop_assert_eq!(plain.findings(), any.findings());
                    prop_assert!(Reading::of(text.as_bytes()).is_none());
                }
            }
        }
    }
}
