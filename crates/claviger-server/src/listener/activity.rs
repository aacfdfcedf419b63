//! What a connection is doing, so that one that does nothing, or does it too slowly, can be closed.
//!
//! The bytes and the requests only set flags; one timer per connection looks at them now and then. No clock is read and
//! no timer is set for a request.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::config::Limits;

/// Flags of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    in_work: AtomicUsize,
    served: AtomicU64,
    head_begun: AtomicBool,
}

impl Activity {
    /// A connection that is new: its first request is already due.
    pub(super) fn new() -> Arc<Self> {
        let activity = Self::default();
        activity.head_begun.store(true, Ordering::Relaxed);
        Arc::new(activity)
    }

    /// A request's head is complete; it is in work until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InWork {
        self.in_work.fetch_add(1, Ordering::Relaxed);
        self.head_begun.store(false, Ordering::Relaxed);
        InWork(Arc::clone(self))
    }

    fn heard(&self) {
        if self.in_work.load(Ordering::Relaxed) == 0 {
            self.head_begun.store(true, Ordering::Relaxed);
        }
    }
}

/// Held while a request is in work.
#[derive(Debug)]
pub(super) struct InWork(Arc<Activity>);

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.served.fetch_add(1, Ordering::Relaxed);
        self.0.in_work.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the timer finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing was asked for as long as that may be.
    Idle,
    /// All is well.
    Lively,
    /// A request began, and its head does not end.
    SlowHead,
}

/// Looks at the flags once per period.
#[derive(Debug)]
pub(super) struct Lookout {
    activity: Arc<Activity>,
    head_ticks: u32,
    idle_ticks: u32,
    seen_served: u64,
    /// In HTTP/2, bytes without a request are ordinary: pings, settings, window updates.
    bytes_begin_a_head: bool,
}

impl Lookout {
    /// How many times the header time is divided: a slow head is found that much late at most.
    const FINENESS: u32 = 4;

    pub(super) fn new(activity: Arc<Activity>, bytes_begin_a_head: bool) -> Self {
        Self { activity, head_ticks: 0, idle_ticks: 0, seen_served: 0, bytes_begin_a_head }
    }

    /// How often to look.
    pub(super) fn period(limits: &Limits) -> Duration {
        limits.header.min(limits.idle) / Self::FINENESS
    }

    /// One look.
    pub(super) fn look(&mut self, limits: &Limits) -> Finding {
        let served = self.activity.served.load(Ordering::Relaxed);
        if self.activity.in_work.load(Ordering::Relaxed) > 0 || served != self.seen_served {
            self.seen_served = served;
            self.head_ticks = 0;
            self.idle_ticks = 0;
            return Finding::Lively;
        }
        let period = Self::period(limits);
        if self.bytes_begin_a_head && self.activity.head_begun.load(Ordering::Relaxed) {
            self.head_ticks = self.head_ticks.saturating_add(1);
        }
        self.idle_ticks = self.idle_ticks.saturating_add(1);
        match () {
            () if period.saturating_mul(self.head_ticks) >= limits.header => Finding::SlowHead,
            () if period.saturating_mul(self.idle_ticks) >= limits.idle => Finding::Idle,
            () => Finding::Lively,
        }
    }
}

/// A stream that reports what is read, and fails when the other side takes nothing for too long.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    pub(super) const fn new(stream: S, activity: Arc<Activity>, stall: Duration) -> Self {
        Self { stream, activity, stall, stalled: None }
    }

    /// Progress stops the time; none lets it run.
    fn timed<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let stall = self.stall;
        let sleep = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.timed(cx, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.timed(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.timed(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.timed(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn limits() -> Limits {
        Limits { header: Duration::from_secs(4), idle: Duration::from_secs(8), ..Limits::default() }
    }

    fn looks(lookout: &mut Lookout, most: usize) -> (usize, Finding) {
        let limits = limits();
        for count in 1..=most {
            let finding = lookout.look(&limits);
            if finding != Finding::Lively {
                return (count, finding);
            }
        }
        (most, Finding::Lively)
    }

    #[test]
    fn head_that_does_not_end_is_found_in_the_header_time() {
        let mut lookout = Lookout::new(Activity::new(), true);
        assert_eq!(looks(&mut lookout, 100), (4, Finding::SlowHead));
    }

    #[test]
    fn connection_in_work_is_never_closed_and_an_idle_one_in_the_idle_time() {
        let activity = Activity::new();
        let mut lookout = Lookout::new(Arc::clone(&activity), true);
        let request = activity.begin();
        activity.heard();
        assert_eq!(looks(&mut lookout, 100), (100, Finding::Lively));
        drop(request);
        // One look sees that something was served; the idle time begins after it.
        assert_eq!(looks(&mut lookout, 100), (9, Finding::Idle));
    }

    #[test]
    fn in_http2_bytes_alone_begin_no_head() {
        let activity = Activity::new();
        activity.heard();
        assert_eq!(looks(&mut Lookout::new(activity, false), 100), (8, Finding::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn reader_that_takes_nothing_ends_the_connection() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut watched = Watched::new(ours, Activity::new(), Duration::from_secs(2));
        let begun = tokio::time::Instant::now();
        let error = watched.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 2);
    }
}
