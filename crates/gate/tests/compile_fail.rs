//! The choke point is held by types: each program here tries a way round and must not compile.

#[test]
fn no_way_round_compiles() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
