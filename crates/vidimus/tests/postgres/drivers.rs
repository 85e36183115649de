//! Drivers of other languages: the same as from the server itself, but masked, and refused what policy denies.

use serde_json::{Value, json};
use vidimus_testkit::{node_script, python_script};

use super::World;

const REFUSED: &str = "no policy permits sql:ddl";

/// The arguments that all scripts take.
pub(crate) fn arguments(world: &World) -> [String; 4] {
    [world.port.to_string(), "alice".to_owned(), world.issuer.token("alice"), "orders".to_owned()]
}

fn python(world: &World, driver: &str) -> Value {
    let arguments = arguments(world);
    let arguments: Vec<&str> = [driver].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    python_script("postgres", "postgres.py", &arguments).unwrap()
}

#[test]
fn psycopg_reads_and_writes_in_text_and_in_binary() {
    psycopg_reads_and_writes(&World::start("durability = \"async\""));
}

pub(crate) fn psycopg_reads_and_writes(world: &World) {
    let told = python(world, "psycopg");
    let rows = json!([[1, "<EMAIL_ADDRESS>", 41], [2, "<EMAIL_ADDRESS>", 42]]);
    assert_eq!((&told["text"], &told["binary"]), (&rows, &rows), "{told}");
    assert_eq!(told["pipeline"], json!([2, "Bob"]));
    assert_eq!(told["refused"], REFUSED);
    assert_eq!(told["copied"], json!([["7", "seven"], ["8", "<EMAIL_ADDRESS>"]]));
    assert_eq!(told["cursor"], json!(["<EMAIL_ADDRESS>", "<EMAIL_ADDRESS>"]));
}

#[test]
fn asyncpg_reads_and_writes_in_binary() {
    let told = python(&World::start("durability = \"async\""), "asyncpg");
    let card = "{\"card\":\"<CREDIT_CARD>\"}";
    assert_eq!(told["binary"], json!([[1, "<EMAIL_ADDRESS>", 41, card], [2, "<EMAIL_ADDRESS>", 42, null]]), "{told}");
    assert!(told["refused"].as_str().unwrap().starts_with(REFUSED), "{told}");
    assert_eq!((&told["count"], &told["after"]), (&json!(3), &json!(1)));
    assert_eq!(told["cursor"], json!(["<EMAIL_ADDRESS>", "<EMAIL_ADDRESS>"]));
}

#[test]
fn node_postgres_reads_by_name_and_in_binary() {
    let world = World::start("durability = \"async\"");
    let arguments = arguments(&world);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told = node_script("postgres", "postgres.mjs", &arguments).unwrap();
    let masked = "<EMAIL_ADDRESS>";
    assert_eq!(told["simple"], json!([{ "id": 1, "email": masked }, { "id": 2, "email": masked }]), "{told}");
    assert_eq!(told["prepared"], json!([{ "email": masked, "age": 41 }, { "email": masked, "age": 42 }]));
    assert_eq!(told["binary"], json!({ "age": 41, "email": masked }));
    assert_eq!((&told["refused"], &told["after"]), (&json!(["42501", REFUSED]), &json!(2)));
}
