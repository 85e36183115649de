//! What is refused before anything is started.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A gateway's places: `data`, `keys/kek`, and `srv` for servers.
fn places() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["data/log", "keys", "srv/files"] {
        fs::create_dir_all(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("keys/kek"), "secret").unwrap();
    dir
}

fn confinement(dir: &TempDir) -> Confinement {
    let forbidden = vec![dir.path().join("data"), dir.path().join("keys/kek")];
    let mut confinement = Confinement::new(vec!["sh".to_owned()], forbidden);
    confinement.run_as = rustix::process::geteuid().is_root().then_some(RunAs { uid: 65_534, gid: 65_534 });
    confinement
}

/// What is said about `path`, granted to write.
fn granted(dir: &TempDir, path: &str) -> Result<(), ConfinementError> {
    confinement(dir).with_writable(dir.path().join(path)).check()
}

impl Confinement {
    fn with_writable(mut self, path: PathBuf) -> Self {
        self.writable.push(path);
        self
    }
}

#[test]
fn a_directory_of_its_own_is_granted() {
    let dir = places();
    granted(&dir, "srv/files").unwrap();
}

#[test]
fn what_holds_data_or_key_is_refused() {
    let dir = places();
    for path in ["", "keys", "keys/kek", "data", "srv/.."] {
        let error = granted(&dir, path).unwrap_err();
        assert!(matches!(error, ConfinementError::Holds { .. }), "{path}: {error}");
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
    let error = confinement(&dir).with_writable("/".into()).check().unwrap_err();
    assert!(matches!(error, ConfinementError::Holds { .. }), "{error}");
}

#[test]
fn what_lies_in_data_is_refused() {
    let dir = places();
    let error = granted(&dir, "data/log").unwrap_err();
    assert!(matches!(error, ConfinementError::LiesIn { .. }), "{error}");
    let mut scratch = confinement(&dir);
    scratch.scratch_root = dir.path().join("data/log");
    assert!(matches!(scratch.check().unwrap_err(), ConfinementError::LiesIn { .. }));
}

#[test]
fn a_link_hides_nothing() {
    let dir = places();
    symlink(dir.path().join("data"), dir.path().join("srv/innocent")).unwrap();
    symlink(dir.path(), dir.path().join("srv/all")).unwrap();
    symlink(dir.path().join("data"), dir.path().join("named")).unwrap();
    assert!(matches!(granted(&dir, "srv/innocent").unwrap_err(), ConfinementError::Holds { .. }));
    assert!(matches!(granted(&dir, "srv/innocent/log").unwrap_err(), ConfinementError::LiesIn { .. }));
    assert!(matches!(granted(&dir, "srv/all").unwrap_err(), ConfinementError::Holds { .. }));
    // Nor does a data directory that is named through one.
    let mut named = confinement(&dir).with_writable(dir.path().join("data"));
    named.forbidden = vec![dir.path().join("named")];
    assert!(matches!(named.check().unwrap_err(), ConfinementError::Holds { .. }));
}

#[test]
fn a_link_on_the_way_to_the_data_is_kept_too() {
    let dir = places();
    symlink(dir.path().join("data"), dir.path().join("srv/files/data")).unwrap();
    let mut linked = confinement(&dir).with_writable(dir.path().join("srv/files"));
    linked.forbidden = vec![dir.path().join("srv/files/data/log")];
    assert!(matches!(linked.check().unwrap_err(), ConfinementError::Holds { .. }), "the link could be another one");
}

#[test]
fn what_the_gateway_is_told_can_be_read_and_not_changed() {
    let dir = places();
    fs::create_dir_all(dir.path().join("etc/policies/more")).unwrap();
    fs::write(dir.path().join("etc/vidimus.toml"), "").unwrap();
    symlink(dir.path().join("etc/policies"), dir.path().join("srv/files/policies")).unwrap();
    let told = |path: &str| {
        let mut confinement = confinement(&dir);
        confinement.unwritable = vec![dir.path().join("etc/vidimus.toml"), dir.path().join("etc/policies")];
        confinement.readable.push(dir.path().join(path));
        confinement
    };
    for path in ["etc", "etc/vidimus.toml", "etc/policies", "etc/policies/more", "srv/files/policies", ""] {
        let error = told("srv").with_writable(dir.path().join(path)).check().unwrap_err();
        let is_holder = path.is_empty() && matches!(error, ConfinementError::Holds { .. });
        assert!(is_holder || matches!(error, ConfinementError::Changes { .. }), "{path}: {error}");
        if !path.is_empty() {
            told(path).check().unwrap();
        }
    }
    told("etc").with_writable(dir.path().join("srv")).check().unwrap();
}

#[test]
fn a_data_directory_that_is_not_made_yet_is_kept_free() {
    let dir = places();
    let mut early = confinement(&dir).with_writable(dir.path().join("srv"));
    early.forbidden = vec![dir.path().join("srv/later/data")];
    assert!(matches!(early.check().unwrap_err(), ConfinementError::Holds { .. }));
    early.forbidden = vec![dir.path().join("later/data")];
    early.check().unwrap();
}

#[test]
fn data_in_a_directory_of_the_system_is_refused() {
    let dir = places();
    let mut confinement = confinement(&dir);
    confinement.forbidden = vec!["/usr/local".into()];
    let error = confinement.check().unwrap_err();
    assert!(matches!(&error, ConfinementError::Holds { granted, .. } if granted == Path::new("/usr")), "{error}");
    // A key in /etc is beside what every program may read, and not in it.
    confinement.forbidden = vec!["/etc/vidimus-kek".into()];
    confinement.check().unwrap();
}

#[test]
fn a_program_is_found_along_the_path_or_refused() {
    let dir = places();
    let mut confinement = confinement(&dir);
    assert!(confinement.program().unwrap().ends_with("sh"));
    for (program, refused) in [("no-such-program", "not found"), ("./sh", "relative"), ("/etc/passwd", "not found")] {
        confinement.command = vec![program.to_owned()];
        let error = confinement.check().unwrap_err().to_string();
        assert!(error.contains(refused), "{program}: {error}");
    }
    confinement.command.clear();
    assert!(matches!(confinement.check().unwrap_err(), ConfinementError::NoCommand));
}

#[test]
fn words_that_no_program_can_be_given_are_refused() {
    let dir = places();
    for (name, value) in [("A=B", "c"), ("", "c"), ("A", "\0")] {
        let mut confinement = confinement(&dir);
        confinement.environment.0.insert(name.to_owned(), value.to_owned());
        assert!(matches!(confinement.check().unwrap_err(), ConfinementError::Character(_)), "{name}");
    }
    let mut large = confinement(&dir);
    large.command.push("x".repeat(MAX_CONFINEMENT));
    assert!(matches!(large.check().unwrap_err(), ConfinementError::TooLarge));
}

#[test]
fn relative_and_missing_directories_are_refused() {
    let dir = places();
    let relative = confinement(&dir).with_writable("srv".into());
    assert!(matches!(relative.check().unwrap_err(), ConfinementError::RelativePath(_)));
    assert!(matches!(granted(&dir, "srv/missing").unwrap_err(), ConfinementError::Unreachable { .. }));
}

#[test]
fn nobody_runs_as_root_or_as_others_without_it() {
    let dir = places();
    let mut confinement = confinement(&dir);
    if rustix::process::geteuid().is_root() {
        for run_as in [None, Some(RunAs { uid: 0, gid: 65_534 }), Some(RunAs { uid: 65_534, gid: 0 })] {
            confinement.run_as = run_as;
            assert!(matches!(confinement.check().unwrap_err(), ConfinementError::Root), "{run_as:?}");
        }
    } else {
        confinement.run_as = Some(RunAs { uid: 65_534, gid: 65_534 });
        assert!(matches!(confinement.check().unwrap_err(), ConfinementError::NotRoot));
    }
}

#[test]
fn values_of_variables_are_not_shown() {
    let variables = Variables([("API_KEY".to_owned(), "hunter2".to_owned())].into());
    assert_eq!(format!("{variables:?}"), r#"{"API_KEY"}"#);
}
