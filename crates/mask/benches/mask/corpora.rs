//! Texts to measure on, made from a seed: the same on every machine, none of them anybody's data.

use std::fmt::Write as _;

/// Bytes of one document; a corpus is many.
pub(crate) const DOCUMENT_BYTES: usize = 8 << 10;

/// What a corpus is made of.
pub(crate) struct Corpus {
    pub(crate) name: &'static str,
    /// Whether its documents are JSON.
    pub(crate) json: bool,
    pub(crate) documents: Vec<String>,
}

/// A corpus's name, whether it is JSON, and how a document of it is made.
type Kind = (&'static str, bool, fn(&mut Random) -> String);

/// All corpora, about `bytes` each.
pub(crate) fn all(bytes: usize) -> Vec<Corpus> {
    let kinds: [Kind; 12] = [
        ("json sparse", true, json_sparse),
        ("json dense", true, json_dense),
        ("logs", false, logs),
        ("code", false, code),
        ("prose", false, prose),
        ("non-ascii", false, non_ascii),
        ("near misses", false, near_misses),
        ("digit runs", false, digit_runs),
        ("digit groups", false, digit_groups),
        ("keywords", false, keywords),
        ("delimiters", false, delimiters),
        ("letters", false, letters),
    ];
    kinds
        .into_iter()
        .map(|(name, json, make)| {
            let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ bytes as u64);
            let documents = (0..bytes.div_ceil(DOCUMENT_BYTES)).map(|_| make(&mut random)).collect();
            Corpus { name, json, documents }
        })
        .collect()
}

/// A small generator (xorshift64*): enough for texts.
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words.get(self.next() as usize % words.len()).copied().unwrap_or_default()
    }

    fn text(&mut self, alphabet: &[u8], length: u64) -> String {
        (0..length).map(|_| char::from(alphabet[self.next() as usize % alphabet.len()])).collect()
    }
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(more);
}

fn filled(random: &mut Random, mut line: impl FnMut(&mut Random, &mut String)) -> String {
    let mut text = String::with_capacity(DOCUMENT_BYTES + 512);
    while text.len() < DOCUMENT_BYTES {
        line(random, &mut text);
    }
    text
}

const HEX: &[u8] = b"0123456789abcdef";
const DIGITS: &[u8] = b"0123456789";
const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const WORDS: &[&str] = &[
    "the",
    "of",
    "customer",
    "order",
    "when",
    "shipment",
    "a",
    "is",
    "invoice",
    "delivered",
    "to",
    "and",
    "in",
    "report",
    "meeting",
    "next",
    "quarter",
    "because",
    "price",
    "we",
    "have",
    "changed",
    "support",
    "team",
    "answer",
    "question",
    "was",
    "open",
    "for",
    "several",
    "weeks",
    "before",
    "anyone",
    "noticed",
    "that",
    "network",
    "between",
    "regions",
];
const NAMES: &[&str] = &["Anna", "Boris", "Chen", "Dilara", "Emeka", "Farah", "Goran", "Hiro", "Ines", "Jonas"];

/// Long descriptive strings and few numbers, as a ticket system answers.
fn json_sparse(random: &mut Random) -> String {
    let body = filled(random, |random, text| {
        let sentence =
            |random: &mut Random, words: u64| (0..words).map(|_| random.of(WORDS)).collect::<Vec<_>>().join(" ");
        let (id, title, body) = (random.below(100_000), sentence(random, 7), sentence(random, 60));
        let state = random.of(&["open", "closed", "waiting"]);
        add(
            text,
            format_args!(
                "{{\"id\":{id},\"title\":\"{title}\",\"state\":\"{state}\",\"body\":\"{body}.\",\"labels\":[\"{}\",\"{}\"]}},",
                random.of(WORDS),
                random.of(WORDS)
            ),
        );
    });
    format!("{{\"items\":[{}]}}", body.trim_end_matches(','))
}

/// Records of short fields, many of them numbers and some of them personal, as a customer table answers.
fn json_dense(random: &mut Random) -> String {
    let body = filled(random, |random, text| {
        let name = random.of(NAMES);
        let (id, order, amount) = (random.below(1_000_000), random.below(10_000_000_000), random.below(100_000));
        let phone = format!("({}) 555-{:04}", 201 + random.below(700), random.below(10_000));
        add(
            text,
            format_args!(
                "{{\"id\":{id},\"name\":\"{name}\",\"email\":\"{}{id}@mail.test.org\",\"phone\":\"{phone}\",\"order\":\"{order}\",\
             \"amount\":{}.{:02},\"at\":\"2026-{:02}-{:02}T08:{:02}:00Z\",\"ssn\":\"{:03}-{:02}-{:04}\",\"ok\":{}}},",
                name.to_lowercase(),
                amount / 100,
                amount % 100,
                1 + random.below(12),
                1 + random.below(28),
                random.below(60),
                100 + random.below(500),
                1 + random.below(98),
                1 + random.below(9998),
                id % 2 == 0
            ),
        );
    });
    format!("[{}]", body.trim_end_matches(','))
}

fn logs(random: &mut Random) -> String {
    filled(random, |random, text| {
        let (hour, minute, second, milli) = (random.below(24), random.below(60), random.below(60), random.below(1000));
        let level = random.of(&["INFO", "INFO", "INFO", "WARN", "DEBUG", "ERROR"]);
        let module = random.of(&["http.server", "db.pool", "scheduler", "auth.session", "cache"]);
        let message = (0..4 + random.below(8)).map(|_| random.of(WORDS)).collect::<Vec<_>>().join(" ");
        let request = random.text(HEX, 16);
        add(
            text,
            format_args!(
                "2026-11-21T{hour:02}:{minute:02}:{second:02}.{milli:03}Z {level} {module} request={request} status={} took={}ms \
             peer=10.{}.{}.{}:{} {message}\n",
                random.of(&["200", "204", "301", "404", "500"]),
                random.below(3000),
                random.below(256),
                random.below(256),
                random.below(256),
                1024 + random.below(60_000)
            ),
        );
    })
}

fn code(random: &mut Random) -> String {
    filled(random, |random, text| {
        let name = format!("{}_{}", random.of(WORDS), random.of(WORDS));
        let kind = random.of(&["usize", "String", "Vec<u8>", "Option<u64>", "&str", "HashMap<String, Value>"]);
        let (one, other) = (random.of(WORDS), random.of(WORDS));
        let line = match random.below(7) {
            0 => format!("fn {name}({one}: {kind}) -> Result<{kind}, Error> {{\n"),
            1 => format!("    let {name} = self.{one}.get(&{other})?;\n"),
            2 => format!("    if {one}.len() > {} && !{other}.is_empty() {{\n", random.below(4096)),
            3 => format!("        return Err(Error::new(\"{one} {other} {name}\"));\n    }}\n"),
            4 => format!("    // {}\n", (0..8).map(|_| random.of(WORDS)).collect::<Vec<_>>().join(" ")),
            5 => format!("const {}: u32 = 0x{};\n", name.to_uppercase(), random.text(HEX, 8)),
            _ => format!("    {one}.{other}(|{name}| {name}.{one} + {});\n}}\n\n", random.below(100)),
        };
        text.push_str(&line);
    })
}

fn prose(random: &mut Random) -> String {
    filled(random, |random, text| {
        for _ in 0..6 + random.below(14) {
            text.push_str(random.of(WORDS));
            text.push(' ');
        }
        text.push_str(random.of(&["today. ", "in 2026. ", "at 8:30. ", "already, ", "again; "]));
    })
}

fn non_ascii(random: &mut Random) -> String {
    const WORDS: &[&str] =
        &["größer", "naïve", "данные", "клиент", "顧客", "注文", "주문번호", "élève", "ñandú", "Straße", "заказ"];
    filled(random, |random, text| {
        text.push_str(random.of(WORDS));
        text.push(' ');
        if random.below(12) == 0 {
            text.push_str(&random.below(1_000_000).to_string());
            text.push(' ');
        }
    })
}

/// What fails its check digit, its grammar or its last character.
fn near_misses(random: &mut Random) -> String {
    filled(random, |random, text| {
        let value = match random.below(8) {
            0 => format!("4{}", random.text(DIGITS, 15)),
            1 => format!("DE{}", random.text(DIGITS, 20)),
            2 => format!("{}-{}-{}", random.text(DIGITS, 3), random.text(DIGITS, 2), random.text(DIGITS, 3)),
            3 => format!("1{}", random.text(ALPHANUMERIC, 33)),
            4 => format!("{}@{}", random.text(ALPHANUMERIC, 12), random.text(ALPHANUMERIC, 9)),
            5 => format!("fe80:{}:{}:{}", random.text(HEX, 4), random.text(HEX, 4), random.text(HEX, 5)),
            6 => format!("ghp_{}", random.text(ALPHANUMERIC, 35)),
            _ => format!("0x{}", random.text(HEX, 39)),
        };
        text.push_str(&value);
        text.push(' ');
    })
}

fn digit_runs(random: &mut Random) -> String {
    filled(random, |random, text| {
        let length = 1 + random.below(40);
        text.push_str(&random.text(DIGITS, length));
        text.push(' ');
    })
}

fn digit_groups(random: &mut Random) -> String {
    filled(random, |random, text| {
        let length = 1 + random.below(5);
        text.push_str(&random.text(DIGITS, length));
        text.push_str(random.of(&["-", " ", ".", "/", " (", ") "]));
    })
}

/// Words that name classes and secrets, with values that are none.
fn keywords(random: &mut Random) -> String {
    const NAMES: &[&str] = &[
        "ssn",
        "passport",
        "api_key",
        "token",
        "secret",
        "password",
        "license",
        "iban",
        "card",
        "phone",
        "aws",
        "github",
        "slack",
        "stripe",
        "client_secret",
        "tax",
        "account",
        "routing",
        "access_key",
        "auth",
    ];
    filled(random, |random, text| {
        text.push_str(random.of(NAMES));
        text.push_str(random.of(&[" = ", ": ", "=\"", " ", ":="]));
        if random.below(3) == 0 {
            text.push_str(&random.below(10_000_000_000).to_string());
        }
        text.push(' ');
    })
}

fn delimiters(random: &mut Random) -> String {
    filled(random, |random, text| {
        let mark = random.of(&["@", ":", "-", "=", "<", "*", "+", "(", "\\", "://", "\"", ".", "::"]);
        let length = 1 + random.below(30) as usize;
        text.push_str(&mark.repeat(length));
        text.push_str(random.of(&["a", "1", "", "A9", "x"]));
    })
}

/// One endless word.
fn letters(random: &mut Random) -> String {
    random.text(ALPHANUMERIC, DOCUMENT_BYTES as u64)
}
