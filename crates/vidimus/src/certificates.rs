//! The certificate of the listener, looked at while the gateway runs.
//!
//! A renewed one is in force within seconds, for new connections. One that cannot be used is told once, as an error that
//! names the file, and the one before it stays: an operator who renews by two writes sees that, and then the next look.

use std::time::Duration;

use tokio::sync::watch;
use vidimus_net::ServerTls;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// Looks at the files until told to stop.
pub(crate) async fn watch(tls: ServerTls, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        look(&tls).await;
    }
}

/// Looks at the files once, and says what came of it.
pub(crate) async fn look(tls: &ServerTls) {
    let reading = tls.clone();
    let certificate = tls.files().certificate.display();
    match tokio::task::spawn_blocking(move || reading.reload()).await {
        Ok(Ok(true)) => tracing::info!(%certificate, "The new certificate is in force"),
        Ok(Err(error)) => tracing::error!(%error, "The new certificate is not used, and the old one stays in force"),
        // Nothing is new, or its hook has told of a panic.
        Ok(Ok(false)) | Err(_) => {}
    }
}
