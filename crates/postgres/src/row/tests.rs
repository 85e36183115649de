//! Rows made anew.

use proptest::prelude::*;

use super::*;
use crate::backend::{self, BackendMessage};

fn read(bytes: &mut BytesMut) -> DataRow {
    match backend::decode(bytes, &backend::Limits::default()).unwrap().unwrap().0 {
        BackendMessage::DataRow(row) => row,
        other => panic!("{other:?}"),
    }
}

fn cells() -> impl Strategy<Value = Vec<Option<Vec<u8>>>> {
    prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..20)), 0..8)
}

fn changes() -> impl Strategy<Value = Vec<Cell>> {
    let new = prop::collection::vec(any::<u8>(), 0..20).prop_map(|new| Cell::New(new.into()));
    prop::collection::vec(prop_oneof![Just(Cell::Same), Just(Cell::Null), new], 0..10)
}

proptest! {
    #[test]
    fn cells_are_replaced_and_the_rest_stays(cells in cells(), changes in changes()) {
        let row = DataRow::of(cells.iter().map(|cell| cell.as_deref())).unwrap();
        prop_assert_eq!(row.len(), cells.len());
        let mut out = BytesMut::new();
        row.rewritten(changes.clone(), &mut out).unwrap();
        let rewritten = read(&mut out);
        prop_assert!(out.is_empty());
        let changes = changes.into_iter().chain(std::iter::repeat(Cell::Same));
        let expected: Vec<Option<Vec<u8>>> = cells.into_iter().zip(changes).map(|(cell, change)| match change {
            Cell::Same => cell,
            Cell::Null => None,
            Cell::New(new) => Some(new.to_vec()),
        }).collect();
        let found: Vec<Option<Vec<u8>>> = rewritten.cells().map(|cell| cell.map(<[u8]>::to_vec)).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_row_has_no_more_cells_than_its_count_can_tell() {
    assert_eq!(DataRow::of(std::iter::repeat_n(None, 65_535)).unwrap().len(), 65_535);
    DataRow::of(std::iter::repeat_n(None, 65_536)).unwrap_err();
}
