//! The runtime that everything runs on, whichever thread of the app's asks.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;

use crate::error::PhoneError;

/// How long the end of a process waits for work under way: a call into the app may never return.
const PATIENCE: Duration = Duration::from_secs(5);

/// One for the process: phones come and go, threads need not.
static LIBRARY: Mutex<Library> = Mutex::new(Library::Unused);

enum Library {
    Unused,
    /// Whoever awaits something hears of the end when the sender goes.
    Running(Runtime, watch::Sender<()>),
    Ended,
}

/// The runtime, started at first use, and what tells of its end.
fn library() -> Result<(Handle, watch::Receiver<()>), PhoneError> {
    let mut library = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*library, Library::Unused) {
        // Two workers: the arithmetic of one approval must not hold up the poll of another person.
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("godkend")
            .enable_all()
            .build()
            .map_err(|_| PhoneError::Unexpected)?;
        *library = Library::Running(runtime, watch::Sender::new(()));
    }
    match &*library {
        Library::Running(runtime, ending) => Ok((runtime.handle().clone(), ending.subscribe())),
        Library::Unused | Library::Ended => Err(PhoneError::ShutDown),
    }
}

/// The runtime, started at first use.
///
/// # Errors
/// [`PhoneError::Unexpected`] if the system gives no threads, [`PhoneError::ShutDown`] after [`shut_down_library`].
pub(crate) fn handle() -> Result<Handle, PhoneError> {
    library().map(|(handle, _)| handle)
}

/// Awaits work that is polled by the app's own executor, inside our runtime: Kotlin, Swift and Python drive it, timers
/// and sockets still work, and dropping it cancels what it does.
///
/// # Errors
/// As [`handle`].
pub(crate) async fn inside<T>(work: impl Future<Output = T> + Send) -> Result<T, PhoneError> {
    let (runtime, mut ending) = library()?;
    let mut work = pin!(async move {
        tokio::select! {
            biased;
            // Before the work, which a runtime that is gone would make panic.
            _ = ending.changed() => Err(PhoneError::ShutDown),
            done = work => Ok(done),
        }
    });
    poll_fn(|context| {
        let _entered = runtime.enter();
        work.as_mut().poll(context)
    })
    .await
}

/// Ends all that this library runs, in every phone, and waits for its threads, five seconds at most: after it, none of
/// them calls into the app any more. Waiting calls and later ones fail with `ShutDown`; a phone that was open loses
/// nothing. For a host that cannot be called while it goes away; the Python package does it at exit by itself, apps on
/// Android and iOS never need it.
#[uniffi::export]
pub fn shut_down_library() {
    let before = {
        let mut library = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *library, Library::Ended)
    };
    if let Library::Running(runtime, ending) = before {
        drop(ending);
        runtime.shutdown_timeout(PATIENCE);
    }
}
