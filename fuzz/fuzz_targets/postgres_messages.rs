//! PostgreSQL's messages: a stream reads the same however it is cut, what is accepted is written as it was sent, and rows and
//! values that are read can be written again.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use vidimus_postgres::backend::{self, BackendMessage};
use vidimus_postgres::frontend;
use vidimus_postgres::row::Cell;
use vidimus_postgres::value::{from_text, to_text};
use vidimus_postgres::{Format, startup};

const CLIENT: frontend::Limits = frontend::Limits { statement: 1 << 12, bind: 1 << 12, copy_data: 1 << 12 };
const SERVER: backend::Limits = backend::Limits { row: 1 << 12, copy_data: 1 << 12 };
/// Types whose binary format is known, and one that is not.
const TYPES: [u32; 26] = [
    16, 17, 18, 20, 21, 23, 25, 26, 114, 600, 650, 700, 701, 869, 1007, 1009, 1041, 1082, 1083, 1114, 1184, 1186, 1231,
    1266, 1700, 2950,
];

fuzz_target!(|data: &[u8]| {
    let Some(([side, cut], stream)) = data.split_first_chunk::<2>() else { return };
    let whole = read(*side, std::iter::once(stream));
    if side % 3 == 0 {
        // What follows a request for encryption depends on when it comes.
        assert_eq!(stream.get(..whole.0.len()), Some(&whole.0[..]), "written as it was sent");
        return;
    }
    assert_eq!(read(*side, stream.chunks(usize::from(*cut).max(1))), whole, "cut into pieces");
    // What was accepted is the beginning of what was sent.
    assert_eq!(stream.get(..whole.0.len()), Some(&whole.0[..]), "written as it was sent");
});

/// All that was accepted, written again, and whether it ended with an error.
fn read<'a>(side: u8, pieces: impl Iterator<Item = &'a [u8]>) -> (BytesMut, bool) {
    let (mut input, mut written) = (BytesMut::new(), BytesMut::new());
    let mut has_started = side % 3 != 0;
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let message = if !has_started {
                startup::decode(&mut input).map(|found| {
                    found.map(|packet| {
                        has_started = true;
                        packet.encode(&mut written)
                    })
                })
            } else if side % 3 == 2 {
                backend::decode(&mut input, &SERVER).map(|found| {
                    found.map(|(message, _)| {
                        look(side, &message);
                        message.encode(&mut written)
                    })
                })
            } else {
                frontend::decode(&mut input, &CLIENT)
                    .map(|found| found.map(|(message, _)| message.encode(&mut written)))
            };
            match message {
                Ok(Some(result)) => result.expect("what was read can be written"),
                Ok(None) => break,
                Err(_) => return (written, true),
            }
        }
    }
    (written, false)
}

/// Takes a row apart and puts it together.
fn look(side: u8, message: &BackendMessage) {
    let BackendMessage::DataRow(row) = message else { return };
    let (mut same, mut plain) = (BytesMut::new(), BytesMut::new());
    row.rewritten(row.cells().map(|_| Cell::Same), &mut same).expect("the same row");
    row.encode(&mut plain).expect("the row");
    assert_eq!(same, plain);
    for (place, cell) in row.cells().enumerate() {
        let type_id = TYPES[(place + usize::from(side)) % TYPES.len()];
        let Some(text) = cell.and_then(|cell| to_text(type_id, Format::Binary, cell)) else { continue };
        if let Some(again) = from_text(type_id, Format::Binary, &text) {
            assert_eq!(to_text(type_id, Format::Binary, &again).as_deref(), Some(&*text), "{type_id}");
        }
    }
}
