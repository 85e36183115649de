//! Values of columns and parameters: from what is on the wire to text, for masking and the record, and back.
//!
//! The text is what PostgreSQL's output functions write with `DateStyle` ISO, `IntervalStyle` postgres, `TimeZone` UTC,
//! `bytea_output` hex and `extra_float_digits` 1, whatever the session has. A value in text format is its own text, of
//! whatever type. What cannot be read, or written in its type, is none: then it is for the caller to mask it whole.

mod array;
mod float;
mod kind;
mod network;
mod numeric;
mod time;

use std::borrow::Cow;

use bytes::Bytes;
use vidimus_core::json::{Document, Limits};

use crate::read::Format;

use self::kind::{Kind, Scalar};

/// The version byte of binary `jsonb`.
const JSONB_VERSION: u8 = 1;

/// The text of a value. None if the type is not known in binary format, or the bytes are not a value of it, or the text is not
/// UTF-8.
pub fn to_text(type_id: u32, format: Format, value: &[u8]) -> Option<Cow<'_, str>> {
    match (format, Kind::of(type_id)) {
        (Format::Text, _) => simdutf8::basic::from_utf8(value).ok().map(Cow::Borrowed),
        (Format::Binary, Some(Kind::Scalar(scalar))) => scalar_to_text(scalar, value),
        (Format::Binary, Some(Kind::Array(element))) => array::to_text(element, value).map(Cow::Owned),
        (Format::Binary, None) => None,
    }
}

/// The value of this type and format that has this text. None if there is none: the text is not one of the type, or the type
/// is not known.
pub fn from_text(type_id: u32, format: Format, text: &str) -> Option<Bytes> {
    // No type has it.
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return None;
    }
    let binary = match Kind::of(type_id)? {
        Kind::Scalar(scalar) => scalar_from_text(scalar, text)?,
        Kind::Array(element) => array::from_text(element, text)?,
    };
    Some(if format == Format::Binary { Bytes::from(binary) } else { Bytes::copy_from_slice(text.as_bytes()) })
}

fn scalar_to_text(scalar: Scalar, value: &[u8]) -> Option<Cow<'_, str>> {
    let owned = |text: String| Some(Cow::Owned(text));
    match scalar {
        Scalar::Bool => match value {
            [0] => Some(Cow::Borrowed("f")),
            [_] => Some(Cow::Borrowed("t")),
            _ => None,
        },
        Scalar::Char => match value {
            [0] => Some(Cow::Borrowed("")),
            [byte] if byte.is_ascii() => Some(Cow::Borrowed(std::str::from_utf8(value).ok()?)),
            _ => None,
        },
        Scalar::Text | Scalar::Json => simdutf8::basic::from_utf8(value).ok().map(Cow::Borrowed),
        Scalar::Jsonb => {
            let (JSONB_VERSION, text) = value.split_first().map(|(version, text)| (*version, text))? else {
                return None;
            };
            simdutf8::basic::from_utf8(text).ok().map(Cow::Borrowed)
        }
        Scalar::Int2 => owned(i16::from_be_bytes(value.try_into().ok()?).to_string()),
        Scalar::Int4 => owned(i32::from_be_bytes(value.try_into().ok()?).to_string()),
        Scalar::Int8 => owned(i64::from_be_bytes(value.try_into().ok()?).to_string()),
        Scalar::Oid => owned(u32::from_be_bytes(value.try_into().ok()?).to_string()),
        Scalar::Float4 => owned(float::float4_to_text(f32::from_be_bytes(value.try_into().ok()?))),
        Scalar::Float8 => owned(float::float8_to_text(f64::from_be_bytes(value.try_into().ok()?))),
        Scalar::Numeric => numeric::to_text(value).map(Cow::Owned),
        Scalar::Bytea => {
            let mut text = String::with_capacity(2 + 2 * value.len());
            text.push_str("\\x");
            push_hex(&mut text, value);
            owned(text)
        }
        Scalar::Uuid => uuid_to_text(value).map(Cow::Owned),
        Scalar::Date => time::date_to_text(value).map(Cow::Owned),
        Scalar::Time => time::time_to_text(value).map(Cow::Owned),
        Scalar::Timetz => time::timetz_to_text(value).map(Cow::Owned),
        Scalar::Timestamp => time::timestamp_to_text(value, "").map(Cow::Owned),
        Scalar::Timestamptz => time::timestamp_to_text(value, "+00").map(Cow::Owned),
        Scalar::Interval => time::interval_to_text(value).map(Cow::Owned),
        Scalar::Inet => network::to_text(value, false).map(Cow::Owned),
        Scalar::Cidr => network::to_text(value, true).map(Cow::Owned),
    }
}

fn scalar_from_text(scalar: Scalar, text: &str) -> Option<Vec<u8>> {
    Some(match scalar {
        Scalar::Bool => match text {
            "t" => vec![1],
            "f" => vec![0],
            _ => return None,
        },
        Scalar::Char => match text.as_bytes() {
            [] => vec![0],
            [byte] => vec![*byte],
            _ => return None,
        },
        Scalar::Text => text.as_bytes().to_vec(),
        Scalar::Json => json(text)?.to_vec(),
        Scalar::Jsonb => [&[JSONB_VERSION], json(text)?].concat(),
        Scalar::Int2 => plain::<i16>(text)?.to_be_bytes().to_vec(),
        Scalar::Int4 => plain::<i32>(text)?.to_be_bytes().to_vec(),
        Scalar::Int8 => plain::<i64>(text)?.to_be_bytes().to_vec(),
        Scalar::Oid => plain::<u32>(text)?.to_be_bytes().to_vec(),
        Scalar::Float4 => float::float4_from_text(text)?.to_be_bytes().to_vec(),
        Scalar::Float8 => float::float8_from_text(text)?.to_be_bytes().to_vec(),
        Scalar::Numeric => numeric::from_text(text)?,
        Scalar::Bytea => hex(text.strip_prefix("\\x")?)?,
        Scalar::Uuid => uuid_from_text(text)?,
        Scalar::Date => time::date_from_text(text)?,
        Scalar::Time => time::time_from_text(text)?,
        Scalar::Timetz => time::timetz_from_text(text)?,
        Scalar::Timestamp => time::timestamp_from_text(text, false)?,
        Scalar::Timestamptz => time::timestamp_from_text(text, true)?,
        Scalar::Interval => time::interval_from_text(text)?,
        Scalar::Inet => network::from_text(text, false)?,
        Scalar::Cidr => network::from_text(text, true)?,
    })
}

/// A number that is written as the server writes it: no sign or zero too many.
fn plain<T: std::str::FromStr + ToString>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|number| number.to_string() == text)
}

fn json(text: &str) -> Option<&[u8]> {
    let document = Document::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default());
    document.ok().map(|_| text.as_bytes())
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xF] {
            text.extend(char::from_digit(nibble.into(), 16));
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pair = |[high, low]: &[u8; 2]| {
        let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
        u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
    };
    rest.is_empty().then(|| pairs.iter().map(pair).collect()).flatten()
}

/// Bytes of a UUID between its hyphens (RFC 9562 §4).
const UUID_PARTS: [usize; 5] = [4, 2, 2, 2, 6];

fn uuid_to_text(value: &[u8]) -> Option<String> {
    let mut rest = <&[u8; 16]>::try_from(value).ok()?.as_slice();
    let mut text = String::with_capacity(36);
    for count in UUID_PARTS {
        if !text.is_empty() {
            text.push('-');
        }
        let (part, after) = rest.split_at_checked(count)?;
        push_hex(&mut text, part);
        rest = after;
    }
    Some(text)
}

fn uuid_from_text(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('-');
    let mut bytes = Vec::with_capacity(16);
    for count in UUID_PARTS {
        let part = hex(parts.next()?)?;
        bytes.extend((part.len() == count).then_some(part)?);
    }
    parts.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests;
