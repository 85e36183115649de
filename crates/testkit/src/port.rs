//! Free loopback ports for programs that must be told their port.
//!
//! A program that can bind port 0 and say which port it got should do that: between `free_port` and the program's own
//! bind another process may take the port. Ports are taken from below those that systems give to outgoing connections, of
//! which tests make thousands, and at random, so this is rare.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Where ports are looked for: nothing gets one of these unasked (Linux: from 32768 on; IANA: from 49152 on).
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
/// How many are tried.
const ATTEMPTS: usize = 100;

/// How often a port is tried while waiting for a program to listen.
const POLL: Duration = Duration::from_millis(20);

/// A loopback port that nothing listens on now.
pub fn free_port() -> Result<u16> {
    for attempt in 0..ATTEMPTS {
        let place = RandomState::new().hash_one(attempt) % u64::from(COUNT);
        let port = FIRST.saturating_add(u16::try_from(place).unwrap_or_default());
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
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
    fn ports_are_those_that_nothing_gets_unasked() {
        let ports: Vec<u16> = (0..8).map(|_| free_port().unwrap()).collect();
        assert!(ports.iter().all(|port| (FIRST..FIRST + COUNT).contains(port)), "{ports:?}");
        assert!(ports.windows(2).any(|pair| pair[0] != pair[1]), "{ports:?}");
    }

    #[test]
    fn waits_for_a_listener_and_no_longer_than_asked() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        wait_for_port(listener.local_addr().unwrap().port(), Duration::from_secs(1)).unwrap();

        let closed = free_port().unwrap();
        let error = wait_for_port(closed, Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("nothing listened"), "{error}");
    }
}
