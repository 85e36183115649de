//! The gateway: command line, configuration, wiring.
//!
//! Globals live here alone: the allocator and the log subscriber.

mod admin;
mod api;
mod config;
mod discovery;
mod evidence_api;
mod key;
mod output;
mod policies;
mod policy_files;
mod secret;
mod serve;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(3).unwrap_or_default();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let config = config::Config::load(std::path::Path::new(&path))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let running = serve::start(&config).await?;
        tracing::info!(listen = %running.listen, admin = %running.admin, "Serving");
        running.until_told().await
    })
}
