//! Tags of one key that many callers change at the same moment.

use std::sync::Arc;

use serde_json::{Value, json};

use super::deployment::Deployment;

async fn tags(deployment: &Deployment, key: &str) -> Vec<String> {
    let listed = deployment.ask("ListResourceTags", json!({ "KeyId": key, "Limit": 50 })).await.ok();
    let of =
        |tag: &Value| format!("{}={}", tag["TagKey"].as_str().unwrap(), tag["TagValue"].as_str().unwrap());
    listed["Tags"].as_array().unwrap().iter().map(of).filter(|tag| tag.starts_with("own-")).collect()
}

/// All at once; each gives what it was answered.
async fn at_once(deployment: &Arc<Deployment>, operation: &'static str, bodies: Vec<Value>) {
    let asked: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            let deployment = Arc::clone(deployment);
            tokio::spawn(async move { deployment.ask(operation, body).await.ok() })
        })
        .collect();
    for one in asked {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_40_callers_who_tag_one_key_at_the_same_moment_none_fails_or_loses_its_tag() {
    let deployment = Arc::new(Deployment::build().await);
    let key = deployment.create_key(json!({})).await;
    let tag = |number: u32| json!({ "TagKey": format!("own-{number:02}"), "TagValue": number.to_string() });
    let tagging = (0..40).map(|number| json!({ "KeyId": key, "Tags": [tag(number)] }));
    at_once(&deployment, "TagResource", tagging.collect()).await;
    let all: Vec<_> = (0..40).map(|number| format!("own-{number:02}={number}")).collect();
    assert_eq!(tags(&deployment, &key).await, all);
    let untagging = (0..40).map(|number| json!({ "KeyId": key, "TagKeys": [format!("own-{number:02}")] }));
    at_once(&deployment, "UntagResource", untagging.collect()).await;
    assert_eq!(tags(&deployment, &key).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_takes_50_tags_and_a_value_that_changes_is_no_further_one() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let known = deployment.ask("ListResourceTags", json!({ "KeyId": key })).await.ok();
    let most = 50 - known["Tags"].as_array().unwrap().len();
    let tag = |number: usize, value: &str| json!({ "TagKey": format!("own-{number:02}"), "TagValue": value });
    let many: Vec<_> = (0..most).map(|number| tag(number, "a")).collect();
    deployment.ask("TagResource", json!({ "KeyId": key, "Tags": many })).await.ok();
    deployment.ask("TagResource", json!({ "KeyId": key, "Tags": [tag(0, "b")] })).await.ok();
    let one_more = deployment.ask("TagResource", json!({ "KeyId": key, "Tags": [tag(most, "a")] })).await;
    assert_eq!(one_more.refused("TagException"), "Too many tags");
    let tags = tags(&deployment, &key).await;
    assert_eq!((tags.len(), tags[0].as_str()), (most, "own-00=b"));
}
