//! HTTP with SSE (MCP 2024-11-05) byte for byte: streams of clients and who may use them, servers that misbehave.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod streams;
