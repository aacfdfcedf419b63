use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::task::Poll;

use super::turns::ONE;
use super::*;

fn principal(number: u8) -> PrincipalId {
    PrincipalId::from_bytes([number; 16])
}

type Entering = Pin<Box<dyn Future<Output = Result<Place, Full>> + Send>>;

fn entering(turns: &Arc<Turns>, who: u8) -> Entering {
    let turns = Arc::clone(turns);
    Box::pin(async move { Turns::enter(&turns, principal(who), ONE).await })
}

/// What it gives now, if anything.
async fn now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *future).poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn principals_take_turns_however_much_each_has_waiting() {
    let turns = Turns::new(1, 8);
    let mut held = entering(&turns, 1).await.unwrap();
    let mut calls: Vec<_> = [1, 1, 1, 2, 3, 2].map(|who| (who, entering(&turns, who))).into();
    for (_, call) in &mut calls {
        assert!(now(call).await.is_none());
    }
    let mut order = Vec::new();
    while !calls.is_empty() {
        drop(held);
        let mut next = None;
        for (at, (who, call)) in calls.iter_mut().enumerate() {
            if let Some(place) = now(call).await {
                assert!(next.is_none(), "two have one place");
                next = Some((at, *who, place.unwrap()));
            }
        }
        let (at, who, place) = next.unwrap();
        drop(calls.remove(at));
        order.push(who);
        held = place;
    }
    assert_eq!(order, [1, 2, 3, 1, 2, 1]);
    drop(held);
    let figures = turns.figures("scan");
    assert_eq!((figures.running, figures.waiting), (0, 0));
}

#[tokio::test]
async fn one_principal_uses_all_that_nobody_else_waits_for() {
    let turns = Turns::new(3, 8);
    let mut places = Vec::new();
    for _ in 0..3 {
        places.push(entering(&turns, 1).await.unwrap());
    }
    let mut other = entering(&turns, 2);
    assert!(now(&mut other).await.is_none());
    places.pop();
    assert!(now(&mut other).await.unwrap().is_ok());
}

#[tokio::test]
async fn what_one_principal_has_waiting_is_bounded_and_leaves_the_others_theirs() {
    let turns = Turns::new(1, 2);
    let held = entering(&turns, 1).await.unwrap();
    let mut first = entering(&turns, 1);
    let mut second = entering(&turns, 1);
    assert!(now(&mut first).await.is_none() && now(&mut second).await.is_none());
    assert_eq!(now(&mut entering(&turns, 1)).await.unwrap().unwrap_err(), Full);
    let mut other = entering(&turns, 2);
    assert!(now(&mut other).await.is_none(), "another principal has a queue of its own");
    let figures = turns.figures("scan");
    assert_eq!((figures.running, figures.waiting, figures.refused), (1, 3, 1));
    // Whoever leaves makes room.
    drop(first);
    let mut third = entering(&turns, 1);
    assert!(now(&mut third).await.is_none());
    drop(held);
    assert!(now(&mut second).await.unwrap().is_ok());
}

#[tokio::test]
async fn what_waits_is_bounded_by_what_it_weighs() {
    let turns = Turns::new(1, 10);
    let held = entering(&turns, 1).await.unwrap();
    let weighing = |weight| {
        let turns = Arc::clone(&turns);
        Box::pin(async move { Turns::enter(&turns, principal(1), weight).await })
    };
    assert_eq!(now(&mut weighing(11)).await.unwrap().unwrap_err(), Full);
    let mut heavy = weighing(8);
    assert!(now(&mut heavy).await.is_none());
    assert_eq!(now(&mut weighing(3)).await.unwrap().unwrap_err(), Full);
    let mut light = weighing(2);
    assert!(now(&mut light).await.is_none());
    drop(held);
    drop(now(&mut heavy).await.unwrap().unwrap());
    assert!(now(&mut light).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_caller_that_leaves_is_in_no_queue_and_holds_no_place() {
    let turns = Turns::new(1, 8);
    let held = entering(&turns, 1).await.unwrap();
    let (mut gone, mut late, mut stays) = (entering(&turns, 2), entering(&turns, 3), entering(&turns, 4));
    for call in [&mut gone, &mut late, &mut stays] {
        assert!(now(call).await.is_none());
    }
    drop(gone);
    assert_eq!(turns.figures("scan").waiting, 2);
    drop(held);
    // It has its turn, and leaves before it knows.
    drop(late);
    assert!(now(&mut stays).await.unwrap().is_ok());
    let figures = turns.figures("scan");
    assert_eq!((figures.running, figures.waiting), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_stops_between_its_pieces_when_its_caller_has_gone() {
    let work = Arc::new(Work::start(1).unwrap());
    let (sender, receiver) = channel();
    let caller = tokio::spawn({
        let work = Arc::clone(&work);
        async move {
            let held = work.enter(Class::Scan, principal(1)).await?;
            let pieces = move |at: &At| -> Result<(), ServiceError> {
                loop {
                    at.check()?;
                    let _ = sender.send(());
                    std::thread::yield_now();
                }
            };
            work.run(Class::Scan, &held, pieces).await
        }
    });
    tokio::task::spawn_blocking(move || receiver.recv()).await.unwrap().unwrap();
    caller.abort();
    // The only place is free again, which it is once the job has ended.
    drop(work.enter(Class::Scan, principal(2)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_cannot_stop_keeps_its_place_until_its_end() {
    let work = Arc::new(Work::start(1).unwrap());
    let (begun, has_begun) = oneshot::channel();
    let (finish, until) = channel::<()>();
    let caller = tokio::spawn({
        let work = Arc::clone(&work);
        async move {
            let held = work.enter(Class::Generation, principal(1)).await?;
            let job = move |_: &At| {
                let _ = begun.send(());
                let _ = until.recv();
                Ok(())
            };
            work.run(Class::Generation, &held, job).await
        }
    });
    has_begun.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    let next = work.enter(Class::Generation, principal(2));
    let mut next = std::pin::pin!(next);
    assert!(now(&mut next).await.is_none(), "the thread is still at work");
    drop(finish);
    next.await.unwrap();
}

#[tokio::test]
async fn a_panic_costs_an_answer_and_no_thread() {
    let work = Work::start(1).unwrap();
    let held = work.enter(Class::Scan, principal(1)).await.unwrap();
    let failed = work.run(Class::Scan, &held, |_| -> Result<(), ServiceError> { panic!("on purpose") }).await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(work.run(Class::Scan, &held, |_| Ok(7)).await.unwrap(), 7);
}

#[test]
fn only_rsa_is_slow_to_make() {
    assert_eq!(Class::of_making(Spec::Rsa4096), Class::Generation);
    for spec in [Spec::Aes256Gcm, Spec::EcP256, Spec::Ed25519] {
        assert_eq!(Class::of_making(spec), Class::Creation);
    }
}
