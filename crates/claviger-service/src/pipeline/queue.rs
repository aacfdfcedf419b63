//! The way to the sequencer, and its end of it.
//!
//! A batch leaves so many of the uses that are under way as can be decided while it becomes durable, and a few more, but no more
//! than half: then neither the processor nor the disk waits for the other, and no commit is made for fewer than need be. Where
//! calls and sequencer share one core, the call that makes a batch large enough yields to the sequencer, and the sequencer to calls
//! while it is not and others are under way; where they do not, both go on at once.
//!
//! A channel keeps what it holds for as long as somebody may send, even when nobody receives any more. Whoever waits for an
//! answer would then wait for good. So what lies in the queue of a sequencer that has ended is dropped, by the sequencer as
//! it ends and by whoever was late to send: a dropped reply means that the log has stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use claviger_audit::cut::CutError;
use claviger_audit::tree::Hash;
use claviger_core::port::StoreError;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use tokio::sync::oneshot;

use super::lanes::Lanes;
use super::sequencer::{CutEntry, Figures};
use super::submission::{NotCommitted, Submission};
use crate::log::packing::PackedRun;

/// How many calls may wait.
const ROOM: usize = 8192;

/// What the sequencer is asked.
pub(super) enum Command {
    Cut {
        entry: CutEntry,
        reply: oneshot::Sender<Result<(u64, Hash), StoreError>>,
    },
    /// Stop, because of a fault elsewhere.
    GiveUp(String),
    Pack {
        run: PackedRun,
        reply: oneshot::Sender<Result<bool, StoreError>>,
    },
    PutNote {
        size: u64,
        note: String,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    Stop,
    Submit(Box<Submission>),
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cut { .. } => "Cut",
            Self::GiveUp(_) => "GiveUp",
            Self::Pack { .. } => "Pack",
            Self::PutNote { .. } => "PutNote",
            Self::Stop => "Stop",
            Self::Submit(_) => "Submit",
        })
    }
}

/// What both ends know.
#[derive(Debug, Default)]
struct Shared {
    /// Uses of keys that were begun and not answered, and are not set aside.
    under_way: AtomicUsize,
    /// How many calls make a batch large enough.
    enough: AtomicUsize,
    /// What the sequencer has taken and not served.
    taken: AtomicUsize,
    /// The sequencer has ended.
    ended: AtomicBool,
}

/// The way to the sequencer.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: Sender<Command>,
    rest: Receiver<Command>,
    shared: Arc<Shared>,
    figures: Arc<Figures>,
}

/// Held while a call is under way.
#[derive(Debug)]
pub(crate) struct UnderWay<'q> {
    shared: &'q Shared,
    /// How many times it is set aside at once: what waits within what waits sets it aside again.
    asides: AtomicUsize,
}

/// Held while a call is set aside: no batch waits for it.
#[derive(Debug)]
pub(crate) struct Aside<'u>(&'u UnderWay<'u>);

impl UnderWay<'_> {
    /// Sets the call aside for as long as it does something that takes its time.
    pub(crate) fn set_aside(&self) -> Aside<'_> {
        if self.asides.fetch_add(1, Ordering::Relaxed) == 0 {
            self.shared.under_way.fetch_sub(1, Ordering::Relaxed);
        }
        Aside(self)
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        if self.0.asides.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.shared.under_way.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.shared.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The sequencer's end of the queue. When it goes, everyone who waits hears that the log has stopped.
#[derive(Debug)]
pub(super) struct Intake {
    receiver: Receiver<Command>,
    shared: Arc<Shared>,
}

/// Both ends of a new queue.
pub(super) fn queue(figures: Arc<Figures>) -> (Queue, Intake) {
    let (sender, receiver) = crossbeam_channel::bounded(ROOM);
    let shared = Arc::new(Shared::default());
    let intake = Intake { receiver: receiver.clone(), shared: Arc::clone(&shared) };
    (Queue { sender, rest: receiver, shared, figures }, intake)
}

impl Queue {
    pub(crate) fn is_full(&self) -> bool {
        self.sender.is_full()
    }

    pub(crate) fn len(&self) -> usize {
        self.sender.len() + self.shared.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// A use of a key begins.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.shared.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay { shared: &self.shared, asides: AtomicUsize::new(0) }
    }

    /// Hands a submission over; the rest comes by its `reply`.
    pub(crate) fn submit(&self, submission: Submission) -> Result<(), NotCommitted> {
        self.sender.try_send(Command::Submit(Box::new(submission))).map_err(|error| match error {
            TrySendError::Full(_) => NotCommitted::Overloaded,
            TrySendError::Disconnected(_) => NotCommitted::Stopped,
        })?;
        self.drop_if_ended();
        let waiting = self.sender.len();
        if waiting > 1 && waiting == self.shared.enough.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        Ok(())
    }

    /// Appends a cut to the root log; `entry` gets its number. Gives size and root of the root log.
    pub(crate) async fn cut(
        &self,
        entry: impl FnOnce(u64, Hash) -> Result<Vec<u8>, CutError> + Send + 'static,
    ) -> Result<(u64, Hash), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Cut { entry: Box::new(entry), reply }, answer).await
    }

    /// Keeps the signed note of a root-log size.
    pub(crate) async fn put_note(&self, size: u64, note: String) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::PutNote { size, note, reply }, answer).await
    }

    /// Puts one batch in the place of several. Gives `false` where they are not what they are said to be.
    pub(crate) async fn pack(&self, run: PackedRun) -> Result<bool, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Pack { run, reply }, answer).await
    }

    async fn ask<T>(
        &self,
        command: Command,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let stopped = || StoreError::Unavailable("the log has stopped".into());
        let queue = self.clone();
        // The queue may be full of calls; a cut waits its turn off the async threads.
        let sent = tokio::task::spawn_blocking(move || queue.send(command)).await;
        sent.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Ends the sequencer for a reason that others found. Waits for room.
    pub(crate) fn give_up(&self, why: String) {
        self.send(Command::GiveUp(why));
    }

    /// Asks the sequencer to stop once everything before it is done.
    pub(crate) fn stop(&self) {
        self.send(Command::Stop);
    }

    /// Sends, waiting for room. To an ended sequencer, it drops.
    fn send(&self, command: Command) {
        let _ = self.sender.send(command);
        self.drop_if_ended();
    }

    /// What was sent before the sequencer ended, it drops itself; what was sent later, its sender.
    fn drop_if_ended(&self) {
        if self.shared.ended.load(Ordering::SeqCst) {
            self.rest.try_iter().for_each(drop);
        }
    }
}

impl Intake {
    /// Takes all that waits, and waits for it where there is nothing.
    pub(super) fn take(&self, lanes: &mut Lanes) {
        if lanes.len() == 0 {
            lanes.push(self.wait());
        }
        self.take_more(lanes);
    }

    /// Waits for a command, and for as many others as make a batch.
    fn wait(&self) -> Command {
        // Without anybody who may send, it is as if asked to stop.
        let first = self.receiver.recv().unwrap_or(Command::Stop);
        let enough = self.shared.enough.load(Ordering::Relaxed);
        // When all who are under way wait, nobody else will come.
        let wanted = self.shared.under_way.load(Ordering::Relaxed).min(enough.max(2));
        let mut waiting = 1 + self.receiver.len();
        // For as long as that brings more: where calls have a core of their own, it does not.
        while waiting < wanted {
            thread::yield_now();
            let before = std::mem::replace(&mut waiting, 1 + self.receiver.len());
            if waiting == before {
                break;
            }
        }
        first
    }

    /// Takes what came meanwhile.
    pub(super) fn take_more(&self, lanes: &mut Lanes) {
        let room = ROOM.saturating_sub(lanes.len());
        self.receiver.try_iter().take(room).for_each(|command| lanes.push(command));
        self.shared.taken.store(lanes.len(), Ordering::Relaxed);
    }

    /// A batch was served; those that came meanwhile show how many can.
    pub(super) fn served(&self, lanes: &Lanes) {
        self.shared.taken.store(lanes.len(), Ordering::Relaxed);
        let under_way = self.shared.under_way.load(Ordering::Relaxed);
        let came = lanes.small.len() + self.receiver.len();
        self.shared.enough.store(enough(under_way, came), Ordering::Relaxed);
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.receiver.try_iter().for_each(drop);
    }
}

/// How many calls make the next batch, of so many under way, after one during which `came` came.
const fn enough(under_way: usize, came: usize) -> usize {
    // A quarter more than came, so that it grows again where all that could come did.
    let meanwhile = came + came / 4 + 1;
    let half = under_way / 2;
    under_way - if meanwhile < half { meanwhile } else { half }
}

#[cfg(test)]
mod tests {
    use claviger_audit::op::Op;
    use claviger_core::Timestamp;
    use claviger_core::change::Dependencies;
    use claviger_core::receipt::Receipt;
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;
    use crate::record::{EntryDetail, EntryHeader};

    type Answer = oneshot::Receiver<Result<Receipt, NotCommitted>>;

    fn submission() -> (Submission, Answer) {
        let (reply, answer) = oneshot::channel();
        let header = EntryHeader::of_system(Op::NodeStop, Timestamp::from_micros(0));
        let submission = Submission {
            header,
            details: EntryDetail::default().into(),
            changes: Vec::new(),
            facts: None,
            restricts: Vec::new(),
            epoch: 0,
            dependencies: Dependencies::default(),
            rights: None,
            least_room: claviger_core::port::store::Room::Plenty,
            reply,
        };
        (submission, answer)
    }

    fn is_over(mut answer: Answer) -> bool {
        matches!(answer.try_recv(), Err(TryRecvError::Closed))
    }

    #[test]
    fn batches_leave_what_can_be_decided_meanwhile_and_half_at_most() {
        for (under_way, came, next) in
            [(0, 0, 0), (1, 0, 1), (2, 1, 1), (3, 0, 2), (64, 0, 63), (64, 4, 58), (64, 16, 43), (64, 32, 32)]
        {
            assert_eq!(enough(under_way, came), next, "{under_way} {came}");
        }
        // From a batch of all it comes to that where 16 of 64 can be decided meanwhile.
        let mut size = 64;
        for _ in 0..20 {
            size = enough(64, (64 - size).min(16));
        }
        assert_eq!(size, 43);
    }

    #[test]
    fn a_call_that_is_set_aside_twice_counts_once() {
        let (queue, intake) = queue(Arc::default());
        let under_way = || intake.shared.under_way.load(Ordering::Relaxed);
        let call = queue.begin();
        let _other = queue.begin();
        let waits = call.set_aside();
        let waits_within = call.set_aside();
        assert_eq!(under_way(), 1);
        drop(waits);
        assert_eq!(under_way(), 1);
        drop(waits_within);
        assert_eq!(under_way(), 2);
        drop(call);
        assert_eq!(under_way(), 1);
    }

    #[test]
    fn whoever_waits_when_the_sequencer_ends_hears_of_it() {
        let (queue, intake) = queue(Arc::default());
        let answers: Vec<_> = (0..3)
            .map(|_| {
                let (submission, answer) = submission();
                queue.submit(submission).unwrap();
                answer
            })
            .collect();
        drop(intake);
        assert!(answers.into_iter().all(is_over));
    }

    #[test]
    fn whoever_comes_after_its_end_hears_of_it() {
        let (queue, intake) = queue(Arc::default());
        drop(intake);
        for _ in 0..2 * ROOM {
            let (submission, answer) = submission();
            queue.submit(submission).unwrap();
            assert!(is_over(answer));
        }
    }

    #[test]
    fn whoever_comes_as_it_ends_hears_of_it() {
        for round in 0..200 {
            let (queue, intake) = queue(Arc::default());
            let callers: Vec<_> = (0..2)
                .map(|_| {
                    let queue = queue.clone();
                    thread::spawn(move || {
                        let mut answers = Vec::new();
                        loop {
                            let (submission, mut answer) = submission();
                            // The queue may be full until its end.
                            let sent = queue.submit(submission).is_ok();
                            let over = matches!(answer.try_recv(), Err(TryRecvError::Closed));
                            answers.push(answer);
                            if sent && over {
                                return answers;
                            }
                        }
                    })
                })
                .collect();
            thread::yield_now();
            drop(intake);
            let answers: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
            assert!(answers.into_iter().all(is_over), "round {round}");
            assert_eq!(queue.len(), 0);
        }
    }

    #[tokio::test]
    async fn a_cut_is_refused_after_its_end() {
        let (queue, intake) = queue(Arc::default());
        drop(intake);
        assert!(queue.cut(|_, _| Ok(Vec::new())).await.is_err());
        queue.stop();
    }
}
