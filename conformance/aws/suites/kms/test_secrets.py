"""Shared secrets: DeriveSharedSecret (ECDH), Encapsulate and Decapsulate (ML-KEM), held against `cryptography`."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from harness.coverage import covers
from harness.refusal import refused

CURVES = {"ECC_NIST_P256": ec.SECP256R1, "ECC_NIST_P384": ec.SECP384R1, "ECC_NIST_P521": ec.SECP521R1}
# Bytes of an ML-KEM ciphertext (FIPS 203, table 3).
CAPSULES = {"ML_KEM_512": 768, "ML_KEM_768": 1088, "ML_KEM_1024": 1568}


def spki(key):
    """A public key in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("spec", CURVES)
@covers("DeriveSharedSecret", params=["KeyId", "KeyAgreementAlgorithm", "PublicKey"])
def test_both_sides_derive_the_same_secret(kms, new_key, spec):
    key, peer = new_key(KeySpec=spec, KeyUsage="KEY_AGREEMENT"), ec.generate_private_key(CURVES[spec]())
    derived = kms.derive_shared_secret(KeyId=key["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=spki(peer))
    assert (derived["KeyId"], derived["KeyAgreementAlgorithm"]) == (key["Arn"], "ECDH")
    assert derived["KeyOrigin"] == "AWS_KMS"
    public = load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    assert derived["SharedSecret"] == peer.exchange(ec.ECDH(), public)


def test_two_keys_inside_agree(kms, new_key):
    one, two = (new_key(KeySpec="ECC_NIST_P384", KeyUsage="KEY_AGREEMENT")["KeyId"] for _ in range(2))
    secrets = {
        kms.derive_shared_secret(
            KeyId=mine, KeyAgreementAlgorithm="ECDH", PublicKey=kms.get_public_key(KeyId=theirs)["PublicKey"]
        )["SharedSecret"]
        for mine, theirs in ((one, two), (two, one))
    }
    assert len(secrets) == 1


def peers():
    """Public keys that no key on P-256 agrees with."""
    yield "another curve", spki(ec.generate_private_key(ec.SECP384R1()))
    yield "no agreement key", spki(ed25519.Ed25519PrivateKey.generate())
    yield "no key", b"not a public key"
    good = spki(ec.generate_private_key(ec.SECP256R1()))
    yield "not on the curve", good[:-1] + bytes([good[-1] ^ 1])
    yield "truncated", good[:-1]
    yield "point at infinity", good[:-65].replace(b"\x03\x42\x00", b"\x03\x02\x00") + b"\0"


WRONG_PEERS = dict(peers())


@pytest.mark.parametrize("peer", WRONG_PEERS.values(), ids=WRONG_PEERS)
def test_peer_must_be_a_point_on_the_curve(kms, kit, peer):
    with refused("ValidationException"):
        kms.derive_shared_secret(KeyId=kit.id("agree"), KeyAgreementAlgorithm="ECDH", PublicKey=peer)


@pytest.mark.parametrize("usage", ["symmetric", "sign", "rsa"])
@covers("DeriveSharedSecret", errors=["InvalidKeyUsageException"])
def test_only_agreement_keys_agree(kms, kit, usage):
    with refused("InvalidKeyUsageException"):
        kms.derive_shared_secret(**(kit.request("DeriveSharedSecret") | {"KeyId": kit.id(usage)}))


# ---- ML-KEM


@pytest.mark.parametrize("spec", CAPSULES)
@covers("Encapsulate", params=["KeyId", "EncapsulationAlgorithm"])
@covers("Decapsulate", params=["KeyId", "EncapsulationAlgorithm", "SharedSecretCiphertextBlob"])
def test_secret_that_goes_in_comes_out(kms, new_key, spec):
    key = new_key(KeySpec=spec, KeyUsage="ENCAPSULATE_DECAPSULATE")
    made = kms.encapsulate(KeyId=key["KeyId"], EncapsulationAlgorithm="ML_KEM")
    assert (made["KeyId"], made["EncapsulationAlgorithm"]) == (key["Arn"], "ML_KEM")
    assert (len(made["SharedSecret"]), len(made["SharedSecretCiphertextBlob"])) == (32, CAPSULES[spec])
    taken = kms.decapsulate(
        KeyId=key["KeyId"],
        EncapsulationAlgorithm="ML_KEM",
        SharedSecretCiphertextBlob=made["SharedSecretCiphertextBlob"],
    )
    assert (taken["KeyId"], taken["EncapsulationAlgorithm"]) == (key["Arn"], "ML_KEM")
    assert taken["SharedSecret"] == made["SharedSecret"]


@pytest.mark.parametrize("spec", ["ML_KEM_768", "ML_KEM_1024"])
def test_secret_encapsulated_outside_comes_out_inside(kms, new_key, spec):
    key = new_key(KeySpec=spec, KeyUsage="ENCAPSULATE_DECAPSULATE")
    public = load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    secret, capsule = public.encapsulate()
    taken = kms.decapsulate(KeyId=key["KeyId"], EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=capsule)
    assert taken["SharedSecret"] == secret


def test_secrets_differ(kms, kit):
    made = [kms.encapsulate(KeyId=kit.id("kem"), EncapsulationAlgorithm="ML_KEM")["SharedSecret"] for _ in range(5)]
    assert len(set(made)) == 5


def test_changed_capsule_gives_another_secret_and_no_error(kms, kit):
    # FIPS 203, 6.3: rejection is implicit, so that nobody can ask whether a capsule is good.
    wish = {"KeyId": kit.id("kem"), "EncapsulationAlgorithm": "ML_KEM"}
    changed = kit.capsule[:-1] + bytes([kit.capsule[-1] ^ 1])
    good = kms.decapsulate(SharedSecretCiphertextBlob=kit.capsule, **wish)["SharedSecret"]
    other = kms.decapsulate(SharedSecretCiphertextBlob=changed, **wish)["SharedSecret"]
    assert other != good and len(other) == 32


@pytest.mark.parametrize("size", [1, 1087, 1089, 1568])
@covers("Decapsulate", errors=["InvalidCiphertextException"])
def test_capsule_has_the_length_of_its_key(kms, kit, size):
    with refused("InvalidCiphertextException"):
        kms.decapsulate(KeyId=kit.id("kem"), EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=bytes(size))


@covers("Encapsulate", errors=["InvalidKeyUsageException"])
@covers("Decapsulate", errors=["InvalidKeyUsageException"])
def test_only_kem_keys_encapsulate(kms, kit):
    with refused("InvalidKeyUsageException"):
        kms.encapsulate(KeyId=kit.id("rsa"), EncapsulationAlgorithm="ML_KEM")
    with refused("InvalidKeyUsageException"):
        kms.decapsulate(
            KeyId=kit.id("symmetric"), EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=bytes(1088)
        )
