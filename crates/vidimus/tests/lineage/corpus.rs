//! The corpus, block by block. Those of `independent-…` were written by someone who knew the tables and not the gateway; those
//! of `own-…` by someone who knew both.

#![expect(clippy::print_stderr, reason = "the figures")]

use super::{Database, World};

/// Blocks that tell one bit, or so, by another way than values: by whether there is an error, by how wide a column is on
/// average. They are inference, as `WHERE` is.
const TELL_BY_INFERENCE: [&str; 2] = ["division-error-bit", "explain-width-tells-length"];

/// Harmless blocks that the gateway cannot follow, so it refuses or masks them: code, functions and triggers that are made,
/// large objects, statistics.
const NOT_FOLLOWED: [&str; 6] = [
    "own-view-and-function",
    "trigger-on-scratch",
    "do-notice-count",
    "large-object-of-own-text",
    "pg-stats-of-orders",
    "function-of-own-in-plpgsql",
];

/// One script, and what is expected of it.
struct Block<'a> {
    name: &'a str,
    expected: &'a str,
    script: String,
}

/// Blocks begin with `-- name: NAME` and `-- expect: WORD`. Of some files, each `of`th is taken, from the `nth` on.
fn blocks(text: &str, (nth, of): (usize, usize)) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("-- name: ") {
            blocks.push(Block { name: name.trim(), expected: "", script: String::new() });
        } else if let (Some(expected), Some(block)) = (line.strip_prefix("-- expect: "), blocks.last_mut()) {
            block.expected = expected.trim();
        } else if let Some(block) = blocks.last_mut() {
            block.script.push_str(line);
            block.script.push('\n');
        }
    }
    blocks.into_iter().skip(nth).step_by(of).collect()
}

/// Whether a script may leave something behind.
fn changes(script: &str) -> bool {
    let words = [
        "insert", "update", "delete", "merge", "create", "alter", "drop", "truncate", "into", "do", "call", "nextval",
        "setval", "refresh", "lo_", "grant", "comment", "analyze", "cluster",
    ];
    let script = script.to_ascii_lowercase();
    words.iter().any(|word| script.contains(word))
}

/// Processes of the server have numbers that differ, and so have sessions.
fn comparable(output: &str) -> String {
    let differs = |line: &&str| line.contains("server process with PID") || line.contains("vidimus:");
    output.split_inclusive('\n').filter(|line| !differs(line)).collect()
}

fn masked(database: &Database, block: &Block<'_>) -> String {
    let output = comparable(&database.masked(&block.script));
    if changes(&block.script) {
        database.renew();
    }
    output
}

/// Nothing of protected values is told, and what is asked for is answered or refused.
fn leaks(world: &World, text: &str, part: (usize, usize)) {
    let (mut told, mut refused, mut answered) = (Vec::new(), 0, 0);
    let blocks = blocks(text, part);
    for block in &blocks {
        let [a, b] = std::thread::scope(|scope| {
            let both = world.databases.each_ref().map(|database| scope.spawn(|| masked(database, block)));
            both.map(|one| one.join().unwrap())
        });
        // Where the gateway gives up, nothing is shown of what it does.
        let is_ended = a.contains("FATAL") || b.contains("FATAL");
        let is_inference = block.expected == "inference" || TELL_BY_INFERENCE.contains(&block.name);
        if is_ended || (a != b && !is_inference) {
            told.push(format!("{}:\n{}--- at a\n{a}--- at b\n{b}", block.name, block.script));
        }
        assert!(is_inference || block.expected == "masked", "{}: what is {:?}?", block.name, block.expected);
        let is_refused = ["protected columns", "COPY cannot show"].iter().any(|words| a.contains(words));
        (refused, answered) = (refused + usize::from(is_refused), answered + usize::from(!is_refused));
    }
    eprintln!("{} blocks: {refused} refused, {answered} answered masked, {} tell", blocks.len(), told.len());
    assert!(told.is_empty(), "{} of {} tell:\n{}", told.len(), blocks.len(), told.join("\n"));
    assert!(refused > 0 && answered > 0, "{refused} refused, {answered} answered");
}

/// What comes back is what comes back directly.
fn harmless(world: &World, text: &str) {
    let [a, b] = &world.databases;
    let mut told = Vec::new();
    let blocks = blocks(text, (0, 1));
    for block in &blocks {
        let [through, directly] = std::thread::scope(|scope| {
            let through = scope.spawn(|| masked(a, block));
            let directly = scope.spawn(|| {
                let output = comparable(&b.direct(&block.script));
                if changes(&block.script) {
                    b.renew();
                }
                output
            });
            [through, directly].map(|one| one.join().unwrap())
        });
        if (through == directly) == NOT_FOLLOWED.contains(&block.name) {
            told.push(format!("{}:\n{}--- through\n{through}--- directly\n{directly}", block.name, block.script));
        }
    }
    eprintln!("{} blocks: {} not as expected", blocks.len(), told.len());
    assert!(told.is_empty(), "{} of {} not as expected:\n{}", told.len(), blocks.len(), told.join("\n"));
}

#[test]
fn protected_values_do_not_get_out_by_ways_that_others_thought_of_first_half() {
    leaks(&World::start("leaks0"), include_str!("independent-leaks.sql"), (0, 2));
}

#[test]
fn protected_values_do_not_get_out_by_ways_that_others_thought_of_second_half() {
    leaks(&World::start("leaks1"), include_str!("independent-leaks.sql"), (1, 2));
}

#[test]
fn protected_values_do_not_get_out_by_ways_that_we_thought_of() {
    leaks(&World::start("leaks2"), include_str!("own-leaks.sql"), (0, 1));
}

#[test]
fn harmless_statements_come_back_as_they_are() {
    let world = World::start("harmless");
    harmless(&world, include_str!("independent-harmless.sql"));
    harmless(&world, include_str!("own-harmless.sql"));
}
