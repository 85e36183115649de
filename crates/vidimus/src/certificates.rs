//! The certificates of the listener and of targets, looked at while the gateway runs.
//!
//! A renewed one is in force within seconds, for new connections. One that cannot be used is told once, as an error that
//! names the file, and the one before it stays: an operator who renews by two writes sees that, and then the next look.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use vidimus_core::TargetName;
use vidimus_net::{ClientTls, ServerTls};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// Certificates that are looked at.
#[derive(Clone)]
pub(crate) enum Certificates {
    /// Those of the listener.
    Listener(ServerTls),
    /// Those for connections to a target.
    Target(TargetName, ClientTls),
}

/// Looks at the files until told to stop.
pub(crate) async fn watch(all: Vec<Certificates>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        for certificates in &all {
            look(certificates).await;
        }
    }
}

/// Looks at the files once, and says what came of it.
pub(crate) async fn look(certificates: &Certificates) {
    let reading = certificates.clone();
    let reload = move || match reading {
        Certificates::Listener(tls) => tls.reload(),
        Certificates::Target(_, tls) => tls.reload(),
    };
    let read = tokio::task::spawn_blocking(reload).await;
    let target = match certificates {
        Certificates::Listener(_) => None,
        Certificates::Target(name, _) => Some(tracing::field::display(name)),
    };
    match read {
        Ok(Ok(true)) => {
            let certificate = certificates.first().map(Path::display).map(tracing::field::display);
            tracing::info!(target, certificate, "The new certificate is in force");
        }
        Ok(Err(error)) => {
            tracing::error!(target, %error, "The new certificate is not used, and the old one stays in force");
        }
        // Nothing is new, or its hook has told of a panic.
        Ok(Ok(false)) | Err(_) => {}
    }
}

impl Certificates {
    /// The file that it is known by.
    fn first(&self) -> Option<&Path> {
        match self {
            Self::Listener(tls) => Some(&tls.files().certificate),
            Self::Target(_, tls) => tls.paths().first().map(std::path::PathBuf::as_path),
        }
    }
}
