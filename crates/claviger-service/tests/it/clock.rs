//! A clock that lies: what cannot be undone goes by time that was borne out, and expiry by the later of both.

use claviger_core::key::{KeyRecord, State};
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::{ConfirmClock, ReadSystem, ScheduleDestroy};
use claviger_service::{ErrorKind, KeyRef};

use crate::deployment::{DAY, Deployment};
use crate::evidence::{hold, states};

const DAY_SECONDS: i64 = 86_400;

async fn scheduled(deployment: &Deployment, days: u32) -> KeyRecord {
    deployment.relaxed_ring("orders").await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
    let schedule = ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: Some(DAY * days) };
    deployment.ask("ada", schedule).await.unwrap();
    key
}

async fn is_destroyed(deployment: &Deployment, key: &KeyRecord) -> bool {
    deployment.road.do_what_is_due().await;
    states(deployment, key.key.id).await == [(State::Destroyed, State::Destroyed)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_the_clock_a_month_ahead_destroys_nothing() {
    let deployment = Deployment::build().await;
    let key = scheduled(&deployment, 30).await;
    deployment.clock.set_wall_off(31 * DAY_SECONDS);
    let deployment = deployment.restart().await;
    assert!(!is_destroyed(&deployment, &key).await);
    let clock = deployment.ask("vera", ReadSystem {}).await.unwrap().output.clock;
    assert!(clock.ahead > DAY * 30 && clock.held_at.is_none(), "{clock:?}");
    // The clock is right again: nothing of it is left, but for the one step.
    deployment.clock.set_wall_off(0);
    assert!(!is_destroyed(&deployment, &key).await);
    deployment.clock.advance(DAY * 30);
    assert!(is_destroyed(&deployment, &key).await);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_was_off_for_a_month_goes_on_once_the_time_is_confirmed() {
    let deployment = Deployment::build().await;
    let key = scheduled(&deployment, 30).await;
    deployment.clock.set_wall_off(31 * DAY_SECONDS);
    let deployment = deployment.restart().await;
    assert!(!is_destroyed(&deployment, &key).await);
    let early = ConfirmClock { time: deployment.clock.wall() };
    assert_eq!(deployment.ask("vera", early).await.unwrap_err().kind(), ErrorKind::Denied);
    let wrong = ConfirmClock { time: claviger_core::Timestamp::default() };
    assert_eq!(deployment.ask("ada", wrong).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let confirmed =
        deployment.ask("ada", ConfirmClock { time: deployment.clock.wall() }).await.unwrap().output;
    assert!(confirmed.ahead.is_zero());
    assert!(is_destroyed(&deployment, &key).await);
    // What was confirmed holds from the next start on, too.
    let deployment = deployment.restart().await;
    let clock = deployment.ask("vera", ReadSystem {}).await.unwrap().output.clock;
    assert!(clock.ahead.as_secs() < 60, "{clock:?}");
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_far_ahead_while_running_destroys_nothing_and_heals() {
    let deployment = Deployment::build().await;
    let key = scheduled(&deployment, 30).await;
    deployment.clock.set_wall_off(200 * DAY_SECONDS);
    assert!(!is_destroyed(&deployment, &key).await);
    deployment.clock.advance(DAY);
    assert!(!is_destroyed(&deployment, &key).await);
    deployment.clock.set_wall_off(0);
    let clock = deployment.ask("vera", ReadSystem {}).await.unwrap().output.clock;
    assert!(clock.ahead.as_secs() < 60, "{clock:?}");
    deployment.clock.advance(DAY * 29);
    assert!(is_destroyed(&deployment, &key).await);
    hold(&deployment).await;
}

/// How often it is started again. `CLAVIGER_RESTARTS=720` takes minutes.
fn restarts() -> i64 {
    std::env::var("CLAVIGER_RESTARTS").map_or(8, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_that_each_move_the_clock_a_little_are_held_in_the_end() {
    let mut deployment = Deployment::build().await;
    let key = scheduled(&deployment, 1).await;
    for restart in 1..=restarts() {
        deployment.clock.set_wall_off(restart * 59 * 60);
        deployment = deployment.restart().await;
    }
    let clock = deployment.ask("vera", ReadSystem {}).await.unwrap().output.clock;
    assert!(clock.held_at.is_some() && clock.ahead.as_secs() > 6 * 3600, "{clock:?}");
    // Even time that is borne out destroys nothing now.
    deployment.clock.advance(DAY * 2);
    assert!(!is_destroyed(&deployment, &key).await);
    deployment.ask("ada", ConfirmClock { time: deployment.clock.wall() }).await.unwrap();
    assert!(is_destroyed(&deployment, &key).await);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_revives_no_expired_credential() {
    let deployment = Deployment::build().await;
    // Everyone's certificate is good for ten years.
    deployment.clock.advance(DAY * 3650 + DAY / 1440);
    assert_eq!(deployment.ask("vera", ReadSystem {}).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    deployment.road.cut().await.unwrap();
    deployment.clock.set_wall_off(-240);
    assert_eq!(deployment.ask("vera", ReadSystem {}).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    let deployment = deployment.restart().await;
    assert_eq!(deployment.ask("vera", ReadSystem {}).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
}
