//! Landlock (Linux `Documentation/userspace-api/landlock.rst`): the calling thread and all it becomes or starts are held
//! to a list of grants; or, for a supervisor, to signals among its own.
//!
//! Refuses a kernel below ABI 3: before it, a program could empty any file its user may write. Newer rights are taken
//! where the kernel has them: ioctl on devices (5), signals and abstract sockets (6), sockets with a path (9). Landlock
//! has no word for `chmod`, so a program of the gateway's own user can still do that; another user cannot.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    make_bitflags,
};
use vidimus_core::ErrorKind;

use crate::confinement::{Confinement, ConfinementError};
use crate::grants::{Access, Grant, Origin};

/// The least that is worth the name: with truncation.
const LEAST: ABI = ABI::V3;
/// The newest that is known here.
const NEWEST: ABI = ABI::V9;

/// Why the kernel does not hold the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IsolationError {
    #[error(
        "this kernel cannot hold a server to its directories ({0}): it takes Linux 6.2 or later (6.7 to refuse TCP) with \
         landlock among its security modules (`lsm=landlock,…` at boot); or set isolation = \"none\""
    )]
    Kernel(RulesetError),
    #[error("the kernel enforces only part of what was asked: set isolation = \"none\" to start it all the same")]
    Partial,
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    #[error("{path} cannot be opened to be granted: {source}")]
    Open { path: String, source: landlock::PathFdError },
}

/// A grant as what it was opened as: nobody can put another directory in its place.
#[derive(Debug)]
pub(crate) struct Opened {
    path: PathFd,
    access: BitFlags<AccessFs>,
}

/// This kernel holds no server to anything.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LandlockError(IsolationError);

impl LandlockError {
    /// The operator's to decide about.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Configuration
    }
}

/// Whether this kernel can do it; the text of the error says what to do. Restricts nothing.
pub fn landlock_available() -> Result<(), LandlockError> {
    let created = ruleset(true).and_then(Ruleset::create);
    created.map(drop).map_err(|error| LandlockError(IsolationError::Kernel(error)))
}

/// Opens what is granted and checks what was opened.
pub(crate) fn open(
    confinement: &Confinement,
    grants: impl Iterator<Item = Grant>,
) -> Result<Vec<Opened>, IsolationError> {
    let mut opened = Vec::new();
    for grant in grants {
        let path = match PathFd::new(&grant.path) {
            Ok(path) => path,
            Err(_) if grant.origin == Origin::System => continue,
            Err(source) => return Err(IsolationError::Open { path: grant.path.display().to_string(), source }),
        };
        let place = PathBuf::from(format!("/proc/self/fd/{}", path.as_fd().as_raw_fd()));
        confinement.check_grant(&place, &grant)?;
        let is_file = !place.is_dir();
        let access = if is_file { rights(grant.access) & AccessFs::from_file(NEWEST) } else { rights(grant.access) };
        opened.push(Opened { path, access });
    }
    Ok(opened)
}

/// Holds the calling thread to what was opened, for ever. Also sets `no_new_privs`.
pub(crate) fn restrict(opened: Vec<Opened>, network: bool) -> Result<(), IsolationError> {
    let kernel = IsolationError::Kernel;
    let mut rules = ruleset(network).and_then(Ruleset::create).map_err(kernel)?;
    for Opened { path, access } in opened {
        rules = rules.add_rule(PathBeneath::new(path, access)).map_err(kernel)?;
    }
    let status = rules.restrict_self().map_err(kernel)?;
    let is_available = matches!(status.landlock, LandlockStatus::Available { .. });
    // `PartiallyEnforced` is every kernel older than `NEWEST`; what is required was required above.
    if is_available && status.no_new_privs && status.ruleset != RulesetStatus::NotEnforced {
        Ok(())
    } else {
        Err(IsolationError::Partial)
    }
}

/// Makes the calling thread, and all it starts from now on, a domain whose signals stay inside; nothing else is taken
/// from it. Also sets `no_new_privs`. False when the kernel cannot do it (ABI 6, Linux 6.12).
pub(crate) fn keep_signals_inside() -> bool {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).scope(Scope::Signal);
    let status = rules.and_then(Ruleset::create).and_then(RulesetCreated::restrict_self);
    status.is_ok_and(|status| status.ruleset == RulesetStatus::FullyEnforced)
}

fn ruleset(network: bool) -> Result<Ruleset, RulesetError> {
    let mut ruleset =
        Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(LEAST))?;
    if !network {
        ruleset = ruleset.handle_access(AccessNet::from_all(ABI::V4))?;
    }
    ruleset
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    match access {
        Access::Read => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
        Access::Execute => make_bitflags!(AccessFs::{ReadFile | ReadDir | Execute}),
        Access::Device => make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate}),
        Access::Write => AccessFs::from_all(NEWEST) & !make_bitflags!(AccessFs::{MakeChar | MakeBlock | IoctlDev}),
    }
}

/// Marks every descriptor from 3 on as closed at exec, and makes sure of it.
pub(crate) fn close_descriptors_at_exec() -> std::io::Result<()> {
    close_fds::set_fds_cloexec(3, &[]);
    for entry in std::fs::read_dir("/proc/self/fdinfo")? {
        let entry = entry?;
        let is_standard = matches!(entry.file_name().to_str(), Some("0" | "1" | "2"));
        // Gone: the descriptor of this very listing is closed before the last entry is read.
        let Ok(info) = File::open(entry.path()).and_then(std::io::read_to_string) else { continue };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).unwrap_or(0);
        if !is_standard && flags & rustix::fs::OFlags::CLOEXEC.bits() == 0 {
            let descriptor = entry.file_name().to_string_lossy().into_owned();
            return Err(std::io::Error::other(format!("descriptor {descriptor} cannot be closed at exec")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::grants;

    #[test]
    fn what_was_opened_is_checked_and_not_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (data, granted) = (dir.path().join("data"), dir.path().join("granted"));
        std::fs::create_dir(&data).unwrap();
        std::fs::create_dir(&granted).unwrap();
        let confinement = Confinement::new(vec!["sh".to_owned()], vec![data.clone()]);
        let open_granted = || open(&confinement, grants::configured([&granted], Access::Write));
        assert_eq!(open_granted().unwrap().len(), 1);
        // What a server with the right to write there does between the gateway's check and its next start.
        std::fs::remove_dir(&granted).unwrap();
        symlink(&data, &granted).unwrap();
        let error = open_granted().unwrap_err();
        assert!(matches!(error, IsolationError::Confinement(ConfinementError::Holds { .. })), "{error}");
    }

    #[test]
    fn a_grant_of_the_configuration_must_be_there_and_one_of_the_system_need_not() {
        let confinement = Confinement::new(vec!["sh".to_owned()], Vec::new());
        let missing = |origin| {
            let grant = Grant { path: "/no/such/directory".into(), access: Access::Read, origin };
            open(&confinement, [grant].into_iter())
        };
        assert!(missing(Origin::System).unwrap().is_empty());
        assert!(matches!(missing(Origin::Configuration).unwrap_err(), IsolationError::Open { .. }));
    }
}
