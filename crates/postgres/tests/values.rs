//! Values against a real server: what it sends in binary must read as what it writes as text, and text must be taken back as
//! what it sent.

#![expect(clippy::expect_used, clippy::cast_possible_truncation, reason = "tests")]
#![expect(clippy::cast_possible_wrap, reason = "random bits")]
#![expect(clippy::cast_precision_loss, clippy::indexing_slicing, reason = "tests")]

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls};
use vidimus_postgres::Format;
use vidimus_postgres::value::{from_text, to_text};
use vidimus_testkit::Postgres;
use vidimus_testkit::postgres::{SUPERUSER, SUPERUSER_PASSWORD};

/// Values of each type.
const VALUES: usize = 4000;

/// A value as it is on the wire.
#[derive(Debug)]
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Random numbers, the same each time (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Numbers of all magnitudes.
    fn signed(&mut self) -> i64 {
        let shift = self.below(64);
        self.next() as i64 >> shift
    }

    fn within(&mut self, least: i64, most: i64) -> i64 {
        if self.below(2) == 0 {
            self.signed().clamp(least, most)
        } else {
            least.wrapping_add((self.next() % most.abs_diff(least)) as i64)
        }
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }

    fn text(&mut self) -> String {
        const CHARACTERS: [char; 16] =
            ['a', 'N', 'U', 'L', ' ', ',', '{', '}', '"', '\\', '\'', '\t', '\n', 'é', '中', '\u{10FFFF}'];
        (0..self.below(8)).map(|_| CHARACTERS[self.below(16) as usize]).collect()
    }

    fn json(&mut self, depth: u64) -> String {
        match self.below(if depth > 2 { 4 } else { 6 }) {
            0 => "null".to_owned(),
            1 => self.signed().to_string(),
            2 => "true".to_owned(),
            3 => format!("\"{}\"", self.below(1000)),
            4 => format!("[{}, {}]", self.json(depth + 1), self.json(depth + 1)),
            _ => format!("{{\"a\": {},  \"b\":{}}}", self.json(depth + 1), self.json(depth + 1)),
        }
    }

    fn address(&mut self, is_cidr: bool) -> Vec<u8> {
        let (family, length) = if self.below(2) == 0 { (2, 4) } else { (3, 16) };
        let zeros = self.below(3);
        let mut address: Vec<u8> =
            (0..length).map(|_| if self.below(3) < zeros { 0 } else { self.next() as u8 }).collect();
        if family == 3 && self.below(3) == 0 {
            address[..10].fill(0);
            address[10..12].fill(if self.below(2) == 0 { 0xFF } else { 0 });
        }
        let bits = if self.below(2) == 0 { length * 8 } else { self.below(length * 8 + 1) };
        if is_cidr {
            for (place, byte) in (0..).zip(&mut address) {
                let kept = bits.saturating_sub(place * 8).min(8) as u32;
                *byte &= (0xFF00_u16 >> kept) as u8;
            }
        }
        [&[family, bits as u8, u8::from(is_cidr), length as u8], &address[..]].concat()
    }

    fn numeric(&mut self) -> Vec<u8> {
        let digits: Vec<u16> =
            (0..self.below(9)).map(|_| if self.below(3) == 0 { 0 } else { self.below(10_000) as u16 }).collect();
        let sign = [0_u16, 0x4000, 0, 0x4000, 0, 0x4000, 0xC000][self.below(7) as usize];
        let (weight, places) = (self.within(-6, 9) as i16, self.below(25) as u16);
        let mut value = Vec::new();
        value.put_u16(digits.len() as u16);
        value.put_i16(weight);
        value.put_u16(sign);
        value.put_u16(places);
        for digit in digits {
            value.put_u16(digit);
        }
        value
    }

    fn interval(&mut self) -> Vec<u8> {
        let small = self.below(2) == 0;
        let mut part = |most: i64| match self.below(3) {
            0 => 0,
            _ if small => self.within(-40, 40),
            _ => self.within(-most, most),
        };
        let (micros, days, months) = (part(i64::MAX - 1), part(i64::from(i32::MAX - 1)), part(i64::from(i32::MAX - 1)));
        let micros = if small { micros.saturating_mul(500_000_000) } else { micros };
        [&micros.to_be_bytes()[..], &(days as i32).to_be_bytes(), &(months as i32).to_be_bytes()].concat()
    }

    fn value(&mut self, name: &str) -> Vec<u8> {
        match name {
            "bool" => vec![self.below(2) as u8],
            "char" => vec![self.below(128) as u8],
            "int2" => (self.signed() as i16).to_be_bytes().to_vec(),
            "int4" => (self.signed() as i32).to_be_bytes().to_vec(),
            "int8" => self.signed().to_be_bytes().to_vec(),
            "oid" => (self.next() as u32).to_be_bytes().to_vec(),
            "float4" => match self.below(4) {
                0 => (self.signed() as f32).to_be_bytes().to_vec(),
                1 => 2_f32.powi(self.within(-149, 127) as i32).to_be_bytes().to_vec(),
                2 => (self.within(-99_999, 99_999) as f32 / 100.0).to_be_bytes().to_vec(),
                _ => f32::from_bits(self.next() as u32).to_be_bytes().to_vec(),
            },
            "float8" => match self.below(4) {
                0 => (self.signed() as f64).to_be_bytes().to_vec(),
                1 => 2_f64.powi(self.within(-1074, 1023) as i32).to_be_bytes().to_vec(),
                2 => (self.within(-99_999_999, 99_999_999) as f64 / 1000.0).to_be_bytes().to_vec(),
                _ => f64::from_bits(self.next()).to_be_bytes().to_vec(),
            },
            "numeric" => self.numeric(),
            "bytea" => self.bytes(20),
            "uuid" => [self.next().to_be_bytes(), self.next().to_be_bytes()].concat(),
            "date" => match self.below(50) {
                0 => i32::MAX.to_be_bytes().to_vec(),
                1 => i32::MIN.to_be_bytes().to_vec(),
                _ => (self.within(-2_451_545, 2_145_031_948) as i32).to_be_bytes().to_vec(),
            },
            "time" => self.within(0, 86_400_000_000).to_be_bytes().to_vec(),
            "timetz" => {
                let time = self.within(0, 86_400_000_000).to_be_bytes();
                let unit = [1, 60, 3600][self.below(3) as usize];
                let west = (self.within(-57_599, 57_599) / unit * unit) as i32;
                [&time[..], &west.to_be_bytes()].concat()
            }
            "timestamp" | "timestamptz" => match self.below(50) {
                0 => i64::MAX.to_be_bytes().to_vec(),
                1 => i64::MIN.to_be_bytes().to_vec(),
                _ => self.within(-211_813_488_000_000_000, 9_223_371_331_199_999_999).to_be_bytes().to_vec(),
            },
            "interval" => self.interval(),
            "inet" => self.address(false),
            "cidr" => self.address(true),
            "json" => self.json(0).into_bytes(),
            "jsonb" => [b"\x01", self.json(0).as_bytes()].concat(),
            _ => self.text().into_bytes(),
        }
    }
}

/// One dimension, with a NULL now and then, and its lower bound.
fn array(element: u32, values: &[Option<Vec<u8>>], bound: i32) -> Vec<u8> {
    let mut array = Vec::new();
    array.put_i32(1);
    array.put_i32(i32::from(values.iter().any(Option::is_none)));
    array.put_u32(element);
    array.put_i32(values.len() as i32);
    array.put_i32(bound);
    for value in values {
        array.put_i32(value.as_ref().map_or(-1, |value| value.len() as i32));
        array.put_slice(value.as_deref().unwrap_or_default());
    }
    array
}

const TYPES: &[(&str, Type, Type)] = &[
    ("bool", Type::BOOL, Type::BOOL_ARRAY),
    ("\"char\"", Type::CHAR, Type::CHAR_ARRAY),
    ("int2", Type::INT2, Type::INT2_ARRAY),
    ("int4", Type::INT4, Type::INT4_ARRAY),
    ("int8", Type::INT8, Type::INT8_ARRAY),
    ("oid", Type::OID, Type::OID_ARRAY),
    ("float4", Type::FLOAT4, Type::FLOAT4_ARRAY),
    ("float8", Type::FLOAT8, Type::FLOAT8_ARRAY),
    ("numeric", Type::NUMERIC, Type::NUMERIC_ARRAY),
    ("text", Type::TEXT, Type::TEXT_ARRAY),
    ("varchar", Type::VARCHAR, Type::VARCHAR_ARRAY),
    ("bpchar", Type::BPCHAR, Type::BPCHAR_ARRAY),
    ("name", Type::NAME, Type::NAME_ARRAY),
    ("bytea", Type::BYTEA, Type::BYTEA_ARRAY),
    ("uuid", Type::UUID, Type::UUID_ARRAY),
    ("date", Type::DATE, Type::DATE_ARRAY),
    ("time", Type::TIME, Type::TIME_ARRAY),
    ("timetz", Type::TIMETZ, Type::TIMETZ_ARRAY),
    ("timestamp", Type::TIMESTAMP, Type::TIMESTAMP_ARRAY),
    ("timestamptz", Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
    ("interval", Type::INTERVAL, Type::INTERVAL_ARRAY),
    ("inet", Type::INET, Type::INET_ARRAY),
    ("cidr", Type::CIDR, Type::CIDR_ARRAY),
    ("json", Type::JSON, Type::JSON_ARRAY),
    ("jsonb", Type::JSONB, Type::JSONB_ARRAY),
];

#[tokio::test]
async fn binary_reads_as_the_server_writes_text_and_text_is_taken_back() {
    let server = Postgres::start().unwrap();
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(server.port()).user(SUPERUSER).password(SUPERUSER_PASSWORD).dbname("postgres");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut random = Random(8);
    for (name, element, of_array) in TYPES {
        let kind = name.trim_matches('"');
        let values: Vec<Option<Vec<u8>>> = (0..VALUES).map(|_| Some(random.value(kind))).collect();
        each_value(&client, name, element, &values).await;
        for _ in 0..50 {
            let count = random.below(6) as usize + 1;
            let values: Vec<_> = (0..count).map(|_| (random.below(5) > 0).then(|| random.value(kind))).collect();
            let bound = if random.below(4) == 0 { random.within(-5, 5) as i32 } else { 1 };
            each_array(&client, name, (element, of_array), &values, bound).await;
        }
    }
}

async fn each_value(client: &Client, name: &str, element: &Type, values: &[Option<Vec<u8>>]) {
    let query = format!("SELECT v, format('%s', v) FROM unnest($1::{name}[]) WITH ORDINALITY AS t (v, n) ORDER BY n");
    let rows = client.query(&query, &[&Raw(array(element.oid(), values, 1))]).await.expect(name);
    assert_eq!(rows.len(), VALUES);
    let mut is_taken_back = 0;
    for row in rows {
        let (Raw(value), text) = (row.get(0), row.get::<_, String>(1));
        assert_eq!(to_text(element.oid(), Format::Binary, &value).as_deref(), Some(&*text), "{name} {value:02X?}");
        assert_eq!(to_text(element.oid(), Format::Text, text.as_bytes()).as_deref(), Some(&*text));
        match from_text(element.oid(), Format::Binary, &text) {
            // There are many that are no number.
            Some(_) if text == "NaN" => is_taken_back += 1,
            Some(again) => {
                assert_eq!(again, value, "{name} {text}");
                is_taken_back += 1;
            }
            // A value that is so far away that its sum is not within the type.
            None => assert!(matches!(name, "interval"), "{name} {text}"),
        }
    }
    assert!(is_taken_back > VALUES * 9 / 10, "{name}: {is_taken_back}");
}

async fn each_array(
    client: &Client,
    name: &str,
    (element, of_array): (&Type, &Type),
    values: &[Option<Vec<u8>>],
    bound: i32,
) {
    let query = format!("SELECT $1::{name}[], format('%s', $1::{name}[])");
    let row = client.query_one(&query, &[&Raw(array(element.oid(), values, bound))]).await.expect(name);
    let (Raw(value), text) = (row.get(0), row.get::<_, String>(1));
    assert_eq!(to_text(of_array.oid(), Format::Binary, &value).as_deref(), Some(&*text), "{name} {value:02X?}");
    if bound == 1 && !text.contains("NaN") && name != "interval" {
        assert_eq!(from_text(of_array.oid(), Format::Binary, &text).expect(&text), value, "{name} {text}");
    }
}
