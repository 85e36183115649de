//! Free loopback ports for programs that must be told their port.
//!
//! A program that can bind port 0 and say which port it got should do that: between `free_port` and the program's own
//! bind another process may take the port. The kernel hands out ephemeral ports in no fixed order, so this is rare.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a port is tried while waiting for a program to listen.
const POLL: Duration = Duration::from_millis(20);

/// A loopback port that nothing listens on now.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no loopback port is free")?;
    Ok(listener.local_addr()?.port())
}

/// Waits until something accepts connections on the loopback `port`.
pub fn wait_for_port(port: u16, limit: Duration) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + limit;
    while TcpStream::connect_timeout(&address, POLL).is_err() {
        if Instant::now() > deadline {
            bail!("nothing listened on {address} within {limit:?}");
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_a_listener_and_no_longer_than_asked() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        wait_for_port(listener.local_addr().unwrap().port(), Duration::from_secs(1)).unwrap();

        let closed = free_port().unwrap();
        let error = wait_for_port(closed, Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("nothing listened"), "{error}");
    }
}
