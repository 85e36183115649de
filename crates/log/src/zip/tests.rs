//! What is written is read, here and by `unzip`; whatever could be read in two ways is refused.

use std::io::Cursor;

use super::*;

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Vec::new());
    for (name, bytes) in files {
        writer.file(name, bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn open(bytes: &[u8]) -> Result<ZipReader<Cursor<&[u8]>>, ZipError> {
    ZipReader::open(Cursor::new(bytes))
}

/// All members' content, or the first refusal.
fn read_all(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ZipError> {
    let mut reader = open(bytes)?;
    let names: Vec<String> = reader.names().map(str::to_owned).collect();
    names.into_iter().map(|name| reader.read(&name, 1 << 20).map(|bytes| (name, bytes))).collect()
}

const FILES: [(&str, &[u8]); 3] = [("a.txt", b"one"), ("dir/b", b""), ("dir/c-2.bin", b"\x00\xff\x50\x4b")];

#[test]
fn what_was_written_is_read() {
    let read = read_all(&archive(&FILES)).unwrap();
    assert_eq!(read, FILES.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())));
    assert!(read_all(&archive(&[])).unwrap().is_empty());
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn unzip_finds_nothing_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.zip");
    std::fs::write(&path, archive(&FILES)).unwrap();
    let tested = std::process::Command::new("unzip").arg("-t").arg(&path).output().unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
}

#[test]
fn every_flipped_bit_is_found() {
    let good = archive(&FILES);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        // A letter of a name may become another letter: that is another archive, whose manifest does not fit.
        assert!(read_all(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_and_addition_is_found() {
    let good = archive(&FILES);
    for size in 0..good.len() {
        assert!(open(&good[..size]).is_err(), "cut to {size}");
    }
    assert!(open(&[&good[..], b"x"].concat()).is_err());
    assert!(open(&[b"x", &good[..]].concat()).is_err());
}

#[test]
fn names_that_lead_elsewhere_or_hide_are_refused() {
    for bad in ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\\b", "a\0", "a b", "é", "C:x", &"x".repeat(129)] {
        assert!(ZipWriter::new(Vec::new()).file(bad, b"").is_err(), "{bad:?}");
        // Written all the same, by a program that does not look.
        let mut writer = ZipWriter::new(Vec::new());
        let member = Member { offset: 0, crc: 0, size: 0 };
        writer.put(&local_header(bad, member)).unwrap();
        writer.members.push((bad.to_owned(), member));
        assert!(open(&writer.finish().unwrap()).is_err(), "{bad:?}");
    }
}

#[test]
fn two_members_of_one_name_are_refused_also_by_case() {
    for second in ["a", "A"] {
        assert!(open(&archive(&[("a", b"1"), (second, b"2")])).is_err());
    }
}

#[test]
fn a_local_header_that_differs_is_refused() {
    let mut bytes = archive(&[("good.txt", b"1")]);
    bytes[LOCAL_BYTES..LOCAL_BYTES + 8].copy_from_slice(b"evil.txt");
    let error = read_all(&bytes).unwrap_err();
    assert!(error.to_string().contains("good.txt: expected a local header as the directory has it"), "{error}");
}

#[test]
fn compressed_encrypted_and_zip64_members_are_refused() {
    let good = archive(&[("a", b"1")]);
    let central = good.len() - END_BYTES - CENTRAL_BYTES - 1;
    // In both headers: flags, method, compressed size, extra length; and the uncompressed size alone, a bomb's.
    for (field, value) in [(6, 1), (6, 8), (8, 8), (18, 9), (28, 1), (22, 0xFF)] {
        let mut bad = good.clone();
        bad[field] = value;
        bad[central + field + 2] = value;
        assert!(read_all(&bad).is_err(), "field {field}");
    }
    for (field, value) in [(8, 0xFF), (10, 2), (16, 0xFF), (20, 1)] {
        let mut bad = good.clone();
        let at = bad.len() - END_BYTES + field;
        bad[at] = value;
        assert!(open(&bad).is_err(), "end {field}");
    }
}

#[test]
fn a_gap_and_overlapping_members_are_refused() {
    let mut writer = ZipWriter::new(Vec::new());
    writer.file("a", b"1").unwrap();
    writer.put(b"hidden").unwrap();
    writer.file("b", b"2").unwrap();
    assert!(open(&writer.finish().unwrap()).is_err());
    let mut writer = ZipWriter::new(Vec::new());
    writer.file("a", b"1").unwrap();
    let member = writer.members[0].1;
    writer.members.push(("b".to_owned(), member));
    assert!(open(&writer.finish().unwrap()).is_err());
}

#[test]
fn no_more_is_read_than_asked_for() {
    let bytes = archive(&[("a", &[7; 100])]);
    let mut reader = open(&bytes).unwrap();
    assert!(matches!(reader.read("a", 99), Err(ZipError::MemberTooLarge { bytes: 100, limit: 99, .. })));
    assert_eq!(reader.read("a", 100).unwrap().len(), 100);
    assert!(matches!(reader.read("b", 1), Err(ZipError::Missing(_))));
    // A directory that claims more entries than the file could hold allocates nothing for them.
    let mut end = END_SIGNATURE.to_le_bytes().to_vec();
    end.extend_from_slice(&[0, 0, 0, 0, 0xFE, 0xFF, 0xFE, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(open(&end).is_err());
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = read_all(&bytes);
        let _ = read_all(&[&bytes[..], &archive(&FILES)[..]].concat());
    }
}
