//! Certificate authorities and certificates (RFC 5280) made in a test: ECDSA on P-256, signed with SHA-256.
//!
//! Only what a test of TLS needs is written: a name, a validity, the names a certificate is for, and whether it may sign
//! others. Nothing is read back; that is for the code under test.

use std::net::IpAddr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A certificate of this century.
pub const VALID: (&str, &str) = ("200101000000Z", "491231235959Z");

/// A certificate that has expired.
pub const EXPIRED: (&str, &str) = ("200101000000Z", "210101000000Z");

/// DER tags (X.690 §8).
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0C;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
/// `GeneralName` (RFC 5280 §4.2.1.6).
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

const ECDSA_WITH_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x13];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];

/// Somebody who signs certificates.
pub struct Authority {
    name: String,
    key: EcdsaKeyPair,
    certificate: Vec<u8>,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Issued {
    /// As PEM.
    pub certificate: String,
    /// As PEM, PKCS #8.
    pub key: String,
}

impl Authority {
    /// A new one, signed by itself.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        // RFC 5280 §4.2.1.9: critical, `cA` true.
        let constraints = der(SEQUENCE, &[&der(BOOLEAN, &[&[0xFF]])]);
        let extension = extension(BASIC_CONSTRAINTS, true, &constraints);
        let certificate = signed(&key, (name, name), VALID, key.public_key().as_ref(), &extension)?;
        Ok(Self { name: name.to_owned(), key, certificate })
    }

    /// Its certificate as PEM.
    pub fn certificate(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// A certificate for `subject` with these names: DNS names, or addresses.
    pub fn issue(&self, subject: &str, names: &[&str], validity: (&str, &str)) -> anyhow::Result<Issued> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        let names: Vec<Vec<u8>> = names
            .iter()
            .map(|name| match name.parse() {
                Ok(IpAddr::V4(address)) => der(IP_ADDRESS, &[&address.octets()]),
                Ok(IpAddr::V6(address)) => der(IP_ADDRESS, &[&address.octets()]),
                Err(_) => der(DNS_NAME, &[name.as_bytes()]),
            })
            .collect();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let extension = extension(SUBJECT_ALT_NAME, false, &der(SEQUENCE, &names));
        let certificate = signed(&self.key, (&self.name, subject), validity, key.public_key().as_ref(), &extension)?;
        let key = key.to_pkcs8v1()?;
        Ok(Issued { certificate: pem("CERTIFICATE", &certificate), key: pem("PRIVATE KEY", key.as_ref()) })
    }
}

/// A certificate by `issuer` for `subject` (RFC 5280 §4.1).
fn signed(
    signer: &EcdsaKeyPair,
    (issuer, subject): (&str, &str),
    (from, until): (&str, &str),
    public_key: &[u8],
    extension: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let random = SystemRandom::new();
    let mut serial = [0; 8];
    aws_lc_rs::rand::fill(&mut serial)?;
    // Positive, and of minimal length.
    let [first, rest @ ..] = serial;
    let serial = [&[first & 0x7F | 0x40][..], &rest].concat();
    let algorithm = der(SEQUENCE, &[&der(OID, &[ECDSA_WITH_SHA256])]);
    let validity = der(SEQUENCE, &[&der(UTC_TIME, &[from.as_bytes()]), &der(UTC_TIME, &[until.as_bytes()])]);
    let key_algorithm = der(SEQUENCE, &[&der(OID, &[EC_PUBLIC_KEY]), &der(OID, &[PRIME256V1])]);
    let key = der(SEQUENCE, &[&key_algorithm, &bits(public_key)]);
    let to_be_signed = der(
        SEQUENCE,
        &[
            &der(VERSION, &[&der(INTEGER, &[&[2]])]),
            &der(INTEGER, &[&serial]),
            &algorithm,
            &name(issuer),
            &validity,
            &name(subject),
            &key,
            &der(EXTENSIONS, &[&der(SEQUENCE, &[extension])]),
        ],
    );
    let signature = signer.sign(&random, &to_be_signed)?;
    Ok(der(SEQUENCE, &[&to_be_signed, &algorithm, &bits(signature.as_ref())]))
}

fn name(common: &str) -> Vec<u8> {
    let attribute = der(SEQUENCE, &[&der(OID, &[COMMON_NAME]), &der(UTF8_STRING, &[common.as_bytes()])]);
    der(SEQUENCE, &[&der(SET, &[&attribute])])
}

fn extension(id: &[u8], is_critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if is_critical { der(BOOLEAN, &[&[0xFF]]) } else { Vec::new() };
    der(SEQUENCE, &[&der(OID, &[id]), &critical, &der(OCTET_STRING, &[value])])
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    der(BIT_STRING, &[&[0], bytes])
}

/// Tag, length and content (X.690 §8.1).
fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|digit| *digit == 0).collect();
    let mut all = vec![tag];
    match (digits.as_slice(), u8::try_from(digits.len())) {
        ([], _) => all.push(0),
        ([short], _) if *short < 0x80 => all.push(*short),
        (long, Ok(count)) => {
            all.push(0x80 | count);
            all.extend_from_slice(long);
        }
        (_, Err(_)) => {}
    }
    all.extend_from_slice(&content);
    all
}

/// The textual encoding (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem + &format!("-----END {label}-----\n")
}
