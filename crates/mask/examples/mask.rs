//! Masks JSON lines `{"id","text"}` from standard input: `cargo run -p vidimus-mask --example mask -- --classes default`.
//! With `--chunks` it takes `{"id","chunks":[…]}` and feeds each text piece by piece. With `--detect` it tells what it finds instead: `{"id","findings":[{"class","start","end","score"}]}`.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};

use bytes::Bytes;
use serde_json::{Value, json};
use vidimus_mask::{ClassSet, Form, Framing, Masker, Memory, Scan, Scope, Selection, Settings, StreamScope, Tally};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let classes = arguments.iter().skip_while(|word| *word != "--classes").nth(1).map_or("default", String::as_str);
    let selection = Selection::new(classes.split(','));
    let selection = if classes == "default" { selection } else { selection.without_context() };
    let detect = arguments.iter().any(|word| word == "--detect");

    let masker = Masker::new(&Settings::new(selection, [0; 32]))?;
    let engine = masker.engine();
    let (mut scan, mut memory) = (Scan::default(), Memory::default());
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let line: Value = serde_json::from_str(&line?)?;
        let id = line.get("id").unwrap_or(&Value::Null);
        if let Some(chunks) = line.get("chunks").and_then(Value::as_array) {
            let (mut tally, mut masked) = (Tally::default(), Vec::new());
            let mut stream = masker.stream(Framing::Auto, StreamScope::default());
            for chunk in chunks.iter().filter_map(Value::as_str) {
                stream.push(chunk.as_bytes(), &mut memory, &mut tally, &mut masked)?;
            }
            stream.finish(&mut memory, &mut tally, &mut masked)?;
            writeln!(out, "{}", json!({"id": id, "text": String::from_utf8_lossy(&masked)}))?;
            continue;
        }
        let text = line.get("text").and_then(Value::as_str).ok_or("a line needs a text")?;
        let answer = if detect {
            let findings = masker.findings(text.as_bytes(), &[], &mut scan).into_iter().map(|finding| {
                json!({"class": engine.name(finding.class), "start": finding.start, "end": finding.end,
                       "score": f64::from(finding.score) / 100.0})
            });
            json!({"id": id, "findings": findings.collect::<Vec<_>>()})
        } else {
            let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
            let text = Bytes::from(text.to_owned());
            let masked = masker.payload(&text, Form::Auto, &scope, &mut memory, &mut Tally::default())?;
            json!({"id": id, "text": String::from_utf8_lossy(&masked.unwrap_or(text))})
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}
