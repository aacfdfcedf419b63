//! The log is packed, and what it says is the same as before.

use claviger_core::key::Labels;
use claviger_core::port::Store as _;
use claviger_core::{Action, Purpose, Spec};
use claviger_service::log::EntryFilter;
use claviger_service::operation::{CheckIndexes, CreateKey, ReadEntries};

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

/// Creates a key; gives the index of its entry.
async fn create(deployment: &Deployment, name: &str, labels: Labels) -> u64 {
    let asked = CreateKey { labels, ..deployment.new_key("orders", name, Purpose::Encrypt, Spec::Aes256Gcm) };
    deployment.ask("ada", asked).await.unwrap().receipt.index()
}

/// How many entries the batch with this one has, and how many bytes.
async fn batch_of(deployment: &Deployment, index: u64) -> (usize, usize) {
    let batch = deployment.store.list_batches(1, index, 1).await.unwrap().remove(0);
    (batch.count.try_into().unwrap(), batch.body.len())
}

/// What the log keeps of a new key, its facts and its entry together, is at most what its facts alone may be.
#[tokio::test(flavor = "multi_thread")]
async fn facts_of_a_new_key_are_small() {
    const MANY: usize = 64;
    let mut deployment = Deployment::build().await;
    // The first also makes a session and a ring.
    deployment.key("first", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let label = |number| (format!("label-{number}"), format!("value of label {number}"));
    let labels = Labels::new((0..10).map(label).collect()).unwrap();
    let labelled = batch_of(&deployment, create(&deployment, "labelled", labels).await).await;
    let alone = batch_of(&deployment, create(&deployment, "alone", Labels::default()).await).await;
    println!("facts and entry of a new key: {} bytes alone, {} with 10 labels", alone.1, labelled.1);
    assert_eq!((alone.0, labelled.0), (1, 1));
    assert!(alone.1 <= 600, "{} bytes", alone.1);

    // Those of one incarnation become one batch, with little else.
    deployment = deployment.restart().await;
    let mut last = 0;
    for number in 0..MANY {
        last = create(&deployment, &format!("key-{number}"), Labels::default()).await;
    }
    deployment = deployment.restart().await;
    deployment.road.cut().await.unwrap();
    deployment.road.pack_log().await.unwrap();
    let (count, bytes) = batch_of(&deployment, last).await;
    println!("{} bytes each, in a batch of {count} entries, {MANY} of which are of new keys", bytes / MANY);
    assert!(count >= MANY && bytes / MANY <= 350, "{bytes} bytes of {count} entries");
}
