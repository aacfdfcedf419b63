//! Answers in which tools look for something: the exception, its words, and members.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::deployment::{DAY, Deployment};

fn arn(key: &str) -> String {
    format!("arn:aws:kms:us-east-1:000000000000:key/{key}")
}

async fn key_of(deployment: &Deployment, spec: &str, usage: &str) -> String {
    deployment.create_key(json!({ "KeySpec": spec, "KeyUsage": usage })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_rotation_names_the_key_by_its_arn_and_is_false_where_nothing_rotates() {
    let deployment = Deployment::build().await;
    for (spec, usage) in [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        ("RSA_2048", "ENCRYPT_DECRYPT"),
        ("HMAC_256", "GENERATE_VERIFY_MAC"),
        ("ECC_NIST_P256", "SIGN_VERIFY"),
    ] {
        let key = key_of(&deployment, spec, usage).await;
        let status = deployment.ask("GetKeyRotationStatus", json!({ "KeyId": key })).await.ok();
        assert_eq!(status, json!({ "KeyId": arn(&key), "KeyRotationEnabled": false }), "{spec}");
    }
    let key = deployment.create_key(json!({ "Origin": "EXTERNAL" })).await;
    let status = deployment.ask("GetKeyRotationStatus", json!({ "KeyId": key })).await.ok();
    assert_eq!(status["KeyRotationEnabled"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_on_demand_looks_at_the_state_before_the_kind() {
    let deployment = Deployment::build().await;
    let key = key_of(&deployment, "RSA_2048", "ENCRYPT_DECRYPT").await;
    let rotate = json!({ "KeyId": key });
    deployment.ask("RotateKeyOnDemand", rotate.clone()).await.refused("UnsupportedOperationException");
    deployment.ask("DisableKey", rotate.clone()).await.ok();
    let said = deployment.ask("RotateKeyOnDemand", rotate).await.refused("DisabledException");
    assert_eq!(said, format!("{} is disabled.", arn(&key)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ciphertext_under_a_key_of_another_kind_is_of_another_key() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let sealed = deployment.ask("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" })).await.ok();
    let blob = &sealed["CiphertextBlob"];
    let mut others = vec![deployment.create_key(json!({})).await];
    for (spec, usage) in
        [("RSA_2048", "ENCRYPT_DECRYPT"), ("RSA_2048", "SIGN_VERIFY"), ("HMAC_224", "GENERATE_VERIFY_MAC")]
    {
        others.push(key_of(&deployment, spec, usage).await);
    }
    for other in others {
        let said = deployment.ask("Decrypt", json!({ "CiphertextBlob": blob, "KeyId": other })).await;
        let words = "The key ID in the request does not identify a CMK that can perform this operation.";
        assert_eq!(said.refused("IncorrectKeyException"), words);
        assert!(said.entry().is_some());
        let again = json!({ "CiphertextBlob": blob, "SourceKeyId": other, "DestinationKeyId": key });
        assert_eq!(deployment.ask("ReEncrypt", again).await.refused("IncorrectKeyException"), words);
        // What is no ciphertext of anybody is not of another key.
        let nobody = json!({ "CiphertextBlob": "bm90aGluZw==", "KeyId": other });
        let said = deployment.ask("Decrypt", nobody).await.json()["__type"].clone();
        assert_ne!(said, "IncorrectKeyException");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_algorithm_that_does_not_go_with_the_spec_is_named_as_aws_names_both() {
    let deployment = Deployment::build().await;
    let rsa = key_of(&deployment, "RSA_2048", "ENCRYPT_DECRYPT").await;
    let sign = key_of(&deployment, "ECC_NIST_P256", "SIGN_VERIFY").await;
    let mac = key_of(&deployment, "HMAC_224", "GENERATE_VERIFY_MAC").await;
    let aes = deployment.create_key(json!({})).await;
    let cases = [
        (
            "Encrypt",
            json!({ "KeyId": rsa, "Plaintext": "aGk=" }),
            "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.",
        ),
        (
            "Encrypt",
            json!({ "KeyId": aes, "Plaintext": "aGk=", "EncryptionAlgorithm": "RSAES_OAEP_SHA_1" }),
            "Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT.",
        ),
        (
            "Sign",
            json!({ "KeyId": sign, "Message": "aGk=", "SigningAlgorithm": "RSASSA_PSS_SHA_256" }),
            "Algorithm RSASSA_PSS_SHA_256 is incompatible with key spec ECC_NIST_P256.",
        ),
        (
            "Verify",
            json!({ "KeyId": sign, "Message": "aGk=", "SigningAlgorithm": "ECDSA_SHA_384", "Signature": "aGk=" }),
            "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256.",
        ),
        (
            "GenerateMac",
            json!({ "KeyId": mac, "Message": "aGk=", "MacAlgorithm": "HMAC_SHA_256" }),
            "Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_224.",
        ),
        (
            "VerifyMac",
            json!({ "KeyId": mac, "Message": "aGk=", "MacAlgorithm": "HMAC_SHA_512", "Mac": "aGk=" }),
            "Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_224.",
        ),
    ];
    for (operation, body, said) in cases {
        assert_eq!(deployment.ask(operation, body).await.refused("InvalidKeyUsageException"), said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rsa_says_how_much_it_takes() {
    let deployment = Deployment::build().await;
    let key = key_of(&deployment, "RSA_2048", "ENCRYPT_DECRYPT").await;
    let encrypt = |algorithm: &str, length: usize| {
        let plaintext = STANDARD.encode(vec![7; length]);
        json!({ "KeyId": key, "Plaintext": plaintext, "EncryptionAlgorithm": algorithm })
    };
    for (algorithm, most) in [("RSAES_OAEP_SHA_256", 190), ("RSAES_OAEP_SHA_1", 214)] {
        deployment.ask("Encrypt", encrypt(algorithm, most)).await.ok();
        let said = deployment.ask("Encrypt", encrypt(algorithm, most + 1)).await;
        let words = format!(
            "Algorithm {algorithm} and key spec RSA_2048 cannot encrypt data larger than {most} bytes."
        );
        assert_eq!(said.refused("ValidationException"), words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_tools_look_for_are_those_of_aws() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let elsewhere = arn(&key).replace("us-east-1", "eu-west-1");
    let no_prefix = "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html";
    let no_usage = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.";
    let cases: [(&str, Value, &str, &str); 6] = [
        (
            "CreateAlias",
            json!({ "AliasName": "orders", "TargetKeyId": key }),
            "ValidationException",
            no_prefix,
        ),
        ("DeleteAlias", json!({ "AliasName": "orders" }), "ValidationException", no_prefix),
        (
            "CreateAlias",
            json!({ "AliasName": "alias/a:b", "TargetKeyId": key }),
            "ValidationException",
            "alias/a:b contains invalid characters for an alias",
        ),
        ("DescribeKey", json!({ "KeyId": elsewhere }), "NotFoundException", "Invalid arn eu-west-1"),
        ("CreateKey", json!({ "KeySpec": "HMAC_256" }), "ValidationException", no_usage),
        ("CreateKey", json!({ "KeySpec": "RSA_2048" }), "ValidationException", no_usage),
    ];
    for (operation, body, code, said) in cases {
        assert_eq!(deployment.ask(operation, body).await.refused(code), said, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_empty_message() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let sealed = deployment.ask("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" })).await.ok();
    let decrypt =
        json!({ "CiphertextBlob": sealed["CiphertextBlob"], "EncryptionContext": { "another": "context" } });
    let answer = deployment.ask("Decrypt", decrypt).await;
    assert_eq!(answer.json(), json!({ "__type": "InvalidCiphertextException" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gave_a_grant_retires_it_where_nobody_is_named_to() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let app = "arn:aws:iam::000000000000:user/app";
    let wish = json!({ "KeyId": key, "GranteePrincipal": app, "Operations": ["Encrypt"] });
    let encrypt = json!({ "KeyId": key, "Plaintext": "aGk=" });
    let given = deployment.ask("CreateGrant", wish.clone()).await.ok();
    let retire = json!({ "KeyId": arn(&key), "GrantId": given["GrantId"] });
    deployment.ask_as(&deployment.app, "Encrypt", encrypt.clone()).await.ok();
    // The one who has it may not, since it does not say so.
    deployment.ask_as(&deployment.app, "RetireGrant", retire.clone()).await.refused("AccessDeniedException");
    deployment.ask("RetireGrant", retire).await.ok();
    deployment.ask_as(&deployment.app, "Encrypt", encrypt.clone()).await.refused("AccessDeniedException");
    // Where somebody is named, only that one.
    let mut named = wish;
    named["RetiringPrincipal"] = json!(app);
    let given = deployment.ask("CreateGrant", named).await.ok();
    let retire = json!({ "KeyId": arn(&key), "GrantId": given["GrantId"] });
    deployment.ask("RetireGrant", retire.clone()).await.refused("NotFoundException");
    deployment.ask_as(&deployment.app, "RetireGrant", retire).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_counts_from_the_day_it_was_enabled_and_not_from_one_on_demand() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    deployment.clock.advance(DAY * 300);
    let enable = json!({ "KeyId": key, "RotationPeriodInDays": 180 });
    deployment.ask("EnableKeyRotation", enable.clone()).await.ok();
    let next = async || {
        let status = deployment.ask("GetKeyRotationStatus", json!({ "KeyId": key })).await.ok();
        status["NextRotationDate"].as_f64().unwrap()
    };
    let first = next().await;
    let expected = deployment.clock.in_seconds(180 * 86_400).as_micros() as f64 / 1e6;
    assert!((first - expected).abs() < 60.0, "{first} {expected}");
    deployment.clock.advance(DAY * 10);
    deployment.ask("RotateKeyOnDemand", json!({ "KeyId": key })).await.ok();
    deployment.ask("EnableKeyRotation", enable).await.ok();
    assert_eq!(next().await.to_bits(), first.to_bits());
}
