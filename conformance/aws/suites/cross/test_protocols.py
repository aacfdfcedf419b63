"""One key, two protocols: what comes in by the KMS API goes out by REST, and the other way round; one log tells of both."""

import json

import pytest

from harness.deployment import CommandRefused, find
from harness.refusal import refused

pytestmark = pytest.mark.claviger
CONTEXT = {"order": "17", "shop": "north"}
PAIRS = [word for name, value in CONTEXT.items() for word in ("--context", f"{name}={value}")]


def entries(deployment, key, *more):
    """The log's entries about a key."""
    return deployment.cli_json("auditor", "audit", "search", "--key", key, "--page-all", *more)["items"]


# ---- ciphertexts


def test_what_the_sdk_sealed_opens_through_rest(deployment, kms, granted):
    key = granted("encrypt,decrypt")
    sealed = kms.encrypt(KeyId=key, Plaintext=b"4111-1111", EncryptionContext=CONTEXT)["CiphertextBlob"]
    assert deployment.cli("app", "decrypt", *PAIRS, input=sealed) == b"4111-1111"
    with pytest.raises(CommandRefused):
        deployment.cli("app", "decrypt", input=sealed)


def test_what_was_sealed_through_rest_opens_in_the_sdk(deployment, kms, granted):
    key = granted("encrypt,decrypt")
    sealed = deployment.cli("app", "encrypt", "--key", key, "--encoding", "raw", *PAIRS, input=b"4111-1111")
    opened = kms.decrypt(CiphertextBlob=sealed, EncryptionContext=CONTEXT)
    assert opened["Plaintext"] == b"4111-1111" and opened["KeyId"].endswith(key)
    with refused("InvalidCiphertextException"):
        kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"order": "17"})


def test_data_key_of_one_protocol_opens_in_the_other(deployment, kms, granted, tmp_path):
    key = granted("encrypt,decrypt,generate_data_key")
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=CONTEXT)
    assert deployment.cli("app", "decrypt", *PAIRS, input=made["CiphertextBlob"]) == made["Plaintext"]
    sealed, plain = tmp_path / "sealed", tmp_path / "plain"
    deployment.cli("app", "datakey", "--key", key, *PAIRS, "--encoding", "raw",
                   "--out", str(sealed), "--plaintext-out", str(plain))  # fmt: skip
    opened = kms.decrypt(CiphertextBlob=sealed.read_bytes(), EncryptionContext=CONTEXT)["Plaintext"]
    assert opened == plain.read_bytes() and len(opened) == 32


def test_reencryption_through_rest_brings_a_ciphertext_of_the_sdk_to_the_newest_version(deployment, kms, granted):
    key = granted("encrypt,decrypt,reencrypt")
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT)["CiphertextBlob"]
    before = kms.decrypt(CiphertextBlob=sealed, EncryptionContext=CONTEXT)["KeyMaterialId"]
    kms.rotate_key_on_demand(KeyId=key)
    moved = deployment.cli("app", "reencrypt", "--encoding", "raw", *PAIRS, input=sealed)
    opened = kms.decrypt(CiphertextBlob=moved, EncryptionContext=CONTEXT)
    assert opened["Plaintext"] == b"x" and opened["KeyMaterialId"] != before


# ---- signatures and MACs


@pytest.mark.parametrize(
    ("spec", "algorithm", "word"),
    [
        ("ECC_NIST_P256", "ECDSA_SHA_256", "ecdsa-sha256"),
        ("RSA_2048", "RSASSA_PSS_SHA_256", "rsa-pss-sha256"),
        ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512", "ed25519"),
        ("ML_DSA_65", "ML_DSA_SHAKE_256", "ml-dsa"),
    ],
)
def test_signature_of_one_protocol_verifies_in_the_other(deployment, kms, granted, tmp_path, spec, algorithm, word):
    key = granted("sign,verify", KeySpec=spec, KeyUsage="SIGN_VERIFY")
    wish = {"KeyId": key, "Message": b"message", "SigningAlgorithm": algorithm}
    signature = tmp_path / "signature"
    signature.write_bytes(kms.sign(**wish)["Signature"])
    deployment.cli("app", "verify", "--key", key, "--algorithm", word, "--signature", str(signature), input=b"message")
    made = deployment.cli("app", "sign", "--key", key, "--algorithm", word, "--encoding", "raw", input=b"message")
    assert kms.verify(Signature=made, **wish)["SignatureValid"]


def test_mac_of_one_protocol_verifies_in_the_other(deployment, kms, granted, tmp_path):
    key = granted("mac,verify_mac", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    wish = {"KeyId": key, "Message": b"message", "MacAlgorithm": "HMAC_SHA_256"}
    tag = tmp_path / "tag"
    tag.write_bytes(kms.generate_mac(**wish)["Mac"])
    deployment.cli("app", "verify-mac", "--key", key, "--tag", str(tag), input=b"message")
    made = deployment.cli("app", "mac", "--key", key, "--encoding", "raw", input=b"message")
    assert kms.verify_mac(Mac=made, **wish)["MacValid"]


# ---- states and rights


def test_key_that_was_suspended_through_rest_is_disabled_for_the_sdk_at_once(deployment, kms, granted):
    key = granted("encrypt,decrypt")
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    for _ in range(3):
        deployment.cli("responder", "key", "suspend", key, "--reason", "conformance")
        with refused("DisabledException"):
            kms.decrypt(CiphertextBlob=sealed)
        assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
        kms.enable_key(KeyId=key)
        assert deployment.cli("app", "decrypt", input=sealed) == b"x"
        kms.disable_key(KeyId=key)
        with pytest.raises(CommandRefused):
            deployment.cli("app", "decrypt", input=sealed)
        kms.enable_key(KeyId=key)
        assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_compromised_key_is_of_no_use_to_anybody_for_good(deployment, kms, granted):
    key = granted("encrypt,decrypt")
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    deployment.cli("responder", "key", "compromise", key, "--reason", "conformance", "--yes")
    for use in (lambda: kms.decrypt(CiphertextBlob=sealed), lambda: kms.encrypt(KeyId=key, Plaintext=b"x")):
        with refused("DisabledException", "KMSInvalidStateException"):
            use()
    with refused("KMSInvalidStateException"):
        kms.enable_key(KeyId=key)


def test_grant_through_rest_lets_an_application_in_by_the_sdk_and_its_end_locks_it_out(
    deployment, kms, new_key, workload
):
    client, access = workload("both")
    key = new_key()["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    with refused("AccessDeniedException"):
        client.decrypt(CiphertextBlob=sealed)
    grant = deployment.cli_json(
        "security_officer", "grant", "create", access.principal, "--key", key,
        "--operations", "decrypt", "--reason", "conformance",
    )  # fmt: skip
    assert client.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    deployment.cli("security_officer", "grant", "revoke", find(grant, "id"), "--reason", "conformance")
    with refused("AccessDeniedException"):
        client.decrypt(CiphertextBlob=sealed)


def test_withdrawn_principal_is_nobody_from_that_moment(deployment, kms, workload):
    client, access = workload("leaving")
    client.list_keys()
    deployment.cli("security_officer", "principal", "revoke", access.principal, "--reason", "conformance", "--yes")
    with refused("UnrecognizedClientException"):
        client.list_keys()


# ---- the log


def test_every_call_of_the_sdk_is_an_entry_and_refusals_are_too(deployment, kms, granted):
    key = granted("encrypt,decrypt")
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    for _ in range(3):
        kms.decrypt(CiphertextBlob=sealed)
    kms.disable_key(KeyId=key)
    with refused("DisabledException"):
        kms.decrypt(CiphertextBlob=sealed)
    told = entries(deployment, key)
    count = lambda operation, outcome: sum(  # noqa: E731
        entry["operation"] == operation and entry["outcome"] == outcome for entry in told
    )
    assert count("encrypt", "ok") == 1
    assert count("decrypt", "ok") == 3
    assert count("decrypt", "wrong_state") == 1
    assert count("suspend_key", "ok") == 1


def test_no_plaintext_is_in_the_log(deployment, kms, granted):
    key = granted("encrypt,decrypt")
    kms.encrypt(KeyId=key, Plaintext=b"4111-1111-1111-1111", EncryptionContext={"order": "4242-4242"})
    text = json.dumps(entries(deployment, key))
    assert "4111" not in text and "4242-4242" not in text


def test_whole_log_verifies_after_all_of_this(deployment):
    deployment.cli("auditor", "audit", "verify")
