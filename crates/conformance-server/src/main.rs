//! The server of this crate as a program: it binds a free loopback port, prints its endpoint as the first line, and serves
//! until it is killed. `cargo xtask conformance` starts it.

use std::io::Write as _;
use std::net::Ipv4Addr;

use anyhow::Result;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(std::io::stdout(), "http://{}/mcp", listener.local_addr()?)?;
    vidimus_conformance_server::serve(listener).await
}
