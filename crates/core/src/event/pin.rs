//! What events say of the definitions of tools: what a server shows, and which of it somebody has accepted.
//!
//! A definition itself is told by `pin.defined`, in parts where it is long; the steps name it by its fingerprint. Each step
//! names the version of the tool's pin that it was decided on; the log's order decides between two.

/// A definition of a tool as its server shows it, or a part of it.
#[derive(Debug)]
pub struct Definition<'a> {
    /// The tool by its name; `#` and a digest of the name where that holds a value of a data class.
    pub tool: &'a str,
    /// `sha256:…` of its canonical form.
    pub fingerprint: &'a str,
    /// Which part it is, from 0.
    pub part: u64,
    /// How many parts there are.
    pub of: u64,
    /// The part: canonical form, masked.
    pub text: &'a str,
    /// Signs of hidden instructions in it, by name; told with the first part.
    pub signs: &'a [&'static str],
}

/// A step in what is accepted of a tool.
#[derive(Debug)]
pub struct Pin<'a> {
    /// Which step.
    pub step: PinStep,
    /// The tool, as in [`Definition::tool`].
    pub tool: &'a str,
    /// The version of the tool's pin that the step was decided on; at any other the event is void.
    pub expects: u64,
    /// `sha256:…` of the definition that the step is about; absent for a tool that is gone.
    pub fingerprint: Option<&'a str>,
    /// That of the definition that is in force after it; absent where none is.
    pub accepted: Option<&'a str>,
    /// That of the definition in whose place another one is accepted.
    pub replaced: Option<&'a str>,
    /// How many steps before this one were left out, because there were too many.
    pub left_out: u64,
}

/// The steps in what is accepted of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinStep {
    /// It was seen for the first time.
    Recorded,
    /// It has another definition than the accepted one.
    Changed,
    /// The server has it no more.
    Gone,
    /// It has its accepted definition again.
    Restored,
    /// Somebody accepted the definition that it has now.
    Accepted,
}

impl PinStep {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Recorded, Self::Changed, Self::Gone, Self::Restored, Self::Accepted];

    /// The type of its event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorded => "pin.recorded",
            Self::Changed => "pin.changed",
            Self::Gone => "pin.gone",
            Self::Restored => "pin.restored",
            Self::Accepted => "pin.accepted",
        }
    }
}
