//! The log is packed, and nobody can tell by what it says.

use claviger_core::port::Store as _;
use claviger_core::{Action, Purpose, Spec};
use claviger_service::log::EntryFilter;
use claviger_service::operation::{CheckIndexes, ReadEntries};

use crate::deployment::Deployment;
use crate::evidence::hold;

/// All entries, as they are hashed.
async fn entries(deployment: &Deployment) -> Vec<Vec<u8>> {
    let (mut entries, mut next) = (Vec::new(), Some(0));
    while let Some(from) = next {
        let read = ReadEntries { from, limit: 100, filter: EntryFilter::default() };
        let page = deployment.ask("vera", read).await.unwrap().output;
        entries.extend(page.entries.into_iter().map(|found| found.bytes));
        // What is read is recorded, so that the log has no end.
        next = page.next.filter(|next| *next < 400);
    }
    entries
}

/// The most entries that one batch has.
async fn largest(deployment: &Deployment) -> u32 {
    let outlines = deployment.store.list_batch_outlines(1, 0, 10_000).await.unwrap();
    outlines.iter().map(|outline| outline.count).max().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_log_says_what_it_said_and_goes_on() {
    let mut deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt]).await;
    for _ in 0..300 {
        deployment.encrypt("app", &key, b"x").await.unwrap();
    }
    // What no signed cut covers stays as it is.
    deployment.road.cut().await.unwrap();
    let said = entries(&deployment).await;
    let (packed, ()) = tokio::join!(deployment.road.pack_log(), hold(&deployment));
    packed.unwrap();
    assert!(largest(&deployment).await > 256);
    assert_eq!(entries(&deployment).await[..300], said[..300]);
    hold(&deployment).await;
    assert_eq!(deployment.road.pack_log().await.unwrap(), 0, "it is packed");
    let found = deployment.ask("vera", CheckIndexes {}).await.unwrap().output;
    assert_eq!(found, Vec::<String>::new());
    for crash in [false, true] {
        deployment = if crash { deployment.crash().await } else { deployment.restart().await };
        assert_eq!(entries(&deployment).await[..300], said[..300]);
        deployment.encrypt("app", &key, b"x").await.unwrap();
        hold(&deployment).await;
    }
}
