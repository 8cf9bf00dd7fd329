//! What the daemon's loop hands to whoever answers for it.

use crate::model::Status;
use std::sync::Arc;
use tokio::sync::watch;

/// Where the loop puts what it knows.
#[derive(Debug)]
pub struct Publisher(watch::Sender<Arc<Status>>);

/// What the loop put there last. Cheap to clone, and never waits for the loop.
#[derive(Clone, Debug)]
pub struct Published(watch::Receiver<Arc<Status>>);

/// Both ends. `status` is what is there before the first report.
pub fn publishing(status: Status) -> (Publisher, Published) {
    let (sender, receiver) = watch::channel(Arc::new(status));
    (Publisher(sender), Published(receiver))
}

impl Publisher {
    /// Replaces what is known.
    pub fn publish(&self, status: Status) {
        self.0.send_replace(Arc::new(status));
    }
}

impl Published {
    /// What was published last.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.0.borrow())
    }
}
