//! Applications that sign: what passes, what refuses, and what is left of a secret.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use claviger_access::Presented;
use claviger_access::authn::access_key::{
    Audience, SKEW, SignedRequest, digest_of, instant, session_digest_of,
};
use claviger_audit::entry::Entry;
use claviger_audit::op::{Op, Outcome};
use claviger_core::action::Plane;
use claviger_core::principal::{CredentialKind, Status};
use claviger_core::{AccessKeyId, Action, ListenerName, Purpose, Source, Spec, Timestamp};
use claviger_crypto::SecretBytes;
use claviger_crypto::kdf::HmacSha256;
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{Encrypt, UseKey};
use claviger_service::operation::{
    CreateCredential, NewCredential, NewlyMade, ReadEntries, RevokeCredential, RevokePrincipal,
};
use claviger_service::{AuthnReason, Call, ErrorKind, KeyRef, PrincipalRef, ServiceError, SignatureRefused};

use crate::deployment::Deployment;

const HERE: Source = Source { address: IpAddr::V4(Ipv4Addr::LOCALHOST), tls: None };
const HOUR: Duration = Duration::from_secs(3600);

/// An access key in the hands of an application.
struct Signer {
    id: AccessKeyId,
    secret: String,
    token: Option<String>,
}

#[expect(clippy::disallowed_methods, reason = "the tests sign with what was shown")]
fn shown(secret: &SecretBytes) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

impl Signer {
    fn new(made: &NewlyMade) -> Self {
        let key = made.access_key.as_ref().unwrap();
        Self { id: key.id, secret: shown(&key.secret), token: key.session_token.as_ref().map(shown) }
    }

    /// A request that is signed at that instant.
    fn request(&self, at: Timestamp) -> SignedRequest {
        let day = instant::format(at)[..8].to_owned();
        let mut request = SignedRequest {
            access_key: digest_of(self.id.as_str()),
            scope: format!("{day}/us-east-1/kms/aws4_request").parse().unwrap(),
            signed_at: at,
            presigned_for: None,
            session: self.token.as_ref().map(|token| session_digest_of(token.as_bytes())),
            canonical: [5; 32],
            signature: [0; 32],
            audience: Audience { service: "kms", region: Some("us-east-1".into()) },
        };
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for step in request.scope.to_string().split('/') {
            key = hmac(&key, step).to_vec();
        }
        request.signature = hmac(&key, &request.string_to_sign());
        request
    }

    fn now(&self, deployment: &Deployment) -> SignedRequest {
        self.request(deployment.clock.wall())
    }
}

fn hmac(key: &[u8], data: &str) -> [u8; 32] {
    HmacSha256::new(&SecretBytes::copied_from(key)).tag(&[data.as_bytes()])
}

async fn make(deployment: &Deployment, who: &str, what: NewCredential) -> Result<NewlyMade, ServiceError> {
    let principal = PrincipalRef::Name(who.parse().unwrap());
    let create = CreateCredential { principal, label: "sdk".parse().unwrap(), what, to_confirm: false };
    // Otto grants to applications, so that it is not Otto who makes them a credential.
    let by = if deployment.has_strict_uses(who).await { "olga" } else { "ada" };
    Ok(deployment.ask(by, create).await?.output)
}

/// Uses a key as whoever signed; gives the index of the entry.
async fn call(deployment: &Deployment, key: KeyRef, request: SignedRequest) -> Result<u64, ServiceError> {
    call_as(deployment, key, Presented::signed(request)).await
}

async fn call_as(deployment: &Deployment, key: KeyRef, presented: Presented) -> Result<u64, ServiceError> {
    let what = Encrypt { plaintext: vec![0; 16].into(), context: Default::default(), algorithm: None };
    let call = Call {
        presented,
        source: HERE,
        listener: ListenerName::Aws,
        plane: Plane::Mixed,
        dry_run: false,
        request_id: None,
        idempotency_key: None,
        reason: None,
        operation: UseKey::new(key, what),
    };
    Ok(deployment.road.perform(call).await?.receipt.index())
}

/// A deployment with a key that application `app` may use.
async fn furnished() -> (Deployment, KeyRef) {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt]).await;
    let key = KeyRef::Id(key.key.id);
    (deployment, key)
}

async fn refusal(deployment: &Deployment, key: &KeyRef, request: SignedRequest) -> AuthnReason {
    let refused = call(deployment, key.clone(), request).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
    assert_eq!(refused.public_message(), "no valid credential was presented");
    refused.authn_reason().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_call_passes_and_each_defect_refuses() {
    let (deployment, key) = furnished().await;
    let signer =
        Signer::new(&make(&deployment, "app", NewCredential::AccessKey { lifetime: HOUR }).await.unwrap());
    for _ in 0..3 {
        call(&deployment, key.clone(), signer.now(&deployment)).await.unwrap();
    }
    let other = |edit: fn(&mut SignedRequest)| {
        let mut request = signer.now(&deployment);
        edit(&mut request);
        request
    };
    let mismatch = AuthnReason::Signature(SignatureRefused::Mismatch);
    for edit in [
        (|request| request.signature[31] ^= 1) as fn(&mut SignedRequest),
        |request| request.canonical[0] ^= 1,
        |request| request.signed_at = request.signed_at.after(Duration::from_secs(1)),
        |request| request.scope = request.scope.to_string().replace("east", "west").parse().unwrap(),
    ] {
        assert_eq!(refusal(&deployment, &key, other(edit)).await, mismatch);
    }
    let unknown = other(|request| request.access_key[0] ^= 1);
    assert_eq!(refusal(&deployment, &key, unknown).await, AuthnReason::Unknown);
    let with_token = other(|request| request.session = Some([1; 32]));
    let of_no_session = AuthnReason::Signature(SignatureRefused::SessionToken);
    assert_eq!(refusal(&deployment, &key, with_token).await, of_no_session);
    let elsewhere = other(|request| request.audience.region = Some("eu-central-1".into()));
    assert_eq!(refusal(&deployment, &key, elsewhere).await, AuthnReason::Signature(SignatureRefused::Region));
    let for_another = other(|request| request.audience.service = "kms-xks-proxy");
    assert_eq!(
        refusal(&deployment, &key, for_another).await,
        AuthnReason::Signature(SignatureRefused::Service)
    );
    let second = Duration::from_secs(1);
    let old =
        Timestamp::from_micros(deployment.clock.wall().as_micros() - 1_000_000 * (SKEW + second).as_secs());
    let expired = refusal(&deployment, &key, signer.request(old)).await;
    assert!(
        matches!(expired, AuthnReason::Signature(SignatureRefused::Expired { signed_at, .. }) if signed_at == old)
    );
    let early =
        refusal(&deployment, &key, signer.request(deployment.clock.wall().after(SKEW + second))).await;
    assert!(matches!(early, AuthnReason::Signature(SignatureRefused::NotYetCurrent { .. })));
    // None of it took anything from the one who signs well.
    call(&deployment, key, signer.now(&deployment)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_access_key_is_dead_when_the_call_returns() {
    let (deployment, key) = furnished().await;
    let made = make(&deployment, "app", NewCredential::AccessKey { lifetime: HOUR }).await.unwrap();
    let (first, second) = (
        Signer::new(&made),
        make(&deployment, "app", NewCredential::AccessKey { lifetime: HOUR }).await.unwrap(),
    );
    let second = Signer::new(&second);
    // Two at once: an application is brought over from one to the other.
    call(&deployment, key.clone(), first.now(&deployment)).await.unwrap();
    call(&deployment, key.clone(), second.now(&deployment)).await.unwrap();
    let revoked =
        deployment.ask("otto", RevokeCredential { credential: made.credential.id }).await.unwrap().output;
    assert_eq!((revoked.status, revoked.access_key), (Status::Revoked, made.credential.access_key));
    assert_eq!(refusal(&deployment, &key, first.now(&deployment)).await, AuthnReason::Unknown);
    call(&deployment, key.clone(), second.now(&deployment)).await.unwrap();
    let app = PrincipalRef::Name("app".parse().unwrap());
    deployment.ask("otto", RevokePrincipal { principal: app }).await.unwrap();
    assert_eq!(refusal(&deployment, &key, second.now(&deployment)).await, AuthnReason::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_was_verified_before_proves_nobody_whose_key_or_time_has_ended() {
    let (deployment, key) = furnished().await;
    let made = make(&deployment, "app", NewCredential::AccessKey { lifetime: HOUR }).await.unwrap();
    let signer = Signer::new(&made);
    let proved = async |request| {
        let presented = Presented::signed(request);
        deployment.road.prove(&presented, HERE, ListenerName::Aws).await.unwrap();
        call_as(&deployment, key.clone(), presented.clone()).await.unwrap();
        presented
    };
    let late = proved(signer.now(&deployment)).await;
    deployment.clock.advance(SKEW + Duration::from_secs(1));
    let refused = call_as(&deployment, key.clone(), late).await.unwrap_err();
    let expired = refused.authn_reason().unwrap();
    assert!(matches!(expired, AuthnReason::Signature(SignatureRefused::Expired { .. })), "{expired:?}");
    let revoked = proved(signer.now(&deployment)).await;
    deployment.ask("otto", RevokeCredential { credential: made.credential.id }).await.unwrap();
    let refused = call_as(&deployment, key.clone(), revoked).await.unwrap_err();
    assert_eq!(refused.authn_reason(), Some(AuthnReason::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_key_is_good_after_a_restart() {
    let (deployment, key) = furnished().await;
    let lasting = make(&deployment, "app", NewCredential::AccessKey { lifetime: HOUR }).await.unwrap();
    let short = make(&deployment, "app", NewCredential::ShortLived { lifetime: HOUR }).await.unwrap();
    let deployment = deployment.restart().await;
    for made in [lasting, short] {
        assert_eq!(made.credential.kind, CredentialKind::AccessKey);
        call(&deployment, key.clone(), Signer::new(&made).now(&deployment)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn short_lived_access_key_goes_with_its_session_token_and_ends() {
    let (deployment, key) = furnished().await;
    let lifetime = HOUR;
    let signer =
        Signer::new(&make(&deployment, "app", NewCredential::ShortLived { lifetime }).await.unwrap());
    assert!(signer.id.is_short_lived());
    call(&deployment, key.clone(), signer.now(&deployment)).await.unwrap();
    let without = SignedRequest { session: None, ..signer.now(&deployment) };
    let of_no_session = AuthnReason::Signature(SignatureRefused::SessionToken);
    assert_eq!(refusal(&deployment, &key, without.clone()).await, of_no_session);
    deployment.clock.advance(lifetime);
    assert_eq!(refusal(&deployment, &key, signer.now(&deployment)).await, AuthnReason::SessionExpired);
    // To who has not the token it is as unknown as any other.
    assert_eq!(refusal(&deployment, &key, without).await, AuthnReason::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_keys_are_for_applications_and_for_a_while() {
    let deployment = Deployment::build().await;
    let day = Duration::from_secs(86_400);
    for (who, what, says) in [
        ("app", NewCredential::AccessKey { lifetime: day * 367 }, "up to 366 days"),
        ("app", NewCredential::AccessKey { lifetime: Duration::ZERO }, "up to 366 days"),
        ("app", NewCredential::ShortLived { lifetime: HOUR * 13 }, "up to 12 hours"),
    ] {
        let refused = make(&deployment, who, what).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert!(refused.public_message().contains(says), "{}", refused.public_message());
    }
    make(&deployment, "app", NewCredential::ShortLived { lifetime: HOUR * 12 }).await.unwrap();
    for what in [NewCredential::AccessKey { lifetime: HOUR }, NewCredential::ShortLived { lifetime: HOUR }] {
        let principal = PrincipalRef::Name("ada".parse().unwrap());
        let own = CreateCredential { principal, label: "sdk".parse().unwrap(), what, to_confirm: false };
        let refused = deployment.ask("ada", own).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert!(refused.public_message().contains("access keys are for applications"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_signature_of_a_known_key_is_in_the_log_and_an_unknown_one_is_counted() {
    let (deployment, key) = furnished().await;
    let signer =
        Signer::new(&make(&deployment, "app", NewCredential::AccessKey { lifetime: HOUR }).await.unwrap());
    let forged = SignedRequest { signature: [0; 32], ..signer.now(&deployment) };
    let refused = call(&deployment, key.clone(), forged).await.unwrap_err();
    let read = ReadEntries { from: refused.entry().unwrap(), limit: 1, filter: EntryFilter::default() };
    let page = deployment.ask("vera", read).await.unwrap().output;
    let entry = Entry::decode(&page.entries[0].bytes).unwrap();
    assert_eq!((entry.op, entry.out), (Op::AuthenticationFailure, Outcome::Unauthenticated));
    let unknown = SignedRequest { access_key: [9; 32], ..signer.now(&deployment) };
    assert_eq!(call(&deployment, key, unknown).await.unwrap_err().entry(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_secret_is_kept_or_printed() {
    let (deployment, key) = furnished().await;
    let made = make(&deployment, "app", NewCredential::ShortLived { lifetime: HOUR }).await.unwrap();
    let signer = Signer::new(&made);
    let forged = SignedRequest { canonical: [1; 32], ..signer.now(&deployment) };
    let refused = call(&deployment, key.clone(), forged.clone()).await.unwrap_err();
    call(&deployment, key, signer.now(&deployment)).await.unwrap();
    let printed = format!("{made:?} {refused:?} {refused} {:?}", Presented::signed(forged));
    let Deployment { road, directory, .. } = deployment;
    road.stop().await;
    let mut kept = Vec::new();
    for file in std::fs::read_dir(directory.path().join("data")).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            kept.extend(std::fs::read(file.path()).unwrap());
        }
    }
    let holds =
        |hay: &[u8], needle: &str| hay.windows(needle.len()).any(|window| window == needle.as_bytes());
    assert!(holds(&kept, signer.id.as_str()), "the search finds what is there");
    for secret in [&signer.secret, signer.token.as_ref().unwrap()] {
        assert!(!holds(&kept, secret) && !printed.contains(secret));
    }
}
