//! Policies from their directory, and the tool definitions they are checked against.
//!
//! Every `*.cedar` file of the directory, in order of name; directories below it are not looked into. A file that
//! cannot be read is an error, never passed over: a `forbid` could be in it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use vidimus_core::json::Limits;
use vidimus_core::{Protocol, ToolDefinition};
use vidimus_mcp::envelope::{EnvelopeError, Message, Sender};
use vidimus_mcp::lists::{self, ListError};
use vidimus_policy::{Source, TargetSchema};

use crate::config::{Config, Target};

/// The most policy files.
const MAX_FILES: usize = 1_000;
/// The largest policy file or list of tools, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// Why policies or definitions cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyFilesError {
    /// A directory or file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// More files than anybody means.
    #[error("{} holds more than {MAX_FILES} policy files: is it the right directory?", .0.display())]
    TooMany(PathBuf),
    /// A list of tools is none.
    #[error("{} is no result of `tools/list`: {source}", path.display())]
    Tools {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ToolsError,
    },
}

/// The policy files of a directory.
pub(crate) fn sources(dir: &Path) -> Result<Vec<Source>, PolicyFilesError> {
    let paths = files(dir, |path| path.extension().is_some_and(|extension| extension == "cedar"))?;
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            Ok(Source { name, text: read(&path)? })
        })
        .collect()
}

/// The files of one kind in a directory, in order of name.
pub(crate) fn files(dir: &Path, is_meant: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, PolicyFilesError> {
    let unreadable = |source| PolicyFilesError::Unreadable { path: dir.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_meant(&path) {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(PolicyFilesError::TooMany(dir.to_owned()));
        }
    }
    paths.sort();
    Ok(paths)
}

/// What policies must know of the configured targets.
pub(crate) fn schemas(config: &Config) -> Result<Vec<TargetSchema>, PolicyFilesError> {
    let databases = config.databases.iter().map(|database| {
        // It has no tools, and that is known.
        Ok(TargetSchema { name: database.name.clone(), protocol: Protocol::Postgres, tools: Some(Vec::new()) })
    });
    config.targets.iter().map(schema).chain(databases).collect()
}

pub(crate) fn schema(target: &Target) -> Result<TargetSchema, PolicyFilesError> {
    let tools = match &target.tools {
        Some(path) => {
            Some(parse_tools(&read(path)?).map_err(|source| PolicyFilesError::Tools { path: path.clone(), source })?)
        }
        None => None,
    };
    Ok(TargetSchema { name: target.name.clone(), protocol: Protocol::Mcp, tools })
}

/// The text of a file of policies, of cases or of definitions.
pub(crate) fn read(path: &Path) -> Result<String, PolicyFilesError> {
    use std::io::Read as _;
    let unreadable = |source| PolicyFilesError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_BYTES) {
        Ok(text)
    } else {
        Err(unreadable(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than 4 MiB")))
    }
}

/// Why a file is no list of tools.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolsError {
    /// It is no JSON-RPC answer, nor the result of one.
    #[error(transparent)]
    Message(#[from] EnvelopeError),
    /// It is no list.
    #[error(transparent)]
    List(#[from] ListError),
    /// Some of its tools cannot be read for certain.
    #[error("{0} of its tools have no name, no input schema, or a name twice")]
    Unreadable(usize),
}

/// Reads tool definitions as strictly as a target's: from a `tools/list` result, or the JSON-RPC answer around one.
pub(crate) fn parse_tools(text: &str) -> Result<Vec<ToolDefinition>, ToolsError> {
    let limits = Limits::default();
    let parse = |text: String| Message::parse(Bytes::from(text), Sender::Server, &limits);
    let answer = match parse(text.to_owned()) {
        Ok(answer) => answer,
        Err(_) => parse(format!(r#"{{"jsonrpc":"2.0","id":0,"result":{text}}}"#))?,
    };
    let page = lists::tools(&answer, &mut HashSet::new())?;
    if page.unreadable > 0 { Err(ToolsError::Unreadable(page.unreadable)) } else { Ok(page.tools) }
}

#[cfg(test)]
mod tests {
    use vidimus_core::ToolAnnotations;

    use super::*;

    #[test]
    fn definitions_are_read_with_the_specifications_defaults() {
        let list = r#"{"tools":[
            {"name":"a","inputSchema":{ "type": "object" }},
            {"name":"b","inputSchema":{},"annotations":{"readOnlyHint":true,"destructiveHint":false,"title":"B"}}
        ],"nextCursor":"x"}"#;
        for text in [list.to_owned(), format!(r#"{{"jsonrpc":"2.0","id":1,"result":{list}}}"#)] {
            let tools = parse_tools(&text).unwrap();
            assert_eq!(tools[0].annotations, ToolAnnotations::default());
            assert_eq!(tools[0].input_schema, r#"{ "type": "object" }"#);
            assert!(tools[1].annotations.read_only && !tools[1].annotations.destructive);
        }
        for bad in
            ["", "{}", r#"{"tools":[{}]}"#, r#"{"tools":[{"name":"a"}]}"#, r#"{"tools":[{"name":1,"inputSchema":{}}]}"#]
        {
            assert!(parse_tools(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_policy_file_is_read_in_order_and_none_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("b.cedar", "// b"), ("a.cedar", "// a"), ("README.md", "# no policy"), ("x.cedar~", "")] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let names: Vec<String> = sources(directory.path()).unwrap().into_iter().map(|source| source.name).collect();
        assert_eq!(names, ["a.cedar", "b.cedar"]);
        std::fs::write(directory.path().join("c.cedar"), b"\xff").unwrap();
        assert!(
            matches!(sources(directory.path()), Err(PolicyFilesError::Unreadable { path, .. }) if path.ends_with("c.cedar"))
        );
        std::fs::remove_file(directory.path().join("c.cedar")).unwrap();
        std::fs::create_dir(directory.path().join("d.cedar")).unwrap();
        assert!(sources(directory.path()).is_err(), "a directory that looks like a policy");
        assert!(sources(&directory.path().join("none")).is_err());
    }
}
