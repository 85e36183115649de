//! What the gateway knows of a tool: its definition as the target gave it, and the annotations policy reads.

use std::fmt;

use bytes::Bytes;

/// The hints of a tool definition, with MCP's defaults where the definition is silent
/// (MCP 2025-11-25, schema `ToolAnnotations`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "the four hints of the specification, each independent")]
pub struct ToolAnnotations {
    /// The tool does not modify its environment. Default false.
    pub read_only: bool,
    /// The tool may perform destructive updates. Default true.
    pub destructive: bool,
    /// Repeating a call has no further effect. Default false.
    pub idempotent: bool,
    /// The tool reaches an open world of external entities. Default true.
    pub open_world: bool,
}

impl Default for ToolAnnotations {
    fn default() -> Self {
        Self { read_only: false, destructive: true, idempotent: false, open_world: true }
    }
}

/// What tells one definition of a tool from another: the SHA-256 of its canonical form. Shown as `sha256:` and 64
/// hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a digest.
    pub const fn of_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One tool as its target defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDefinition {
    /// The name, unique within the target.
    pub name: String,
    /// Annotations, defaults filled in.
    pub annotations: ToolAnnotations,
    /// The JSON text of `inputSchema` (an object schema), as received.
    pub input_schema: Bytes,
    /// The JSON text of `outputSchema`, if it has one: what its structured results keep to.
    pub output_schema: Option<Bytes>,
}
