//! No circle of modules inside a crate (ARCHITECTURE.md, "Invariants").
//!
//! The modules are a crate's top-level ones, each with everything below it; `crate::NAME` outside tests is an edge. The
//! crate's root is no module here: it names them all, and re-exports from it would hide an edge, so a path through a
//! re-export (`crate::Type`) counts as an edge to the module that the root takes it from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Violation;
use super::sources::Source;
use crate::workspace::Workspace;

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Looks for circles in every package.
pub(super) fn check(workspace: &Workspace, files: &[Source]) -> Vec<Violation> {
    workspace
        .packages
        .iter()
        .filter_map(|package| {
            let sources = workspace.relative(package.dir()).join("src");
            let circle = circle(&graph(&sources, files))?;
            Some(Violation {
                place: sources.display().to_string(),
                what: format!("modules in a circle: {}", circle.join(" → ")),
                remedy: "move what they share into a module below them all",
            })
        })
        .collect()
}

/// Which top-level module names which.
fn graph(sources: &Path, files: &[Source]) -> Graph {
    let ours: Vec<(&Path, &str)> = files
        .iter()
        .filter_map(|file| Some((file.path.strip_prefix(sources).ok()?, without_tests(&file.text))))
        .collect();
    let modules: BTreeSet<String> = ours.iter().filter_map(|(path, _)| module(path)).collect();
    let root = ours.iter().find(|(path, _)| *path == Path::new("lib.rs") || *path == Path::new("main.rs"));
    let exports = root.map(|(_, text)| exports(text)).unwrap_or_default();

    let mut graph: Graph = modules.iter().map(|module| (module.clone(), BTreeSet::new())).collect();
    for (path, text) in &ours {
        let Some(from) = module(path) else { continue };
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        for name in names(text, "crate::") {
            let to = if modules.contains(name) { Some(name) } else { exports.get(name).map(String::as_str) };
            if let Some(to) = to.filter(|to| *to != from && modules.contains(*to)) {
                graph.entry(from.clone()).or_default().insert(to.to_owned());
            }
        }
    }
    graph
}

/// The top-level module a file belongs to; none for the crate's root.
fn module(path: &Path) -> Option<String> {
    let first = Path::new(path.components().next()?.as_os_str());
    let name = first.file_stem()?.to_str()?;
    (!matches!(name, "lib" | "main" | "bin")).then(|| name.to_owned())
}

/// What the root re-exports, and from which module: `pub use clock::{Clock, SystemClock};`.
fn exports(root: &str) -> BTreeMap<&str, String> {
    let mut exports = BTreeMap::new();
    for statement in root.split("pub use ").skip(1) {
        let Some((path, _)) = statement.split_once(';') else { continue };
        let path = path.trim_start_matches("crate::");
        let Some((module, items)) = path.split_once("::") else { continue };
        for item in items.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|item| !item.is_empty()) {
            exports.insert(item, module.to_owned());
        }
    }
    exports
}

/// The identifiers that follow `prefix`; of a group, all of them.
fn names<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let identifier = |c: char| c.is_alphanumeric() || c == '_';
    text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(move |line| {
        line.split(prefix).skip(1).flat_map(move |rest| {
            let group = rest.strip_prefix('{');
            let list = group.map_or_else(
                || rest.split(|c| !identifier(c)).next().into_iter().collect::<Vec<_>>(),
                |group| {
                    group.split(',').map(|item| item.trim().split(|c| !identifier(c)).next().unwrap_or("")).collect()
                },
            );
            list.into_iter().filter(|name| !name.is_empty())
        })
    })
}

/// A file's code up to its tests, which stand at the end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
}

/// A circle, first module repeated at its end, if there is one.
fn circle(graph: &Graph) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    graph.keys().find_map(|start| walk(graph, start, &mut Vec::new(), &mut done))
}

fn walk(graph: &Graph, at: &str, path: &mut Vec<String>, done: &mut BTreeSet<String>) -> Option<Vec<String>> {
    if let Some(start) = path.iter().position(|seen| seen == at) {
        return Some(path.iter().skip(start).cloned().chain([at.to_owned()]).collect());
    }
    if done.contains(at) {
        return None;
    }
    path.push(at.to_owned());
    let found = graph.get(at).into_iter().flatten().find_map(|next| walk(graph, next, path, done));
    path.pop();
    done.insert(at.to_owned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Option<String> {
        let files: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source { path: Path::new("crates/x/src").join(path), text: (*text).to_owned() })
            .collect();
        circle(&graph(Path::new("crates/x/src"), &files)).map(|circle| circle.join(" "))
    }

    #[test]
    fn a_line_of_modules_holds() {
        let files = [("lib.rs", "mod a;"), ("a.rs", "use crate::b::B;"), ("b.rs", "use crate::c;"), ("c.rs", "")];
        assert_eq!(found(&files), None);
    }

    #[test]
    fn a_circle_is_found_below_folders_and_in_groups() {
        let files =
            [("a/deep.rs", "use crate::{b, z};"), ("b.rs", "fn f() { crate::c::g() }"), ("c.rs", "use crate::a::X;")];
        assert_eq!(found(&files).as_deref(), Some("a b c a"));
    }

    #[test]
    fn a_re_export_hides_no_edge() {
        let files =
            [("lib.rs", "pub use b::{Other, Thing};"), ("a.rs", "use crate::Thing;"), ("b.rs", "use crate::a;")];
        assert_eq!(found(&files).as_deref(), Some("a b a"));
    }

    #[test]
    fn tests_and_comments_make_no_edge() {
        let files = [
            ("a.rs", "use crate::b;\n"),
            ("b.rs", "// like crate::a\n#[cfg(test)]\nmod tests { use crate::a; }"),
            ("b/tests.rs", "use crate::a;"),
        ];
        assert_eq!(found(&files), None);
    }
}
