//! What a connection is doing, so that one that does nothing, or does it too slowly, can be closed.
//!
//! The bytes and the requests only set flags; the listener looks at all of them now and then, and leaves its signal with
//! those that must end. No clock is read for a request, and a connection has a timer only while its client takes nothing.

use std::collections::HashMap;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use atomic_waker::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use super::connection::has_hung_up;
use super::room::Occupant;
use crate::config::Limits;

/// What a listener signals to a connection, in the order in which it may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum ConnectionSignal {
    /// Go on.
    Go,
    /// Finish what is in work, and end.
    Finish,
    /// End now: others need the room.
    GiveWay,
    /// End now.
    Cut,
}

impl ConnectionSignal {
    const fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Go,
            1 => Self::Finish,
            2 => Self::GiveWay,
            _ => Self::Cut,
        }
    }
}

/// Flags of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    in_work: AtomicUsize,
    served: AtomicU64,
    head_begun: AtomicBool,
    /// A caller proved an identity on it.
    proved: AtomicBool,
    /// An answer went out before all of the request was read.
    cut_short: AtomicBool,
    /// Bytes begin the head of a request where none is in work. Otherwise they are ordinary: they may be none of a request.
    bytes_begin_a_head: AtomicBool,
    signal: AtomicU8,
    waker: AtomicWaker,
}

impl Activity {
    /// The handshake is over, and the first request due.
    pub(super) fn converse(&self, bytes_begin_a_head: bool) {
        self.bytes_begin_a_head.store(bytes_begin_a_head, Ordering::Relaxed);
        self.head_begun.store(bytes_begin_a_head, Ordering::Relaxed);
    }

    /// A request's head is complete; it is in work until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InWork {
        self.in_work.fetch_add(1, Ordering::Relaxed);
        self.head_begun.store(false, Ordering::Relaxed);
        InWork(Arc::clone(self))
    }

    /// A caller proved an identity on it.
    pub(super) fn prove(&self) {
        self.proved.store(true, Ordering::Relaxed);
    }

    /// Did anybody prove an identity on it?
    pub(super) fn is_proved(&self) -> bool {
        self.proved.load(Ordering::Relaxed)
    }

    /// An answer goes out before all of the request is read.
    pub(super) fn cut_short(&self) {
        self.cut_short.store(true, Ordering::Relaxed);
    }

    /// Was a request answered before all of it was read?
    pub(super) fn was_cut_short(&self) -> bool {
        self.cut_short.load(Ordering::Relaxed)
    }

    /// Is a request in work, and nothing read until it is answered? Where bytes without a request are ordinary, there is always reading.
    fn reads_nothing(&self) -> bool {
        self.in_work.load(Ordering::Relaxed) > 0 && self.bytes_begin_a_head.load(Ordering::Relaxed)
    }

    fn heard(&self) {
        if self.in_work.load(Ordering::Relaxed) == 0 && self.bytes_begin_a_head.load(Ordering::Relaxed) {
            self.head_begun.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn signal(&self, signal: ConnectionSignal) {
        self.signal.fetch_max(signal as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    /// The listener's signal, as soon as it goes beyond what was `known`.
    pub(super) fn poll_signal(
        &self,
        known: ConnectionSignal,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionSignal> {
        let news = || {
            Some(ConnectionSignal::of(self.signal.load(Ordering::Acquire))).filter(|signal| *signal > known)
        };
        if let Some(signal) = news() {
            return Poll::Ready(signal);
        }
        self.waker.register(cx.waker());
        // It may have been said before the waker was there.
        news().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Occupant for Activity {
    fn is_idle(&self) -> bool {
        self.in_work.load(Ordering::Relaxed) == 0
    }

    fn give_way(&self) {
        self.signal(ConnectionSignal::GiveWay);
    }
}

/// Held while a request is in work.
#[derive(Debug)]
pub struct InWork(Arc<Activity>);

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.served.fetch_add(1, Ordering::Relaxed);
        self.0.in_work.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a look finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// Nothing was asked for as long as that may be.
    Idle,
    /// All is well.
    Lively,
    /// A request began, and its head does not end.
    SlowHead,
}

/// Looks at the flags of one connection once per period.
#[derive(Debug)]
struct IdleMonitor {
    activity: Arc<Activity>,
    head_ticks: u32,
    idle_ticks: u32,
    seen_served: u64,
}

impl IdleMonitor {
    const fn new(activity: Arc<Activity>) -> Self {
        Self { activity, head_ticks: 0, idle_ticks: 0, seen_served: 0 }
    }

    fn look(&mut self, limits: &Limits) -> Finding {
        let served = self.activity.served.load(Ordering::Relaxed);
        if self.activity.in_work.load(Ordering::Relaxed) > 0 || served != self.seen_served {
            self.seen_served = served;
            self.head_ticks = 0;
            self.idle_ticks = 0;
            return Finding::Lively;
        }
        if self.activity.head_begun.load(Ordering::Relaxed) {
            self.head_ticks = self.head_ticks.saturating_add(1);
        }
        self.idle_ticks = self.idle_ticks.saturating_add(1);
        // What a look finds began after the look before: the first tick stands for no time at all.
        let past = |ticks: u32| IdleMonitors::period(limits).saturating_mul(ticks.saturating_sub(1));
        match () {
            () if past(self.head_ticks) >= limits.header => Finding::SlowHead,
            () if past(self.idle_ticks) >= self.idle(limits) => Finding::Idle,
            () => Finding::Lively,
        }
    }

    /// Who wants something says so soon after the handshake; only who has proved an identity may keep a connection for later.
    fn idle(&self, limits: &Limits) -> Duration {
        if self.activity.is_proved() { limits.idle } else { limits.idle.min(limits.header) }
    }

    /// Looks, and leaves the signal that follows from it.
    fn judge(&mut self, limits: &Limits) {
        match self.look(limits) {
            Finding::Lively => {}
            Finding::SlowHead => self.activity.signal(ConnectionSignal::Cut),
            // The second time, being asked to finish was not enough.
            Finding::Idle if self.activity.signal.load(Ordering::Relaxed) > 0 => {
                self.activity.signal(ConnectionSignal::Cut)
            }
            Finding::Idle => self.activity.signal(ConnectionSignal::Finish),
        }
    }
}

/// The connections of a listener.
#[derive(Debug, Default)]
pub(super) struct IdleMonitors(HashMap<task::Id, IdleMonitor>);

impl IdleMonitors {
    /// How many times the header time is divided: what is too slow is found that much late at most.
    const FINENESS: u32 = 4;

    /// How often to look.
    pub(super) fn period(limits: &Limits) -> Duration {
        limits.header.min(limits.idle) / Self::FINENESS
    }

    pub(super) fn watch(&mut self, connection: task::Id, activity: Arc<Activity>) {
        self.0.insert(connection, IdleMonitor::new(activity));
    }

    pub(super) fn forget(&mut self, connection: task::Id) {
        self.0.remove(&connection);
    }

    /// One look at each.
    pub(super) fn look(&mut self, limits: &Limits) {
        self.0.values_mut().for_each(|monitor| monitor.judge(limits));
    }

    /// Asks all of them to finish.
    pub(super) fn finish(&self) {
        self.0.values().for_each(|monitor| monitor.activity.signal(ConnectionSignal::Finish));
    }
}

/// A stream that notices when the other side ends it while nothing is read.
pub(super) trait HangUp {
    /// Has the other side ended it? If not, the task is woken when it does.
    fn poll_hang_up(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl HangUp for TlsStream<TcpStream> {
    fn poll_hang_up(&self, cx: &mut Context<'_>) -> Poll<()> {
        let (stream, _) = self.get_ref();
        match stream.poll_read_ready(cx) {
            // What came is the next request, or the end.
            Poll::Ready(Ok(())) if has_hung_up(stream) => Poll::Ready(()),
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }
}

/// A stream that reports what is read, and fails when the other side takes nothing for too long, or has gone while its request
/// is in work.
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

impl<S: AsyncWrite + HangUp + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.timed(cx, poll)
    }

    /// Asked for after everything else that could go on has done so.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.reads_nothing() && self.stream.poll_hang_up(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the client has gone")));
        }
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

    fn looks(activity: &Arc<Activity>, most: usize) -> (usize, Finding) {
        let (limits, mut monitor) = (limits(), IdleMonitor::new(Arc::clone(activity)));
        for count in 1..=most {
            let finding = monitor.look(&limits);
            if finding != Finding::Lively {
                return (count, finding);
            }
        }
        (most, Finding::Lively)
    }

    fn conversing(http2: bool) -> Arc<Activity> {
        let activity = Arc::new(Activity::default());
        activity.converse(!http2);
        activity.prove();
        activity
    }

    #[test]
    fn connection_without_a_proof_has_the_header_time_and_no_more() {
        let activity = Arc::new(Activity::default());
        activity.converse(false);
        assert_eq!(looks(&activity, 100), (5, Finding::Idle));
    }

    #[test]
    fn head_that_does_not_end_is_found_after_the_header_time() {
        assert_eq!(looks(&conversing(false), 100), (5, Finding::SlowHead));
    }

    #[test]
    fn connection_in_work_is_never_closed_and_an_idle_one_after_the_idle_time() {
        let activity = conversing(false);
        let request = activity.begin();
        activity.heard();
        assert_eq!(looks(&activity, 100), (100, Finding::Lively));
        drop(request);
        // One look sees that something was served; the idle time begins after it.
        assert_eq!(looks(&activity, 100), (10, Finding::Idle));
    }

    #[test]
    fn in_http2_bytes_alone_begin_no_head() {
        let activity = conversing(true);
        activity.heard();
        assert_eq!(looks(&activity, 100), (9, Finding::Idle));
    }

    #[tokio::test]
    async fn word_is_heard_once_and_only_a_stronger_one_after_it() {
        let activity = Arc::new(Activity::default());
        let next = |known| {
            let activity = Arc::clone(&activity);
            std::future::poll_fn(move |cx| activity.poll_signal(known, cx))
        };
        let waiting = tokio::spawn(next(ConnectionSignal::Go));
        task::yield_now().await;
        activity.signal(ConnectionSignal::Finish);
        assert_eq!(waiting.await.unwrap(), ConnectionSignal::Finish);
        activity.signal(ConnectionSignal::Cut);
        activity.signal(ConnectionSignal::Finish);
        assert_eq!(next(ConnectionSignal::Finish).await, ConnectionSignal::Cut);
    }

    #[test]
    fn idle_connection_is_asked_to_finish_and_cut_when_it_does_not() {
        let (limits, activity) = (limits(), conversing(true));
        let mut monitor = IdleMonitor::new(Arc::clone(&activity));
        let mut signals = Vec::new();
        for _ in 0..10 {
            monitor.judge(&limits);
            signals.push(ConnectionSignal::of(activity.signal.load(Ordering::Relaxed)));
        }
        assert_eq!(signals[7..], [ConnectionSignal::Go, ConnectionSignal::Finish, ConnectionSignal::Cut]);
    }

    impl HangUp for tokio::io::DuplexStream {
        fn poll_hang_up(&self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reader_that_takes_nothing_ends_the_connection() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut watched = Watched::new(ours, Arc::default(), Duration::from_secs(2));
        let begun = tokio::time::Instant::now();
        let error = watched.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 2);
    }
}
