//! Every type of event, what it says, and why it is logged (NIST SP 800-53 AU-2).
//!
//! Documentation is made from it; a test holds it to what is written.

/// A type of event, for documentation and for readers.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The value of `type`.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// Why it is logged (AU-2).
    pub reason: &'static str,
}

/// Every type of event this version writes.
pub const CATALOGUE: &[Entry] = &[
    entry("log.started", "the gateway started writing", "start of the audit function (AU-12, AU-14(1))"),
    entry("log.stopped", "the gateway stopped in good order", "end of the audit function; its absence is a crash"),
    entry("log.recovered", "the journal was replayed at start", "shows what a crash cost (AU-5)"),
    entry("log.capacity", "the room for evidence passed a threshold, down or up", "audit storage (AU-4, AU-5(1))"),
    entry(
        "clock.status",
        "whether a time source keeps the clock, and how long the gateway has run: hourly, on change and after a jump",
        "time stamps (AU-8)",
    ),
    entry("config.loaded", "a configuration came into force", "configuration change (CM-3)"),
    entry(
        "retention.loaded",
        "how long recordings are kept, as of a start",
        "retention (AU-11); configuration change (CM-3)",
    ),
    entry("policy.loaded", "a policy set came into force", "change of who may do what (AC-3, CM-3)"),
    entry("policy.refused", "a changed policy set was refused", "attempted change (CM-3)"),
    entry("auth.succeeded", "a token was accepted for the first time", "log-on (AC-17, IA-2)"),
    entry("auth.failed", "callers were not authenticated", "failed log-on (AC-7, IA-2)"),
    entry(
        "limit.exceeded",
        "a principal was refused by a limit: the first time at once, further times of each minute in sum",
        "attempted excess (AC-10, SC-5)",
    ),
    entry("session.opened", "a principal opened a session on a target", "access, with identity in full (AU-3(1))"),
    entry(
        "credential.requested",
        "a token for a target is about to be asked for; of whom it names, the token is about to be exchanged",
        "use of authenticators (IA-5), disclosure to the authorization server (AU-3)",
    ),
    entry("credential.issued", "it was issued, and may be shown to the target", "use of authenticators (IA-5)"),
    entry("credential.failed", "it was not issued", "failed use of authenticators (IA-5)"),
    entry("session.closed", "a session ended", "end of access; its count shows a missing event (AU-10)"),
    entry("operation.admitted", "an operation was allowed, before it went to the target", "use of privilege (AC-6(9))"),
    entry("operation.denied", "an operation was refused", "attempted use of privilege (AC-6(9))"),
    entry(
        "operation.held",
        "an operation waits until people approve it, or comes back while it does",
        "attempted use of privilege (AC-6(9)), dual authorization (AC-3(2))",
    ),
    entry("operation.outcome", "an admitted operation ended", "outcome (AU-3)"),
    entry(
        "program.logged",
        "a program of the session wrote to its standard error",
        "what the program itself says (AU-3)",
    ),
    entry(
        "witness.cosigned",
        "a witness cosigns the log, again or still",
        "protection of audit information (AU-9(3), AU-10)",
    ),
    entry("witness.lagging", "a witness has not cosigned for a minute", "loss of that protection (AU-5, AU-9)"),
    entry("integrity.failed", "evidence is not what it was", "alteration or loss of audit information (AU-9, SI-7)"),
    entry("approval.requested", "people are asked to approve an operation", "dual authorization (AC-3(2))"),
    entry("approval.approved", "one person approved it", "dual authorization (AC-3(2)), use of privilege (AC-6(9))"),
    entry("approval.denied", "one person denied it", "dual authorization (AC-3(2)), use of privilege (AC-6(9))"),
    entry("approval.expired", "its time was up before it was used", "dual authorization (AC-3(2))"),
    entry("approval.cancelled", "it was not needed any more", "dual authorization (AC-3(2))"),
    entry("approval.used", "the approved operation is about to be sent, once", "dual authorization (AC-3(2))"),
    entry("grant.requested", "somebody asks for access for a time", "access for a time (AC-2(2), AC-3(8))"),
    entry(
        "grant.granted",
        "its credential was issued to who asked, and its time begins; the hash of it, never itself",
        "use of authenticators (IA-5), access for a time (AC-3(8))",
    ),
    entry("grant.revoked", "somebody ended it before its time", "revocation of access (AC-3(8))"),
    entry("grant.expired", "its time was up", "end of access (AC-2(2), AC-3(8))"),
    entry(
        "grant.ended",
        "the sessions it was for have ended, the configuration has it no more, or the clock is not to be believed",
        "end of access (AC-2(2), AC-3(8))",
    ),
    entry(
        "grant.cut",
        "the sessions that were open when it ended are closed: how many, and how long that took",
        "revocation of access (AC-3(8), AC-12)",
    ),
    entry("break_glass.opened", "somebody overrides the need for approval, for a time", "override (AC-3(10))"),
    entry("break_glass.closed", "the override is over", "override (AC-3(10))"),
    entry("admin.hold_added", "a recording may not be erased", "retention (AU-11); custody of evidence"),
    entry("admin.hold_removed", "a recording may be erased again", "retention (AU-11); custody of evidence"),
    entry("admin.erase_requested", "somebody asked to erase a recording", "dual authorization (AU-9(5))"),
    entry(
        "admin.erase_confirmed",
        "somebody else confirmed it, or its time was up: what follows is destruction",
        "dual authorization (AU-9(5)), retention (AU-11)",
    ),
    entry("recording.erased", "a recording, its salts and its key are destroyed", "disposal (SI-12(3), AU-11)"),
    entry(
        "pin.defined",
        "a definition of a tool that was not known, or a part of it, with the signs of hidden instructions in it",
        "what the steps below are about (CM-3, SI-7)",
    ),
    entry("pin.recorded", "a tool was seen for the first time", "baseline of what servers offer (CM-2, CM-8)"),
    entry("pin.changed", "a tool has another definition than the accepted one", "unauthorized change (CM-3, SI-7)"),
    entry("pin.gone", "a server has a tool no more", "change of what servers offer (CM-8)"),
    entry("pin.restored", "a tool has its accepted definition again", "change of what servers offer (CM-8)"),
    entry("pin.accepted", "somebody accepted the definition that a tool has now", "approval of a change (CM-3)"),
    entry("recording.viewed", "evidence was read", "access to audit information (AU-9)"),
    entry("admin.keys_opened", "the keys were opened for use at a start", "use of keys (SC-12, AU-10)"),
    entry("admin.key_changed", "a key came or went since the last start", "key management (SC-12, CM-3)"),
    entry(
        "recording.exported",
        "sessions were exported as an archive",
        "disclosure of audit information (AU-9, AU-16)",
    ),
];

const fn entry(name: &'static str, meaning: &'static str, reason: &'static str) -> Entry {
    Entry { name, meaning, reason }
}
