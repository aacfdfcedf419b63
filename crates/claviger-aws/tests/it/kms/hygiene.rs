//! Secrets that must turn up nowhere: not in traces, not in exceptions, not in what is printed for debugging.

use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_service::operation::NewCredential;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::deployment::{Deployment, HOUR, access_key};
use super::signer::Signer;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const CANARY: &str = "canary-4f1d9c-canary";

#[tokio::test]
async fn secrets_turn_up_in_no_trace_and_no_exception() {
    let kept = Kept::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(kept.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::info!("the trace is kept");

    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let mac =
        deployment.create_key(json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" })).await;
    let (encoded, long) = (STANDARD.encode(CANARY), STANDARD.encode(CANARY.repeat(300)));
    let encrypt = json!({ "KeyId": key, "Plaintext": encoded });
    let sealed = deployment.ask("Encrypt", encrypt.clone()).await.ok();
    let opened = deployment.ask("Decrypt", json!({ "CiphertextBlob": sealed["CiphertextBlob"] })).await;
    assert_eq!(opened.ok()["Plaintext"], encoded);
    let short =
        deployment.does("ada", access_key("tool", NewCredential::ShortLived { lifetime: HOUR })).await;
    let printed = format!("{short:?} {:?}", deployment.kms);
    let short = Signer::new(&short);
    deployment.ask_as(&short, "Encrypt", encrypt.clone()).await.ok();

    let forged = Signer { token: Some(CANARY.into()), ..short.clone() };
    let exceptions = [
        deployment.ask_as(&deployment.app, "Encrypt", encrypt.clone()).await,
        deployment.ask_as(&forged, "Encrypt", encrypt).await,
        deployment.ask("Encrypt", json!({ "KeyId": key, "Plaintext": format!("{encoded}!") })).await,
        deployment.ask("Encrypt", json!({ "KeyId": key, "Plaintext": { "text": CANARY } })).await,
        deployment.ask("Encrypt", json!({ "KeyId": key, "Plaintext": long })).await,
        deployment.ask("Encrypt", json!({ "KeyId": mac, "Plaintext": encoded })).await,
        deployment.ask("Encrypt", json!(CANARY)).await,
        deployment
            .ask_with(
                &deployment.tool,
                "Encrypt",
                format!("{{\"KeyId\":\"{key}\",\"Plaintext\":\"{encoded}").as_bytes(),
            )
            .await,
        deployment
            .ask("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=", "EncryptionContext": { "": CANARY } }))
            .await,
        deployment
            .ask(
                "Decrypt",
                json!({ "CiphertextBlob": sealed["CiphertextBlob"], "EncryptionContext": { "who": CANARY } }),
            )
            .await,
        deployment.ask("Decrypt", json!({ "CiphertextBlob": encoded })).await,
        deployment
            .ask("GenerateMac", json!({ "KeyId": mac, "Message": long, "MacAlgorithm": "HMAC_SHA_256" }))
            .await,
        deployment
            .ask(
                "VerifyMac",
                json!({ "KeyId": mac, "Message": encoded, "Mac": encoded, "MacAlgorithm": "HMAC_SHA_256" }),
            )
            .await,
    ];
    let secrets = [CANARY, &encoded, &short.secret, short.token.as_ref().unwrap(), &deployment.tool.secret];
    for exception in &exceptions {
        assert!(exception.status.is_client_error(), "{exception:?}");
        let text = exception.text();
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    }
    deployment.road.stop().await;
    let trace = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(trace.contains("the trace is kept"));
    for secret in secrets {
        assert!(!trace.contains(secret) && !printed.contains(secret), "{secret} turned up");
    }
}
