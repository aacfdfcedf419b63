//! `kill -9` under load, again and again on the same data: whatever was answered is there, once, without any repair.

use std::time::Duration;

use claviger_client::Client;
use claviger_client::types::Pairs;

use crate::evidence::Evidence;
use crate::load::{Answered, Load, OPS, count};
use crate::serving::Site;

/// How often, where `CLAVIGER_KILL_ROUNDS` does not say.
const ROUNDS: u32 = 5;
/// Longest load before the kill.
const LONGEST_MILLIS: u32 = 900;

fn rounds() -> u32 {
    std::env::var("CLAVIGER_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// A moment that no schedule of the server's has anything to do with.
fn moment() -> Duration {
    let drawn = u32::from_le_bytes(claviger_crypto::random::array().unwrap());
    Duration::from_millis(u64::from(drawn % LONGEST_MILLIS))
}

/// What was encrypted opens, under whatever version it was encrypted.
async fn assert_open(site: &Site, answered: &[Answered]) {
    let app = Client::new(&site.profile("app")).unwrap();
    let ciphertexts = answered.iter().filter_map(|answer| answer.ciphertext.as_ref());
    for ciphertext in ciphertexts.rev().take(20) {
        let opened = app.decrypt_bytes_by_header(ciphertext.clone().into(), &Pairs::default()).await;
        match opened {
            Ok(opened) => {
                #[expect(clippy::disallowed_methods, reason = "the test compares plaintext")]
                let plaintext = opened.value.expose();
                assert_eq!(plaintext, b"4111-1111-1111-1111");
            }
            // The key may be out of use, and a slow machine's result withheld.
            Err(error) => {
                let code = error.problem().unwrap().code.as_str();
                assert!(["withheld", "wrong-state"].contains(&code), "{error}");
            }
        }
    }
}

#[test]
fn what_was_answered_before_a_kill_is_in_the_log_exactly_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let site = Site::set_up();
    let mut serving = site.serve();
    let mut evidence = Evidence::begin(&site);
    let mut all = Vec::new();
    for round in 0..rounds() {
        let answered = runtime.block_on(async {
            let mut load = Load::start(&site, round);
            if round == 0 {
                load.until_done(&OPS).await;
            }
            tokio::time::sleep(moment()).await;
            serving.kill();
            load.end().await
        });
        serving = site.serve();
        evidence.hold(&site, &answered);
        runtime.block_on(assert_open(&site, &answered));
        all.extend(answered);
    }
    let verified = evidence.hold(&site, &all);
    let ended = serving.stop();
    assert!(ended.status.success(), "{}", ended.said);

    println!(
        "{} rounds, {} answers, all of them found among {} entries: {:?}",
        rounds(),
        all.len(),
        verified.entries(),
        count(&all)
    );
}
