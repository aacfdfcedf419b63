//! Those who are to be told of alerts: can they be, and are they there? Nobody is told anything.

use super::Finding;
use crate::config::{Config, Webhook};
use crate::webhook::Receiver;

const CHECK: &str = "webhook";

pub(super) async fn all(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for webhook in &config.alerts.webhooks {
        findings.push(receiver(webhook).await);
    }
    findings
}

async fn receiver(webhook: &Webhook) -> Finding {
    let receiver = match Receiver::load(webhook) {
        Ok(receiver) => receiver,
        Err(error) => {
            let message = format!("`{}` cannot be told of alerts: {error}", webhook.url);
            return Finding::wrong(
                CHECK,
                message,
                "see to `[[alerts.webhook]]`: without it no server starts",
            );
        }
    };
    let name = receiver.name();
    match receiver.reach().await {
        Ok(()) => Finding::ok(CHECK, format!("`{name}` is reached")),
        Err(why) => {
            let advice = "see to the receiver and to what lies between; what it is not told waits until then";
            Finding::warning(CHECK, format!("`{name}` is not reached: {why}"), advice)
        }
    }
}
