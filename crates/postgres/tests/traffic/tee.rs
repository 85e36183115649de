//! A tee between clients and a server: all bytes pass as they are, and are kept in the order in which a proxy sees them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use vidimus_postgres::Peer;

/// What was sent over one connection: who, and which bytes.
pub(crate) type Recording = Vec<(Peer, Vec<u8>)>;

/// A listener, and what passed through it, by connection.
pub(crate) struct Tee {
    pub(crate) port: u16,
    recordings: Arc<Mutex<Vec<Arc<Mutex<Recording>>>>>,
}

impl Tee {
    /// Before the server at `port`. Its threads end with the process.
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let recordings = Arc::new(Mutex::new(Vec::new()));
        let tee = Self { port: listener.local_addr().unwrap().port(), recordings: Arc::clone(&recordings) };
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap());
                let recording = Arc::new(Mutex::new(Recording::new()));
                recordings.lock().unwrap().push(Arc::clone(&recording));
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let own = Arc::clone(&recording);
                thread::spawn(move || pass(Peer::Client, from, to, &own));
                thread::spawn(move || pass(Peer::Server, server, client, &recording));
            }
        });
        tee
    }

    /// What passed until now, by connection.
    pub(crate) fn recordings(&self) -> Vec<Recording> {
        self.recordings.lock().unwrap().iter().map(|recording| recording.lock().unwrap().clone()).collect()
    }
}

fn pass(peer: Peer, mut from: TcpStream, mut to: TcpStream, recording: &Mutex<Recording>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        // Kept before it is sent: nobody can have answered it yet.
        recording.lock().unwrap().push((peer, buffer[..count].to_vec()));
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
