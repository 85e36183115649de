//! Zip files (PKWARE APPNOTE 6.3) of stored members only: a strict reader and its writer.
//!
//! There must be one way to read an archive, or two programs read two. Members are stored one after the other without a
//! gap, the central directory follows, then its end without comment; nothing stands before, between or after. Refused:
//! compression (and with it bombs), encryption, zip64, several disks, data descriptors, extra fields, comments, local
//! headers that differ from the central ones, names that are not plain relative paths (`a-z A-Z 0-9 . _ -` between
//! slashes; no `.` or `..`), names that are equal but for case, and a wrong CRC-32.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom, Write};

use vidimus_core::ErrorKind;

use crate::codec::length;

/// The most members (without zip64).
pub const MAX_MEMBERS: usize = 0xFFFE;
/// The most bytes of a zip file (without zip64).
pub const MAX_ZIP_BYTES: u64 = 0xFFFF_FFFE;
/// The longest name of a member in bytes.
const MAX_NAME_BYTES: usize = 128;

/// `PK\3\4`: a member follows (§4.3.7).
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
/// `PK\1\2`: an entry of the central directory (§4.3.12).
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
/// `PK\5\6`: the end (§4.3.16).
const END_SIGNATURE: u32 = 0x0605_4b50;
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;

/// Version 1.0 is needed to extract what is stored (§4.4.3).
const VERSION_NEEDED: u16 = 10;
/// Made on Unix by something that knows version 2.0 (§4.4.2).
const MADE_BY: u16 = 0x0314;
/// 1980-01-01, the earliest date (§4.4.6): the same content is the same archive.
const DATE: u16 = 0x0021;
/// A regular file that its owner reads and writes, in the high half (§4.4.15).
const ATTRIBUTES: u32 = 0o100_600 << 16;

/// Why a zip file, or a member, was refused.
#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no zip file of the one form that is read.
    #[error("{place}: expected {expected}, found {found}")]
    Form {
        /// Where: a byte of the file, or a member.
        place: String,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// It would have more members, or bytes, than a zip file can.
    #[error("an archive holds at most {MAX_MEMBERS} files and {MAX_ZIP_BYTES} bytes; export less at a time")]
    TooLarge,
    /// There is no such member.
    #[error("there is no {0} in it")]
    Missing(String),
    /// A member is larger than what is read of its kind.
    #[error("{name} has {bytes} bytes, more than the {limit} that are read of it")]
    MemberTooLarge {
        /// The member.
        name: String,
        /// Its size.
        bytes: u64,
        /// The most.
        limit: u64,
    },
}

impl ZipError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(_) => ErrorKind::Internal,
            Self::Form { .. } => ErrorKind::Malformed,
            Self::TooLarge | Self::MemberTooLarge { .. } => ErrorKind::Limit,
            Self::Missing(_) => ErrorKind::NotFound,
        }
    }
}

/// Writes members to a stream, one by one.
#[derive(Debug)]
pub struct ZipWriter<W> {
    out: W,
    offset: u64,
    members: Vec<(String, Member)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    offset: u32,
    crc: u32,
    size: u32,
}

impl<W: Write> ZipWriter<W> {
    /// An archive that begins at the start of `out`.
    pub const fn new(out: W) -> Self {
        Self { out, offset: 0, members: Vec::new() }
    }

    /// Adds a file. Its name must be new, and one that [`ZipReader`] takes.
    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), ZipError> {
        if !is_plain(name) {
            return Err(form(format!("the name {name:?}"), "a plain relative path", "another one"));
        }
        if self.members.len() >= MAX_MEMBERS {
            return Err(ZipError::TooLarge);
        }
        let (Ok(offset), Ok(size)) = (u32::try_from(self.offset), u32::try_from(bytes.len())) else {
            return Err(ZipError::TooLarge);
        };
        let member = Member { offset, crc: crc32(bytes), size };
        self.put(&local_header(name, member))?;
        self.put(bytes)?;
        self.members.push((name.to_owned(), member));
        Ok(())
    }

    /// Writes the directory and the end, and gives the stream back.
    pub fn finish(mut self) -> Result<W, ZipError> {
        let start = self.offset;
        let members = std::mem::take(&mut self.members);
        for (name, member) in &members {
            self.put(&central_header(name, *member))?;
        }
        let end = end_record(members.len(), start, self.offset - start).ok_or(ZipError::TooLarge)?;
        self.put(&end)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ZipError> {
        let after = self.offset + length(bytes.len());
        if after > MAX_ZIP_BYTES {
            return Err(ZipError::TooLarge);
        }
        self.out.write_all(bytes)?;
        self.offset = after;
        Ok(())
    }
}

/// Reads members by name.
#[derive(Debug)]
pub struct ZipReader<R> {
    input: R,
    members: BTreeMap<String, Member>,
}

impl<R: Read + Seek> ZipReader<R> {
    /// Reads the directory, and checks that members and directory fill the file.
    pub fn open(mut input: R) -> Result<Self, ZipError> {
        let size = input.seek(SeekFrom::End(0))?;
        if !(length(END_BYTES)..=MAX_ZIP_BYTES).contains(&size) {
            return Err(form("the file", "22 bytes to 4 GiB", format!("{size} bytes")));
        }
        let end_at = size - length(END_BYTES);
        let end = read_at(&mut input, end_at, END_BYTES)?;
        let mut fields = Fields(&end);
        if fields.u32() != Some(END_SIGNATURE) {
            return Err(form(format!("byte {end_at}"), "the end of a zip file without comment", "other bytes"));
        }
        let (disks, counts) = ((fields.u16(), fields.u16()), (fields.u16(), fields.u16()));
        let (bytes, start) = (fields.u32().unwrap_or(0), fields.u32().unwrap_or(0));
        let count = usize::from(counts.0.unwrap_or(0));
        let is_simple = disks == (Some(0), Some(0)) && counts.0 == counts.1 && fields.u16() == Some(0);
        if !is_simple || count > MAX_MEMBERS || u64::from(start) + u64::from(bytes) != end_at {
            return Err(form(format!("byte {end_at}"), "the end of a zip file of one part", "other numbers"));
        }
        let directory = usize::try_from(bytes).unwrap_or(usize::MAX);
        if directory > count.saturating_mul(CENTRAL_BYTES + MAX_NAME_BYTES) {
            return Err(form("the directory", "an entry for each member", format!("{directory} bytes for {count}")));
        }
        let directory = read_at(&mut input, start.into(), directory)?;
        Ok(Self { input, members: read_directory(&directory, count, start)? })
    }

    /// The names of all members, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Whether there is such a member.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The bytes of a member, at most `limit`.
    pub fn read(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, ZipError> {
        let Some(member) = self.members.get(name).copied() else { return Err(ZipError::Missing(name.to_owned())) };
        let bytes = u64::from(member.size);
        if bytes > limit {
            return Err(ZipError::MemberTooLarge { name: name.to_owned(), bytes, limit });
        }
        let header = local_header(name, member);
        if read_at(&mut self.input, member.offset.into(), header.len())? != header {
            return Err(form(name, "a local header as the directory has it", "another one"));
        }
        let at = u64::from(member.offset) + length(header.len());
        let content = read_at(&mut self.input, at, usize::try_from(bytes).unwrap_or(usize::MAX))?;
        let crc = crc32(&content);
        if crc != member.crc {
            return Err(form(name, "the CRC-32 that the directory has", format!("{crc:08x}")));
        }
        Ok(content)
    }
}

/// The members, which must stand one after the other from byte 0 to the directory.
fn read_directory(directory: &[u8], count: usize, start: u32) -> Result<BTreeMap<String, Member>, ZipError> {
    let mut members = BTreeMap::new();
    let mut folded = BTreeSet::new();
    let (mut rest, mut offset) = (directory, 0_u64);
    for position in 0..count {
        let place = || format!("entry {position} of the directory");
        let cut = || form(place(), "a whole entry", "the end of the directory");
        let name_bytes = rest.get(28..30).and_then(|bytes| Fields(bytes).u16()).ok_or_else(cut)?;
        let (entry, after) = rest.split_at_checked(CENTRAL_BYTES + usize::from(name_bytes)).ok_or_else(cut)?;
        let name = entry.get(CENTRAL_BYTES..).and_then(|name| str::from_utf8(name).ok()).unwrap_or_default();
        if !is_plain(name) {
            return Err(form(place(), "a plain relative path", format!("{name:?}")));
        }
        let field = |at: usize| entry.get(at..).and_then(|bytes| Fields(bytes).u32()).unwrap_or(0);
        let member = Member { offset: field(42), crc: field(16), size: field(24) };
        if entry != central_header(name, member) {
            return Err(form(place(), "a stored member without extras", format!("other properties of {name}")));
        }
        if u64::from(member.offset) != offset {
            let found = format!("byte {} for {name}", member.offset);
            return Err(form(place(), "members one after the other", found));
        }
        offset += length(LOCAL_BYTES + name.len()) + u64::from(member.size);
        if !folded.insert(name.to_ascii_lowercase()) {
            return Err(form(place(), "names that differ", format!("{name} twice")));
        }
        members.insert(name.to_owned(), member);
        rest = after;
    }
    if !rest.is_empty() || offset != u64::from(start) {
        return Err(form("the directory", "members that fill the file, and their entries", "other bytes besides"));
    }
    Ok(members)
}

/// Whether it is a relative path without surprises on any system.
fn is_plain(name: &str) -> bool {
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    name.len() <= MAX_NAME_BYTES && name.split('/').all(is_part)
}

/// The fields that local and central headers share (§4.4): version, flags, method, time, date, CRC, sizes, lengths.
fn shared_fields(out: &mut Vec<u8>, name: &str, member: Member) {
    for field in [VERSION_NEEDED, 0, 0, 0, DATE] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    for field in [member.crc, member.size, member.size] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&0_u16.to_le_bytes());
}

fn local_header(name: &str, member: Member) -> Vec<u8> {
    let mut out = LOCAL_SIGNATURE.to_le_bytes().to_vec();
    shared_fields(&mut out, name, member);
    out.extend_from_slice(name.as_bytes());
    out
}

fn central_header(name: &str, member: Member) -> Vec<u8> {
    let mut out = CENTRAL_SIGNATURE.to_le_bytes().to_vec();
    out.extend_from_slice(&MADE_BY.to_le_bytes());
    shared_fields(&mut out, name, member);
    // No comment, first disk, no internal attributes.
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&ATTRIBUTES.to_le_bytes());
    out.extend_from_slice(&member.offset.to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    out
}

fn end_record(count: usize, start: u64, bytes: u64) -> Option<Vec<u8>> {
    let count = u16::try_from(count).ok()?;
    let mut out = END_SIGNATURE.to_le_bytes().to_vec();
    for field in [0, 0, count, count] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    for field in [bytes, start] {
        out.extend_from_slice(&u32::try_from(field).ok()?.to_le_bytes());
    }
    out.extend_from_slice(&0_u16.to_le_bytes());
    Some(out)
}

/// Little-endian fields, from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u16(&mut self) -> Option<u16> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_le_bytes(*field))
    }

    fn u32(&mut self) -> Option<u32> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*field))
    }
}

fn read_at<R: Read + Seek>(input: &mut R, at: u64, size: usize) -> Result<Vec<u8>, ZipError> {
    input.seek(SeekFrom::Start(at))?;
    // No larger than the file or the caller's limit, whichever a directory claims.
    let mut bytes = vec![0; size];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn form(place: impl Into<String>, expected: &'static str, found: impl Into<String>) -> ZipError {
    ZipError::Form { place: place.into(), expected, found: found.into() }
}

/// CRC-32 as zip files have it (APPNOTE §4.4.7).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        CRC_TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0) ^ (crc >> 8)
    })
}

const CRC_TABLE: [u32; 256] = crc_table();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse an index out of bounds")]
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u32;
    while byte < 256 {
        let (mut crc, mut bit) = (byte, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests;
