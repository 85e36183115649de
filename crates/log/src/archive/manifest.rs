//! `manifest.json`: every other file with its size and SHA-256, the checkpoint, how many events there are, and what the
//! exporter says of the export.
//!
//! Nobody signs it. What follows from the rest of the archive is compared with that; by whom, when and for what it was made
//! are claims. Refused: members that nobody looks at, and any other text of the same content.

use vidimus_core::canonical::ObjectWriter;
use vidimus_core::json::{Document, Value};

use super::FORMAT;
use crate::codec::decimal;
use crate::note::{Checkpoint, Note, NoteError};
use crate::tree::Hash;

/// What the exporter says of an export. Nothing in the log proves it but the event `recording.exported`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Who exported: `issuer|subject`.
    pub by: String,
    /// When, RFC 3339.
    pub made: String,
    /// The version of the program.
    pub program: String,
    /// What was asked for, in words.
    pub selection: String,
}

/// The manifest of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) claims: Claims,
    pub(super) checkpoint: Checkpoint,
    /// The names of the checkpoint's signers, witnesses among them, in the order of their signatures.
    pub(super) signers: Vec<String>,
    pub(super) events: u64,
    pub(super) files: Vec<Listed>,
}

/// A file that the manifest lists.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    /// The text of the file.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let Self { claims, checkpoint, signers, events, files } = self;
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        object.string("archive", FORMAT).string("by", &claims.by);
        object.object("checkpoint", |object| {
            object.string("origin", &checkpoint.origin).string("root", &checkpoint.root.to_string());
            object.strings("signers", signers).integer("size", checkpoint.size);
        });
        object.integer("events", *events);
        object.array("files", files, |out, file| {
            let mut object = ObjectWriter::new(out);
            object.integer("bytes", file.bytes).string("name", &file.name).string("sha256", &file.sha256);
            object.end();
        });
        object.string("made", &claims.made).string("program", &claims.program);
        object.string("selection", &claims.selection);
        object.end();
        out.push(b'\n');
        out
    }

    /// The manifest in a document; `None` when it has not just the members of this form.
    pub(super) fn read(document: &Document, text: &[u8]) -> Option<Self> {
        let root = document.root();
        let checkpoint = root.get("checkpoint")?;
        let manifest = Self {
            claims: Claims {
                by: string(&root, "by")?,
                made: string(&root, "made")?,
                program: string(&root, "program")?,
                selection: string(&root, "selection")?,
            },
            checkpoint: Checkpoint {
                origin: string(&checkpoint, "origin")?,
                size: integer(&checkpoint, "size")?,
                root: Hash::from_base64(&string(&checkpoint, "root")?)?,
            },
            signers: checkpoint
                .get("signers")?
                .elements()
                .map(|name| Some(name.as_str()?.into_owned()))
                .collect::<Option<_>>()?,
            events: integer(&root, "events")?,
            files: root.get("files")?.elements().map(Listed::read).collect::<Option<_>>()?,
        };
        (manifest.to_json() == text).then_some(manifest)
    }
}

impl Listed {
    fn read(file: Value<'_>) -> Option<Self> {
        Some(Self { name: string(&file, "name")?, bytes: integer(&file, "bytes")?, sha256: string(&file, "sha256")? })
    }
}

/// The names in the signature lines of a checkpoint, none of them verified.
pub(super) fn signers(note: &str) -> Result<Vec<String>, NoteError> {
    Ok(Note::parse(note)?.signatures.iter().map(|line| line.name.to_owned()).collect())
}

fn string(value: &Value<'_>, key: &str) -> Option<String> {
    Some(value.get(key)?.as_str()?.into_owned())
}

fn integer(value: &Value<'_>, key: &str) -> Option<u64> {
    value.get(key)?.as_number().and_then(decimal)
}
