//! A thread for one piece of work, so that the loop's thread never parses a large answer.

use std::{io, thread};
use tokio::{runtime::Builder, sync::oneshot};

/// Does `work` on a thread and a runtime of its own. It is dropped when the caller stops waiting.
///
/// # Errors
/// If there can be no such thread.
pub(in crate::observe) async fn on_own_thread<T, F>(work: impl FnOnce() -> F + Send + 'static) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (mut done, result) = oneshot::channel();
    thread::Builder::new().name("ec2".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = done.closed() => {}
                value = work() => {
                    let _ = done.send(value); // the caller has stopped waiting
                }
            }
        });
        // A name lookup by the C library blocks a thread and cannot be cancelled: do not wait for it.
        runtime.shutdown_background();
    })?;
    result.await.map_err(|_| io::Error::other("its thread ended without a result"))
}
