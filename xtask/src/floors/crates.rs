//! Who may depend on whom (ARCHITECTURE.md, "Floors").
//!
//! The table below is the architecture; a crate that is not in it, an edge that does not lead down, and a dependency that
//! would let a crate do what its floor must not are violations. Dev-dependencies obey the same floors, except that
//! everybody may use `vidimus-testkit`.

use super::Violation;
use crate::workspace::{Dependency, Kind, Package, Workspace};

/// Every crate and its floor. Imports lead to a lower floor.
const FLOORS: &[(&str, u8)] = &[
    ("vidimus-core", 0),
    ("vidimus-log", 1),
    ("vidimus-policy", 1),
    ("vidimus-guard", 1),
    ("vidimus-mask", 1),
    ("vidimus-sql", 1),
    ("vidimus-credential", 2),
    ("vidimus-identity", 2),
    ("vidimus-store", 2),
    ("vidimus-net", 2),
    ("vidimus-stdio", 2),
    ("vidimus-verify", 2),
    ("vidimus-gate", 3),
    ("vidimus-report", 3),
    ("vidimus-mcp", 4),
    ("vidimus-postgres", 4),
    ("vidimus-console", 4),
    ("vidimus", 5),
];

/// Beside the floors: shared by tests, never by the gateway.
const TESTKIT: &str = "vidimus-testkit";
const FOR_TESTS: &[&str] = &[TESTKIT, "vidimus-conformance-server"];
/// Beside the floors: programs for developers, on which nobody depends.
const CHORES: &[&str] = &["vidimus-bench", "xtask"];

/// The highest floor that knows no runtime and does no network I/O.
const PURE: u8 = 1;
/// What a crate on a pure floor does not depend on.
const RUNTIME: &[&str] = &["tokio", "tokio-util", "hyper", "hyper-util", "reqwest"];

/// From this floor on, deciding, masking and parsing SQL are the gate's alone.
const GATED: u8 = 3;
const GATE: &str = "vidimus-gate";
/// Imported at `GATED` and above by the gate only.
const FOR_THE_GATE: &[&str] = &["vidimus-policy", "vidimus-mask", "vidimus-guard", "vidimus-sql"];
/// The exceptions: `vidimus check` reads policies and masking rules without a gate, `vidimus mask` is the engine alone.
const GATE_EXCEPTIONS: &[(&str, &str)] =
    &[("vidimus", "vidimus-policy"), ("vidimus", "vidimus-mask"), ("vidimus", "vidimus-guard")];

/// Protocol adapters.
const ADAPTERS: &[&str] = &["vidimus-mcp", "vidimus-postgres"];
/// What would be an adapter's way round the gate: storage, decisions, raw clients and sockets.
const NOT_FOR_ADAPTERS: &[&str] = &[
    "vidimus-store",
    "hyper",
    "hyper-util",
    "hyper-rustls",
    "reqwest",
    "rusqlite",
    "rustix",
    "rustls",
    "socket2",
    "tokio-postgres",
    "tokio-rustls",
];

/// Untyped errors belong to the binary and to tests: a library's error says whose fault it is.
const UNTYPED_ERRORS: &str = "anyhow";
const BINARY: &str = "vidimus";

/// The auditor's program, and all that it may ship with: no network, no runtime, nothing of the gateway's.
const VERIFIER: &str = "vidimus-verify";
const FOR_THE_VERIFIER: &[&str] = &["vidimus-log", "thiserror"];

/// Checks every package's dependencies.
pub(super) fn check(workspace: &Workspace) -> Vec<Violation> {
    workspace.packages.iter().flat_map(|package| check_package(workspace, package)).collect()
}

/// The crate directories of protocol adapters that exist.
pub(super) fn adapters(workspace: &Workspace) -> impl Iterator<Item = &Package> {
    workspace.packages.iter().filter(|package| ADAPTERS.contains(&package.name.as_str()))
}

fn check_package(workspace: &Workspace, package: &Package) -> Vec<Violation> {
    let place = workspace.relative(&package.manifest_path).display().to_string();
    let violation = |(what, remedy): (String, &'static str)| Violation { place: place.clone(), what, remedy };
    let edges = package.dependencies.iter();
    if FOR_TESTS.contains(&package.name.as_str()) || CHORES.contains(&package.name.as_str()) {
        let beside = |name: &str| name == TESTKIT || floor(name) == Some(0);
        let ours = edges.filter(|edge| is_ours(workspace, edge) && !beside(&edge.name));
        return ours.map(|edge| violation(is_beside(package, edge))).collect();
    }
    let Some(floor) = floor(&package.name) else {
        return vec![violation((
            format!("{} has no floor", package.name),
            "put it into FLOORS in xtask/src/floors/crates.rs and into ARCHITECTURE.md",
        ))];
    };
    edges
        .flat_map(|edge| {
            let rules = [
                leads_down(workspace, package, floor, edge),
                is_for_the_gate(package, floor, edge),
                is_pure(package, floor, edge),
                goes_round_the_gate(package, edge),
                stands_alone(package, edge),
                is_typed(package, edge),
            ];
            rules.into_iter().flatten()
        })
        .map(violation)
        .collect()
}

type Finding = Option<(String, &'static str)>;

fn leads_down(workspace: &Workspace, package: &Package, floor: u8, edge: &Dependency) -> Finding {
    // A crate's tests may ask for a feature of the crate itself.
    let is_for_tests = FOR_TESTS.contains(&edge.name.as_str()) || edge.name == package.name;
    if !is_ours(workspace, edge) || (is_for_tests && edge.kind == Some(Kind::Dev)) {
        return None;
    }
    let Some(below) = self::floor(&edge.name) else {
        return Some((
            format!("{} depends on {}", package.name, edge.name),
            "only tests may: move it to [dev-dependencies], or do without it",
        ));
    };
    (below >= floor).then(|| {
        let direction = if below == floor { "sideways" } else { "upward" };
        let edge = format!("{} (floor {floor}) depends {direction} on {} (floor {below})", package.name, edge.name);
        (edge, "imports lead to a lower floor: move what is shared down, or turn the call round")
    })
}

fn is_for_the_gate(package: &Package, floor: u8, edge: &Dependency) -> Finding {
    let excepted = package.name == GATE || GATE_EXCEPTIONS.contains(&(package.name.as_str(), edge.name.as_str()));
    let gated = floor >= GATED && FOR_THE_GATE.contains(&edge.name.as_str());
    (gated && !excepted).then(|| {
        (format!("{} depends on {}", package.name, edge.name), "from floor 3 on only the gate decides: ask the gate")
    })
}

fn is_pure(package: &Package, floor: u8, edge: &Dependency) -> Finding {
    let shipped = edge.kind != Some(Kind::Dev);
    (floor <= PURE && shipped && RUNTIME.contains(&edge.name.as_str())).then(|| {
        (
            format!("{} (floor {floor}) depends on {}", package.name, edge.name),
            "floors 0 and 1 need no runtime: take bytes and give bytes, the caller does the waiting",
        )
    })
}

fn goes_round_the_gate(package: &Package, edge: &Dependency) -> Finding {
    let adapter = ADAPTERS.contains(&package.name.as_str()) && edge.kind != Some(Kind::Dev);
    (adapter && NOT_FOR_ADAPTERS.contains(&edge.name.as_str())).then(|| {
        (
            format!("the adapter {} depends on {}", package.name, edge.name),
            "an adapter reaches the wire through the gate's Upstream and Client alone, and stores nothing",
        )
    })
}

fn stands_alone(package: &Package, edge: &Dependency) -> Finding {
    let shipped = package.name == VERIFIER && edge.kind != Some(Kind::Dev);
    (shipped && !FOR_THE_VERIFIER.contains(&edge.name.as_str())).then(|| {
        (
            format!("{} depends on {}", package.name, edge.name),
            "an auditor reads all that judges: the verifier has vidimus-log beneath it and nothing else",
        )
    })
}

fn is_typed(package: &Package, edge: &Dependency) -> Finding {
    (edge.name == UNTYPED_ERRORS && edge.kind != Some(Kind::Dev) && package.name != BINARY).then(|| {
        (
            format!("the library {} depends on {UNTYPED_ERRORS}", package.name),
            "write an enum with thiserror and give it kind() and public_message()",
        )
    })
}

fn is_beside(package: &Package, edge: &Dependency) -> (String, &'static str) {
    (
        format!("{} depends on {}", package.name, edge.name),
        "what stands beside the floors knows the testkit and vidimus-core at most: it uses the gateway as a program",
    )
}

fn is_ours(workspace: &Workspace, edge: &Dependency) -> bool {
    workspace.packages.iter().any(|package| package.name == edge.name)
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A package and its `(dependency, kind)` lines.
    type Lines<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

    /// A workspace of such packages.
    fn workspace(packages: &[Lines]) -> Workspace {
        let packages: Vec<_> = packages
            .iter()
            .map(|(name, edges)| {
                let edges: Vec<_> = edges.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
                let short = name.trim_start_matches("vidimus-");
                json!({ "name": name, "manifest_path": format!("/w/crates/{short}/Cargo.toml"), "dependencies": edges })
            })
            .collect();
        let metadata = json!({ "packages": packages, "workspace_root": "/w", "target_directory": "/w/target" });
        serde_json::from_value(metadata).unwrap()
    }

    fn found(packages: &[Lines]) -> Vec<String> {
        check(&workspace(packages)).iter().map(|violation| format!("{}: {}", violation.place, violation.what)).collect()
    }

    const CORE: Lines = ("vidimus-core", &[("bytes", None)]);
    const POLICY: Lines = ("vidimus-policy", &[("vidimus-core", None)]);
    const KIT: Lines = ("vidimus-testkit", &[("tokio", None), ("anyhow", None)]);

    #[test]
    fn edges_that_lead_down_hold() {
        let gate: &[_] = &[
            ("vidimus-core", None),
            ("vidimus-policy", None),
            ("vidimus-testkit", Some("dev")),
            ("vidimus-gate", Some("dev")),
        ];
        let binary: &[_] = &[("vidimus-policy", None), ("vidimus-gate", None), ("anyhow", None)];
        assert!(found(&[CORE, POLICY, KIT, ("vidimus-gate", gate), ("vidimus", binary)]).is_empty());
    }

    #[test]
    fn upward_and_sideways_edges_are_found_in_tests_too() {
        let log: &[_] = &[("vidimus-policy", None), ("vidimus-store", Some("dev"))];
        assert_eq!(
            found(&[CORE, POLICY, ("vidimus-store", &[]), ("vidimus-log", log)]),
            [
                "crates/log/Cargo.toml: vidimus-log (floor 1) depends sideways on vidimus-policy (floor 1)",
                "crates/log/Cargo.toml: vidimus-log (floor 1) depends upward on vidimus-store (floor 2)",
            ]
        );
    }

    #[test]
    fn only_the_gate_decides() {
        let mcp: &[_] = &[("vidimus-policy", None), ("vidimus-gate", None)];
        let binary: &[_] = &[("vidimus-sql", None), ("vidimus-mask", None)];
        let packages = [CORE, POLICY, ("vidimus-mask", &[] as &[_]), ("vidimus-gate", &[]), ("vidimus-mcp", mcp)];
        assert_eq!(found(&packages), ["crates/mcp/Cargo.toml: vidimus-mcp depends on vidimus-policy"]);
        let packages = [("vidimus-sql", &[] as &[_]), ("vidimus-mask", &[]), ("vidimus", binary)];
        assert_eq!(found(&packages), ["crates/vidimus/Cargo.toml: vidimus depends on vidimus-sql"]);
    }

    #[test]
    fn low_floors_need_no_runtime() {
        let log: &[_] = &[("tokio", None), ("hyper", Some("build")), ("tokio", Some("dev"))];
        assert_eq!(
            found(&[("vidimus-log", log)]),
            [
                "crates/log/Cargo.toml: vidimus-log (floor 1) depends on tokio",
                "crates/log/Cargo.toml: vidimus-log (floor 1) depends on hyper",
            ]
        );
    }

    #[test]
    fn adapters_hold_no_raw_client_and_no_store() {
        let mcp: &[_] = &[("hyper", None), ("vidimus-store", None), ("hyper", Some("dev"))];
        assert_eq!(
            found(&[("vidimus-store", &[]), ("vidimus-mcp", mcp)]),
            [
                "crates/mcp/Cargo.toml: the adapter vidimus-mcp depends on hyper",
                "crates/mcp/Cargo.toml: the adapter vidimus-mcp depends on vidimus-store",
            ]
        );
    }

    #[test]
    fn the_verifier_stands_alone() {
        let log: Lines = ("vidimus-log", &[("vidimus-core", None)]);
        let verify: &[_] = &[("vidimus-log", None), ("thiserror", None), ("tempfile", Some("dev"))];
        assert!(found(&[CORE, log, ("vidimus-verify", verify)]).is_empty());
        let verify: &[_] = &[("vidimus-log", None), ("rustls", None)];
        assert_eq!(
            found(&[CORE, log, ("vidimus-verify", verify)]),
            ["crates/verify/Cargo.toml: vidimus-verify depends on rustls"]
        );
    }

    #[test]
    fn libraries_have_typed_errors() {
        assert_eq!(
            found(&[("vidimus-net", &[("anyhow", None)])]),
            ["crates/net/Cargo.toml: the library vidimus-net depends on anyhow"]
        );
    }

    #[test]
    fn the_testkit_stays_beside_the_floors() {
        let kit: Lines = ("vidimus-testkit", &[("vidimus-core", None), ("vidimus-policy", None)]);
        let net: Lines = ("vidimus-net", &[("vidimus-testkit", None), ("xtask", Some("dev"))]);
        assert_eq!(
            found(&[CORE, POLICY, kit, ("xtask", &[]), net]),
            [
                "crates/testkit/Cargo.toml: vidimus-testkit depends on vidimus-policy",
                "crates/net/Cargo.toml: vidimus-net depends on vidimus-testkit",
                "crates/net/Cargo.toml: vidimus-net depends on xtask",
            ]
        );
    }

    #[test]
    fn an_unknown_crate_needs_a_floor() {
        assert_eq!(found(&[("vidimus-new", &[])]), ["crates/new/Cargo.toml: vidimus-new has no floor"]);
    }
}
