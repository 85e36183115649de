//! Transparent huge pages (prctl(2), `PR_SET_THP_DISABLE`): the gateway goes without.
//!
//! The allocator asks for them, and where the system gives them, 2 MiB are resident for whatever part of them is used. An
//! idle session uses some tens of KiB in small pieces: `cargo xtask bench --idle 5000` finds a quarter less resident
//! without. Programs that the gateway starts inherit it.

/// Turns them off for this process. To be called before there is anything to serve.
pub(crate) fn disable() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "Huge pages stay on; the gateway needs more memory");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn they_are_off() {
        super::disable();
        assert_eq!(rustix::thread::transparent_huge_pages_are_disabled(), Ok(true));
    }
}
