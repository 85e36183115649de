//! The limit of open files (POSIX `RLIMIT_NOFILE`): raised as far as the system allows, before anything is served.
//!
//! Every client connection is a descriptor, and most need a second one to the target. Without descriptors clients wait
//! and evidence is not moved out of its journal, so a limit that may not suffice is told at start. Nothing is refused.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for one client: its connection, and one to the target.
const PER_CONNECTION: u64 = 2;
/// Descriptors for everything else: listeners, 256 recordings, tiles, the index, idle connections to targets.
const RESERVE: u64 = 1_024;

/// How many files the process may have open; `None` is any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileLimit(Option<u64>);

/// Raises the soft limit to the hard one, where it is lower.
pub(crate) fn raise() -> FileLimit {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return FileLimit(current);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => FileLimit(maximum),
        Err(error) => {
            tracing::warn!(%error, "The limit of open files cannot be raised");
            FileLimit(current)
        }
    }
}

impl FileLimit {
    /// Warns when that may be too few for so many client connections.
    pub(crate) fn warn_below(self, connections: usize) {
        if let Some((limit, needed)) = self.lacks(connections) {
            tracing::warn!(
                limit,
                needed,
                connections,
                "The limit of open files may not suffice: raise it (LimitNOFILE in systemd, ulimit -Hn in a shell), or \
                 lower limits.connections"
            );
        }
    }

    /// The limit and what may be needed, when that is more.
    fn lacks(self, connections: usize) -> Option<(u64, u64)> {
        let connections = u64::try_from(connections).unwrap_or(u64::MAX);
        let needed = connections.saturating_mul(PER_CONNECTION).saturating_add(RESERVE);
        self.0.filter(|limit| *limit < needed).map(|limit| (limit, needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let FileLimit(limit) = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((now.current, limit), (now.maximum, now.maximum));
    }

    #[test]
    fn a_limit_lacks_what_connections_and_the_reserve_need_beyond_it() {
        assert_eq!(FileLimit(Some(21_023)).lacks(10_000), Some((21_023, 21_024)));
        assert_eq!(FileLimit(Some(21_024)).lacks(10_000), None);
        assert_eq!(FileLimit(None).lacks(usize::MAX), None);
        assert_eq!(FileLimit(Some(4_096)).lacks(usize::MAX), Some((4_096, u64::MAX)));
    }
}
