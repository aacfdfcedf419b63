//! Tags of one key that many callers change at the same moment.

use std::sync::Arc;

use serde_json::{Value, json};

use super::house::House;

async fn tags(house: &House, key: &str) -> Vec<String> {
    let listed = house.ask("ListResourceTags", json!({ "KeyId": key, "Limit": 50 })).await.ok();
    let of =
        |tag: &Value| format!("{}={}", tag["TagKey"].as_str().unwrap(), tag["TagValue"].as_str().unwrap());
    listed["Tags"].as_array().unwrap().iter().map(of).filter(|tag| tag.starts_with("own-")).collect()
}

/// All at once; each gives what it was answered.
async fn at_once(house: &Arc<House>, operation: &'static str, bodies: Vec<Value>) {
    let asked: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            let house = Arc::clone(house);
            tokio::spawn(async move { house.ask(operation, body).await.ok() })
        })
        .collect();
    for one in asked {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_40_callers_who_tag_one_key_at_the_same_moment_none_fails_or_loses_its_tag() {
    let house = Arc::new(House::build().await);
    let key = house.create_key(json!({})).await;
    let tag = |number: u32| json!({ "TagKey": format!("own-{number:02}"), "TagValue": number.to_string() });
    let tagging = (0..40).map(|number| json!({ "KeyId": key, "Tags": [tag(number)] }));
    at_once(&house, "TagResource", tagging.collect()).await;
    let all: Vec<_> = (0..40).map(|number| format!("own-{number:02}={number}")).collect();
    assert_eq!(tags(&house, &key).await, all);
    let untagging = (0..40).map(|number| json!({ "KeyId": key, "TagKeys": [format!("own-{number:02}")] }));
    at_once(&house, "UntagResource", untagging.collect()).await;
    assert_eq!(tags(&house, &key).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_takes_50_tags_and_a_value_that_changes_is_no_further_one() {
    let house = House::build().await;
    let key = house.create_key(json!({})).await;
    let known = house.ask("ListResourceTags", json!({ "KeyId": key })).await.ok();
    let most = 50 - known["Tags"].as_array().unwrap().len();
    let tag = |number: usize, value: &str| json!({ "TagKey": format!("own-{number:02}"), "TagValue": value });
    let many: Vec<_> = (0..most).map(|number| tag(number, "a")).collect();
    house.ask("TagResource", json!({ "KeyId": key, "Tags": many })).await.ok();
    house.ask("TagResource", json!({ "KeyId": key, "Tags": [tag(0, "b")] })).await.ok();
    let one_more = house.ask("TagResource", json!({ "KeyId": key, "Tags": [tag(most, "a")] })).await;
    one_more.refused("LimitExceededException");
    let tags = tags(&house, &key).await;
    assert_eq!((tags.len(), tags[0].as_str()), (most, "own-00=b"));
}
