//! Secrets that must turn up nowhere: not in traces, not in problems, not in answers that are not theirs.

use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_core::action::Surface;
use http::Method;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::deployment::{As, Deployment, request};

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

const CANARY: &str = "canary-4f1d9c";

#[tokio::test]
async fn secrets_turn_up_in_no_trace_and_no_problem() {
    let kept = Kept::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(kept.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::info!("the trace is kept");

    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt", "decrypt"]).await;
    let (encrypt, decrypt) = ("/v1/keys/orders%2Fmain/encrypt", "/v1/keys/orders%2Fmain/decrypt");
    let encoded = STANDARD.encode(CANARY);
    let mut problems = Vec::new();
    let sealed = deployment.octets("app", encrypt, &[], CANARY.into()).await.ok().body;
    assert_eq!(deployment.octets("app", decrypt, &[], sealed.clone()).await.ok().body, CANARY);
    problems.push(deployment.octets("outsider", encrypt, &[], CANARY.into()).await);
    problems.push(deployment.data("app", encrypt, json!({"plaintext": format!("{CANARY}!")})).await);
    problems
        .push(deployment.data("app", encrypt, json!({"plaintext": encoded, "context": {"": CANARY}})).await);
    problems.push(deployment.data("app", encrypt, json!({"plaintext": {"text": CANARY}})).await);
    problems.push(deployment.data("app", encrypt, json!(CANARY)).await);
    let context = STANDARD.encode(json!({"who": CANARY}).to_string());
    problems.push(deployment.octets("app", decrypt, &[("claviger-context", &context)], sealed).await);
    let token = format!("clv_{CANARY}");
    let ask = request(Method::GET, "/v1/rings", &Value::Null);
    problems.push(deployment.send(Surface::Control, As::Token(&token), ask).await);

    for problem in &problems {
        assert!(problem.status.is_client_error(), "{problem:?}");
        let text = String::from_utf8_lossy(&problem.body);
        assert!(!text.contains(CANARY) && !text.contains(&encoded), "{text}");
    }
    deployment.road.stop().await;
    let trace = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(trace.contains("the trace is kept"));
    assert!(!trace.contains(CANARY) && !trace.contains(&encoded), "{trace}");
}
