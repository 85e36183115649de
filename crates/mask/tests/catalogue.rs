//! The whole catalogue: every class finds its own example, by name and, where it belongs there, in `default`; and what
//! is none of them stays untouched.

#![expect(clippy::unwrap_used, reason = "tests")]

use vidimus_mask::{End, Engine, Scan, Selection, catalogue};

/// Findings below this score are not masked.
const MASKED_FROM: u8 = 40;

#[test]
fn every_example_is_found_by_its_class_and_in_default_if_it_belongs_there() {
    let default = Engine::new(&Selection::new(["default"])).unwrap();
    let mut wrong = Vec::new();
    for class in catalogue() {
        let alone = Engine::new(&Selection::new([class.name]).without_context()).unwrap();
        if found(&alone, class.example, &[], 1).is_empty() {
            wrong.push(format!("{} by its name", class.name));
        }
        let text = format!("It reads: {}, as far as anybody here can tell.", class.example);
        let in_default = |text: &str, path: &[&str]| {
            found(&default, text, path, MASKED_FROM).iter().any(|(name, _)| name == class.name)
        };
        // What only its name tells is found below a key of that name.
        let below_key = |(key, value): (&str, &str)| in_default(value.trim_matches('"'), &[key]);
        let is_found = in_default(&text, &[]) || class.example.split_once(" = ").is_some_and(below_key);
        if class.in_default && !is_found {
            wrong.push(format!("{} in default", class.name));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_class_is_described_once_and_an_example_that_waits_for_context_has_some() {
    let mut names: Vec<&str> = catalogue().map(|class| class.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for class in catalogue() {
        assert!(!class.about.is_empty() && !class.example.is_empty(), "{}", class.name);
        assert!(!class.only_in_context || class.example.contains([' ', '=', ':']), "{}: {}", class.name, class.example);
    }
}

#[test]
fn plain_numbers_that_nothing_names_are_never_masked() {
    let default = Engine::new(&Selection::new(["default"])).unwrap();
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for _ in 0..10_000 {
        let digits = 8 + random.below(5);
        let number: String = (0..digits).map(|_| random.digit()).collect();
        let text = format!("item {number} in stock");
        assert_eq!(found(&default, &text, &[], MASKED_FROM), [], "{text}");
        assert_eq!(found(&default, &number, &["rows", "id"], MASKED_FROM), [], "{number}");
    }
}

#[test]
fn business_data_that_is_nobodys_is_hardly_ever_masked() {
    let default = Engine::new(&Selection::new(["default"])).unwrap();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for (name, make) in BUSINESS {
        let texts: Vec<String> = (0..2_000).map(|_| format!("it was {} then", make(&mut random))).collect();
        let masked = texts.iter().map(|text| found(&default, text, &[], MASKED_FROM)).filter(|found| !found.is_empty());
        let masked: Vec<_> = masked.collect();
        assert!(masked.len() <= 2, "{name}: {} of 2000, such as {:?}", masked.len(), masked.first());
    }
}

type Maker = fn(&mut Random) -> String;

/// What fills systems of record beside people's data, and how to make some.
const BUSINESS: [(&str, Maker); 13] = [
    ("order", |r| format!("ORD-{}-{}", 2020 + r.below(10), r.digits(6))),
    ("part", |r| format!("{}-{}-{}", r.letters(3), r.digits(4), r.letters(2))),
    ("time", |r| {
        format!("2026-0{}-1{}T0{}:4{}:1{}.{}Z", 1 + r.below(9), r.digit(), r.digit(), r.digit(), r.digit(), r.digits(3))
    }),
    ("day", |r| format!("1{}.0{}.2025", r.digit(), 1 + r.below(9))),
    ("milliseconds", |r| format!("17{}", r.digits(11))),
    ("nanoseconds", |r| format!("17{}", r.digits(17))),
    ("version", |r| format!("{}.{}.{}", r.below(20), r.below(40), r.below(400))),
    ("build", |r| format!("{}.{}.{}.{}", r.below(10), r.below(10), r.below(10), r.below(10))),
    ("uuid", |r| format!("{}-{}-4{}-a{}-{}", r.hex(8), r.hex(4), r.hex(3), r.hex(3), r.hex(12))),
    ("hash", |r| r.hex(64)),
    ("commit", |r| r.hex(40)),
    ("price", |r| format!("{},{}.{} EUR", 1 + r.below(999), 100 + r.below(900), r.digits(2))),
    ("ratio", |r| format!("0.{}", r.digits(16))),
];

/// What an engine finds with at least this score: classes and values.
fn found(engine: &Engine, text: &str, path: &[&str], score: u8) -> Vec<(String, String)> {
    let mut scan = Scan::default();
    engine.scan(text.as_bytes(), path, End::Final, &mut scan);
    let found = scan.findings().iter().filter(|finding| finding.score >= score);
    found.map(|one| (engine.name(one.class).to_owned(), text.get(one.start..one.end).unwrap().to_owned())).collect()
}

/// A small generator (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % bound
    }

    fn of(&mut self, letters: &str) -> char {
        let place = usize::try_from(self.below(letters.len() as u64)).unwrap();
        letters.chars().nth(place).unwrap()
    }

    fn digit(&mut self) -> char {
        self.of("0123456789")
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| self.digit()).collect()
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ")).collect()
    }

    fn hex(&mut self, count: usize) -> String {
        (0..count).map(|_| self.of("0123456789abcdef")).collect()
    }
}
