//! Being let in by a server: [`crate::upstream`], driven by the gate, which has the connection and the password.

use std::error::Error;

use bytes::BytesMut;
use vidimus_gate::{Handshake, Login, Next};
use zeroize::Zeroizing;

use crate::upstream::{self, Encryption, Ready, Step};

/// What is asked for besides the user, and how far that has come.
pub(crate) struct ServerLogin {
    encryption: Encryption,
    database: String,
    parameters: Vec<(String, String)>,
    begun: Option<upstream::Handshake>,
    /// What the server said.
    pub(crate) ready: Option<Box<Ready>>,
}

impl ServerLogin {
    pub(crate) const fn new(database: String, parameters: Vec<(String, String)>, encryption: Encryption) -> Self {
        Self { encryption, database, parameters, begun: None, ready: None }
    }
}

impl Handshake for ServerLogin {
    fn next(&mut self, received: &mut BytesMut, shown: Login<'_>) -> Result<Next, Box<dyn Error + Send + Sync>> {
        let begun = match &mut self.begun {
            Some(begun) => begun,
            begun @ None => {
                let password = shown.password.map(std::str::from_utf8).transpose()?;
                let login = upstream::Login {
                    user: shown.user.to_owned(),
                    database: std::mem::take(&mut self.database),
                    password: password.map(|password| Zeroizing::new(password.to_owned())),
                    parameters: std::mem::take(&mut self.parameters),
                };
                begun.insert(upstream::Handshake::new(login, self.encryption))
            }
        };
        Ok(match begun.step(received)? {
            Step::Read => Next::Wait,
            Step::Send(bytes) => Next::Write(bytes.to_vec()),
            Step::StartTls => Next::Secure,
            Step::Ready(ready) => {
                self.ready = Some(ready);
                Next::Done
            }
        })
    }
}
