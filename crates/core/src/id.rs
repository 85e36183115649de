//! Identifiers as newtypes, so that a session is never passed where an event is meant.
//!
//! All are `UUIDv7` (RFC 9562 §5.7): sortable by time of creation, 74 random bits. An id says which record is
//! meant; knowing one authorises nothing.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// One principal's use of one target, from open to close.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Uuid);

/// One request that people approve an operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApprovalId(Uuid);

/// One entry in the evidence log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Uuid);

macro_rules! identifier {
    ($name:ident) => {
        impl $name {
            /// A new id from the current time and random bits.
            pub fn random() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id with these 16 bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes of the id, most significant first.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

identifier!(SessionId);
identifier!(ApprovalId);
identifier!(EventId);
