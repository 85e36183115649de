//! What may be asked for, as the operator says.

use std::sync::Arc;
use std::time::Duration;

use vidimus_core::TargetName;

/// What may be asked for.
#[derive(Debug, Clone, Default)]
pub struct GrantRules {
    /// The grants, by name.
    pub grants: Vec<GrantRule>,
    /// How long break-glass may last; none where nobody may break it.
    pub break_glass: Option<Duration>,
}

/// Access that people may be given for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRule {
    /// What the operator calls it.
    pub name: Arc<str>,
    /// Where to: one of these targets.
    pub targets: Vec<TargetName>,
    /// The approval rule by which people must agree.
    pub approval: Arc<str>,
    /// How long it may last.
    pub longest: Duration,
    /// Sessions that may be opened with one credential.
    pub sessions: u64,
}

impl GrantRules {
    /// The rule of this name for a target; without a name, the only one that there is for it.
    pub(super) fn of(&self, target: &TargetName, name: Option<&str>) -> Result<&GrantRule, NoRule> {
        let mut of_target = self.grants.iter().filter(|rule| rule.targets.contains(target));
        match name {
            Some(name) => of_target.find(|rule| &*rule.name == name).ok_or(NoRule::Unknown),
            None => match (of_target.next(), of_target.next()) {
                (Some(only), None) => Ok(only),
                (Some(_), Some(_)) => Err(NoRule::Several),
                (None, _) => Err(NoRule::Unknown),
            },
        }
    }
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRule {
    Unknown,
    Several,
}
