//! What a program may do: its command, files, variables, limits and user; checked before anything is started.
//!
//! Refuses what would let a program reach the gateway's own state: a granted directory that holds, or lies in, a
//! forbidden place (`data_dir`, the key), and one to write that so reaches what the gateway is told (its configuration,
//! the policies). Paths are compared by device and inode along all their ancestors, so neither a symbolic link nor a
//! bind mount of such a directory hides one. A file system mounted *below* a granted directory is
//! the operator's own doing and is not looked for.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vidimus_core::ErrorKind;

use crate::grants::{self, Access, Grant, Origin};

/// Where programs are looked for when the configuration sets no `PATH`.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A confinement in JSON: arguments and variables of a program are small, a socket's buffer takes it at once.
pub(crate) const MAX_CONFINEMENT: usize = 64 * 1024;

/// What a program is started with, and all it may touch.
///
/// Beyond the directories here it may read and execute what lies in `/usr` (`/bin`, `/lib`, …) and its own command, and
/// read what every program needs of `/etc`, `/dev` and `/proc`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// The program, by name or absolute path, and its arguments.
    pub command: Vec<String>,
    /// Directories to read and execute from: an installation outside `/usr`.
    pub programs: Vec<PathBuf>,
    /// Directories and files to read.
    pub readable: Vec<PathBuf>,
    /// Directories to read, write and execute from.
    pub writable: Vec<PathBuf>,
    /// Variables beside `PATH`, `HOME`, `TMPDIR` and `LANG`, or instead of them.
    pub environment: Variables,
    /// Where it starts; its scratch directory if not given.
    pub working_dir: Option<PathBuf>,
    /// Where its private scratch directory (`HOME`, `TMPDIR`) is made, and removed at its end.
    pub scratch_root: PathBuf,
    /// What no grant may reach: the gateway's data directory and its key file.
    pub forbidden: Vec<PathBuf>,
    /// What no grant to write may reach: what the gateway is told, such as its configuration and policies.
    pub unwritable: Vec<PathBuf>,
    /// Resource limits.
    pub limits: ResourceLimits,
    /// The user to become. Required when the gateway is root, impossible otherwise.
    pub run_as: Option<RunAs>,
    /// Whether the kernel holds it to all this.
    pub isolation: Isolation,
    /// Whether it may use the network. Without isolation it may.
    pub network: bool,
}

/// Who holds the program to its directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// The kernel, through Landlock and a filter of system calls. Refused where it cannot.
    Landlock,
    /// Nobody. User, limits and variables still apply.
    None,
}

/// A user and its group. Supplementary groups are cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunAs {
    /// User id; not 0.
    pub uid: u32,
    /// Group id; not 0.
    pub gid: u32,
}

/// Limits of the program and of each process it starts (`setrlimit`). `None` leaves the gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceLimits {
    /// Open files.
    pub open_files: Option<u64>,
    /// Processes and threads of its *user*, so all that run as the same user share it.
    pub processes: Option<u64>,
    /// Bytes of one file it writes.
    pub file_size: Option<u64>,
    /// Bytes of address space. Runtimes such as Node reserve far more than they use.
    pub address_space: Option<u64>,
    /// Seconds of processor time.
    pub cpu_seconds: Option<u64>,
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self {
            open_files: Some(1_024),
            processes: Some(4_096),
            file_size: Some(1 << 30),
            address_space: None,
            cpu_seconds: None,
        }
    }
}

/// Environment variables. Values are secrets: `Debug` shows names alone.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(pub BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a program is not started with a confinement.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    /// There is nothing to start.
    #[error("the command is empty: name a program")]
    NoCommand,
    /// A NUL byte, or a variable's name with `=`.
    #[error("{0} has a character that no program can be given: remove it")]
    Character(&'static str),
    /// The program is a path from somewhere.
    #[error("the program {} is a relative path: give its name alone, or an absolute path", .0.display())]
    RelativeProgram(PathBuf),
    /// The program is not there.
    #[error("the program {} is not found: install it, or give its absolute path", .0.display())]
    NoProgram(PathBuf),
    /// Only absolute paths mean the same everywhere.
    #[error("{} is a relative path: make it absolute", .0.display())]
    RelativePath(PathBuf),
    /// A directory that cannot be looked at.
    #[error("{} cannot be granted: {source}", path.display())]
    Unreachable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A grant holds what is forbidden.
    #[error("{} holds {}, which no server may reach: grant less, or move one of them", granted.display(), forbidden.display())]
    Holds {
        /// What was to be granted.
        granted: PathBuf,
        /// What it holds.
        forbidden: PathBuf,
    },
    /// A grant lies in what is forbidden.
    #[error("{} lies in {}, which no server may reach: move it out", granted.display(), forbidden.display())]
    LiesIn {
        /// What was to be granted.
        granted: PathBuf,
        /// What it lies in.
        forbidden: PathBuf,
    },
    /// A grant to write reaches what the gateway is told.
    #[error("{} reaches {}, which no server may change: grant less to write, or move one of them", granted.display(), kept.display())]
    Changes {
        /// What was to be granted.
        granted: PathBuf,
        /// What it holds, lies in, or is.
        kept: PathBuf,
    },
    /// Root without another user.
    #[error("the gateway is root and no server may be: set run_as to a user and a group other than 0")]
    Root,
    /// Another user without root.
    #[error("only root can start a server as another user: run the gateway as root, or leave run_as out")]
    NotRoot,
    /// Too many arguments and variables.
    #[error("command and variables take more than {MAX_CONFINEMENT} bytes: give less")]
    TooLarge,
}

impl ConfinementError {
    /// Always the operator's to correct.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Configuration
    }
}

impl Confinement {
    /// Nothing granted but what every program needs: Landlock, default limits, the network, scratch in the system's
    /// temporary directory. `forbidden` is the gateway's data directory and its key file.
    pub fn new(command: Vec<String>, forbidden: Vec<PathBuf>) -> Self {
        Self {
            command,
            programs: Vec::new(),
            readable: Vec::new(),
            writable: Vec::new(),
            environment: Variables::default(),
            working_dir: None,
            scratch_root: std::env::temp_dir(),
            forbidden,
            unwritable: Vec::new(),
            limits: ResourceLimits::default(),
            run_as: None,
            isolation: Isolation::Landlock,
            network: true,
        }
    }

    /// Checks everything that can be known before a start. Looks at the file system. The confiner looks again, at what
    /// it has opened, because links may have changed since.
    pub fn check(&self) -> Result<(), ConfinementError> {
        self.check_words()?;
        self.check_user()?;
        let program = self.program()?;
        let places = self.programs.iter().chain(&self.readable).chain(&self.writable).chain(&self.forbidden);
        let places = places.chain(&self.unwritable);
        if let Some(path) = places.chain([&self.scratch_root]).chain(&self.working_dir).find(|path| path.is_relative())
        {
            return Err(ConfinementError::RelativePath(path.clone()));
        }
        for grant in self.grants(&program) {
            match self.check_grant(&grant.path, &grant) {
                Err(ConfinementError::Unreachable { .. }) if grant.origin == Origin::System => {}
                checked => checked?,
            }
        }
        // Scratch directories are new ones, so what lies beside them does not matter.
        let scratch = identities(&self.scratch_root)
            .map_err(|source| ConfinementError::Unreachable { path: self.scratch_root.clone(), source })?;
        self.forbidden.iter().try_for_each(|forbidden| lies_outside(&self.scratch_root, &scratch, forbidden))
    }

    /// Everything granted, but for the scratch directory.
    pub(crate) fn grants(&self, program: &PathBuf) -> impl Iterator<Item = Grant> {
        grants::of_every_program()
            .chain(grants::configured([program], Access::Execute))
            .chain(grants::configured(&self.programs, Access::Execute))
            .chain(grants::configured(&self.readable, Access::Read))
            .chain(grants::configured(&self.writable, Access::Write))
    }

    /// The program's file as found: by its absolute path, or along `PATH`.
    pub(crate) fn program(&self) -> Result<PathBuf, ConfinementError> {
        let name = self.command.first().filter(|name| !name.is_empty()).ok_or(ConfinementError::NoCommand)?;
        let path = PathBuf::from(name);
        if path.is_absolute() {
            return if is_program(&path) { Ok(path) } else { Err(ConfinementError::NoProgram(path)) };
        }
        if name.contains('/') {
            return Err(ConfinementError::RelativeProgram(path));
        }
        let search = self.environment.0.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        let found = search.split(':').map(Path::new).filter(|dir| dir.is_absolute()).map(|dir| dir.join(name));
        found.into_iter().find(|file| is_program(file)).ok_or(ConfinementError::NoProgram(path))
    }

    /// Refuses a grant that reaches what is forbidden. `place` is where to look at what is granted: the path itself, or
    /// the descriptor it was opened as.
    pub(crate) fn check_grant(&self, place: &Path, grant: &Grant) -> Result<(), ConfinementError> {
        let granted =
            identities(place).map_err(|source| ConfinementError::Unreachable { path: grant.path.clone(), source })?;
        for forbidden in &self.forbidden {
            let holders = holders(forbidden)?;
            if granted.first().is_some_and(|granted| holders.contains(granted)) {
                return Err(ConfinementError::Holds { granted: grant.path.clone(), forbidden: forbidden.clone() });
            }
            // A single file of the system (`/etc/hosts` beside a key in `/etc`) is no way to what lies next to it.
            if grant.origin == Origin::Configuration {
                lies_outside(&grant.path, &granted, forbidden)?;
            }
        }
        for kept in self.unwritable.iter().filter(|_| grant.access == Access::Write) {
            let holders = holders(kept)?;
            let is_held = granted.first().is_some_and(|granted| holders.contains(granted));
            if is_held || lies_outside(&grant.path, &granted, kept).is_err() {
                return Err(ConfinementError::Changes { granted: grant.path.clone(), kept: kept.clone() });
            }
        }
        Ok(())
    }

    /// Refuses root, and users that only root can become.
    pub(crate) fn check_user(&self) -> Result<(), ConfinementError> {
        let is_root = rustix::process::geteuid().is_root();
        match self.run_as {
            None if is_root => Err(ConfinementError::Root),
            Some(RunAs { uid, gid }) if is_root && (uid == 0 || gid == 0) => Err(ConfinementError::Root),
            Some(_) if !is_root => Err(ConfinementError::NotRoot),
            _ => Ok(()),
        }
    }

    fn check_words(&self) -> Result<(), ConfinementError> {
        if self.command.iter().any(|word| word.contains('\0')) {
            return Err(ConfinementError::Character("the command"));
        }
        if self.environment.0.values().any(|value| value.contains('\0')) {
            return Err(ConfinementError::Character("a variable's value"));
        }
        if self.environment.0.keys().any(|name| name.is_empty() || name.contains(['\0', '='])) {
            return Err(ConfinementError::Character("a variable's name"));
        }
        let size = serde_json::to_vec(self).map_or(usize::MAX, |json| json.len());
        if size > MAX_CONFINEMENT { Err(ConfinementError::TooLarge) } else { Ok(()) }
    }
}

/// A directory or file, whatever it is called.
type Identity = (u64, u64);

/// The identity of `path`, links followed, and of all its ancestors up to the root.
fn identities(path: &Path) -> io::Result<Vec<Identity>> {
    let resolved = path.canonicalize()?;
    let mut identities = vec![identity(path)?];
    for ancestor in resolved.ancestors().skip(1) {
        identities.push(identity(ancestor)?);
    }
    Ok(identities)
}

fn identity(path: &Path) -> io::Result<Identity> {
    path.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The identities of `path` and of all directories it is reached through: also those in which a link on its way lies,
/// as whoever may write there can put another one in its place.
fn holders(path: &Path) -> Result<Vec<Identity>, ConfinementError> {
    let (existing, _) = longest_existing(path);
    let all: io::Result<Vec<_>> = existing.ancestors().map(identities).collect();
    let all = all.map_err(|source| ConfinementError::Unreachable { path: path.to_owned(), source })?;
    Ok(all.into_iter().flatten().collect())
}

/// Refuses what is, or lies in, `forbidden`.
fn lies_outside(path: &Path, path_identities: &[Identity], forbidden: &Path) -> Result<(), ConfinementError> {
    let unreachable = |source| ConfinementError::Unreachable { path: forbidden.to_owned(), source };
    let (existing, is_whole) = longest_existing(forbidden);
    // What does not exist yet holds nothing.
    if is_whole && path_identities.contains(&identity(existing).map_err(unreachable)?) {
        return Err(ConfinementError::LiesIn { granted: path.to_owned(), forbidden: forbidden.to_owned() });
    }
    Ok(())
}

/// The longest part of `path` that exists, and whether that is all of it.
fn longest_existing(path: &Path) -> (&Path, bool) {
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path);
    (existing, existing == path)
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;
