//! The newest signed checkpoint, kept beside the store: a store that was put back to an older state does not reach it, and
//! the next start refuses it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use claviger_core::port::Clock as _;
use tokio::sync::watch;

use crate::clock::SystemClock;
use crate::error::ServerError;
use crate::files;
use crate::stop::Stopping;

/// The note's file in the data directory.
const FILE: &str = "newest-checkpoint";

/// How often it is written at most: each time costs two syncs.
const INTERVAL: Duration = Duration::from_secs(5);

/// A note, and when it was signed, as time since the machine started.
#[derive(Debug, Clone)]
struct Signed {
    note: Arc<str>,
    at: Duration,
}

/// The newest note.
#[derive(Debug, Clone)]
pub(crate) struct NewestNote {
    path: PathBuf,
    newest: Arc<watch::Sender<Option<Signed>>>,
}

impl NewestNote {
    pub(crate) fn beside(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE), newest: Arc::new(watch::channel(None).0) }
    }

    /// What was kept the last time.
    pub(crate) fn read(&self) -> Result<Option<String>, ServerError> {
        match std::fs::read_to_string(&self.path) {
            Ok(note) if note.is_empty() => Ok(None),
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ServerError::Os { what: "the newest checkpoint cannot be read", source }),
        }
    }

    /// Hears of each new note.
    pub(crate) fn listener(&self) -> Box<dyn Fn(&str) + Send + Sync> {
        let newest = Arc::clone(&self.newest);
        Box::new(move |note| {
            newest.send_replace(Some(Signed { note: note.into(), at: SystemClock.since_boot() }));
        })
    }

    /// How old it is; `None` before the first.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.newest.borrow().as_ref().map(|signed| SystemClock.since_boot().saturating_sub(signed.at))
    }

    /// Writes it to its file.
    pub(crate) async fn keep(&self) {
        let Some(signed) = self.newest.borrow().clone() else { return };
        let path = self.path.clone();
        let written =
            tokio::task::spawn_blocking(move || files::write_private(&path, signed.note.as_bytes())).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the newest checkpoint was not kept beside the store"),
            Err(error) => tracing::warn!(%error, "the newest checkpoint was not kept beside the store"),
        }
    }

    /// Keeps it from time to time until `stopping` says so.
    pub(crate) async fn keep_on(self, mut stopping: Stopping) {
        let mut changes = self.newest.subscribe();
        loop {
            tokio::select! {
                () = stopping.stopped() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            self.keep().await;
            tokio::select! {
                () = stopping.stopped() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn newest_note_is_found_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let first = NewestNote::beside(dir.path());
        assert_eq!(first.read().unwrap(), None);
        assert_eq!(first.age(), None);
        let hear = first.listener();
        hear("one");
        hear("two");
        first.keep().await;
        assert!(first.age().unwrap() < Duration::from_secs(5));
        assert_eq!(NewestNote::beside(dir.path()).read().unwrap().as_deref(), Some("two"));
    }
}
