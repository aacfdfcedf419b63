//! The word that ends a server, given once and heard by every part of it.

use tokio::sync::watch;

/// Gives the word.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<bool>);

/// Hears the word, also when it was given before.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<bool>);

/// A word, and one who hears it.
#[must_use]
pub fn pair() -> (Stop, Stopping) {
    let (sender, receiver) = watch::channel(false);
    (Stop(sender), Stopping(receiver))
}

impl Stop {
    /// Ends everything that hears it. A second time changes nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stopping {
    /// Waits for the word; nobody left to give it is the same.
    pub async fn stopped(&mut self) {
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }

    /// Was it given?
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }
}
