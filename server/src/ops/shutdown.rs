//! Telling everything that the server is to stop.
use tokio::sync::watch;

/// Stops what holds the receivers: `true` means stop. Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Sender<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Shutdown {
    /// A running server's.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What `serve` and background tasks watch.
    #[must_use]
    pub fn receiver(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    /// Stops the server.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Stops the server at the first SIGTERM or SIGINT. Later ones change nothing: running requests end within
    /// `limits.shutdown_seconds` anyway.
    ///
    /// # Errors
    /// The system's, if a signal handler cannot be installed.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping after a signal");
            stop.stop();
        });
        Ok(())
    }
}

/// Request extension: long polls watch it and answer early when the server stops.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Around a receiver of [`Shutdown::receiver`].
    #[must_use]
    pub fn new(receiver: watch::Receiver<bool>) -> Self {
        Self(receiver)
    }

    /// Whether the server is stopping.
    #[must_use]
    pub fn now(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the server stops; never, if it cannot be told to.
    pub async fn wait(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
