//! The runtime that everything runs on, whichever thread of the app's asks.

use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::PhoneError;

/// One for the process: phones come and go, threads need not.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// The runtime, started at first use.
///
/// # Errors
/// [`PhoneError::Unexpected`] if the system gives no threads.
pub(crate) fn handle() -> Result<&'static Handle, PhoneError> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle());
    }
    // Two workers: the arithmetic of one approval must not hold up the poll of another person.
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("godkend")
        .enable_all()
        .build()
        .map_err(|_| PhoneError::Unexpected)?;
    Ok(RUNTIME.get_or_init(|| runtime).handle())
}

/// A future that is polled by the app's own executor, inside our runtime: Kotlin, Swift and Python drive it, timers and
/// sockets still work, and dropping it cancels what it does.
pub(crate) struct Inside<'a, T> {
    runtime: &'static Handle,
    work: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
}

impl<'a, T> Inside<'a, T> {
    /// Wraps `work`.
    ///
    /// # Errors
    /// As [`handle`].
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'a) -> Result<Self, PhoneError> {
        Ok(Self { runtime: handle()?, work: Box::pin(work) })
    }
}

impl<T> Future for Inside<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let _entered = self.runtime.enter();
        self.work.as_mut().poll(context)
    }
}
