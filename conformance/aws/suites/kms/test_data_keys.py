"""Data keys, data key pairs and random bytes."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from harness.coverage import covers
from harness.refusal import method, refused

BOTH = ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"]
PAIRS = ["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"]
CURVES = {
    "ECC_NIST_P256": ec.SECP256R1,
    "ECC_NIST_P384": ec.SECP384R1,
    "ECC_NIST_P521": ec.SECP521R1,
    "ECC_SECG_P256K1": ec.SECP256K1,
}
PAIR_SPECS = ["RSA_2048", "RSA_3072", "RSA_4096", *CURVES, "ECC_NIST_EDWARDS25519"]


def marked(operations, **what):
    """Each operation, marked as what the test is for."""
    return [pytest.param(operation, marks=covers(operation, **what)) for operation in operations]


@pytest.mark.parametrize(
    ("wish", "size"),
    [
        ({"KeySpec": "AES_256"}, 32),
        ({"KeySpec": "AES_128"}, 16),
        *(({"NumberOfBytes": n}, n) for n in (1, 24, 64, 1024)),
    ],
)
@pytest.mark.parametrize("operation", marked(BOTH, params=["KeyId"]))
def test_data_key_has_the_length_that_was_asked_for(kms, kit, operation, wish, size):
    made = method(kms, operation)(KeyId=kit.id("symmetric"), **wish)
    assert made["KeyId"] == kit.arn("symmetric")
    assert made["KeyMaterialId"] == kit.metadata("symmetric")["CurrentKeyMaterialId"]
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"]
    assert len(opened) == size
    assert ("Plaintext" in made) == (operation == "GenerateDataKey")
    assert made.get("Plaintext", opened) == opened


@pytest.mark.parametrize("wish", [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}], ids=["neither", "both"])
@pytest.mark.parametrize("operation", marked(BOTH, params=["KeyId"]))
def test_data_key_needs_exactly_one_word_on_its_length(kms, kit, operation, wish):
    with refused("ValidationException", message="Please specify either number of bytes or key spec.*"):
        method(kms, operation)(KeyId=kit.id("symmetric"), **wish)


@pytest.mark.parametrize("size", [-1, 0, 1025, 2**31 - 1])
@pytest.mark.parametrize("operation", marked(BOTH, params=["NumberOfBytes"]))
def test_data_key_has_1_to_1024_bytes(loose, kit, operation, size):
    with refused("ValidationException", message=".*'numberOfBytes'.*"):
        method(loose, operation)(KeyId=kit.id("symmetric"), NumberOfBytes=size)


@pytest.mark.parametrize("usage", ["rsa", "sign", "mac"])
@pytest.mark.parametrize("operation", marked(BOTH + PAIRS, errors=["InvalidKeyUsageException"]))
def test_data_keys_are_made_under_symmetric_keys_only(kms, kit, operation, usage):
    with refused("InvalidKeyUsageException"):
        method(kms, operation)(**kit.request(operation, kit.id(usage)))


def test_data_keys_differ(kms, kit):
    made = {kms.generate_data_key(KeyId=kit.id("symmetric"), KeySpec="AES_256")["Plaintext"] for _ in range(20)}
    assert len(made) == 20


# ---- pairs


@pytest.mark.parametrize("spec", PAIR_SPECS)
@pytest.mark.parametrize("operation", marked(PAIRS, params=["KeyId", "KeyPairSpec"]))
def test_halves_of_a_pair_belong_together(kms, kit, operation, spec):
    made = method(kms, operation)(KeyId=kit.id("symmetric"), KeyPairSpec=spec)
    assert (made["KeyId"], made["KeyPairSpec"]) == (kit.arn("symmetric"), spec)
    assert made["KeyMaterialId"] == kit.metadata("symmetric")["CurrentKeyMaterialId"]
    opened = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"])["Plaintext"]
    assert ("PrivateKeyPlaintext" in made) == (operation == "GenerateDataKeyPair")
    assert made.get("PrivateKeyPlaintext", opened) == opened
    private, public = load_der_private_key(opened, None), load_der_public_key(made["PublicKey"])
    halves = [
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for key in (private.public_key(), public)
    ]
    assert halves[0] == halves[1] == made["PublicKey"]
    if spec.startswith("RSA"):
        assert isinstance(public, rsa.RSAPublicKey) and public.key_size == int(spec[4:])
        assert public.public_numbers().e == 65537
    elif spec in CURVES:
        assert isinstance(public.curve, CURVES[spec])
    else:
        assert isinstance(public, ed25519.Ed25519PublicKey)


@pytest.mark.parametrize("spec", ["ML_KEM_512", "ML_KEM_768", "ML_KEM_1024", "SM2"])
@pytest.mark.parametrize("operation", marked(PAIRS, errors=["UnsupportedOperationException"]))
def test_pairs_of_other_kinds_are_unsupported(kms, kit, operation, spec):
    with refused("UnsupportedOperationException"):
        method(kms, operation)(KeyId=kit.id("symmetric"), KeyPairSpec=spec)


# ---- random bytes


@pytest.mark.parametrize("size", [1, 12, 44, 91, 1024])
@covers("GenerateRandom", params=["NumberOfBytes"])
def test_random_has_the_length_that_was_asked_for(kms, size):
    assert len(kms.generate_random(NumberOfBytes=size)["Plaintext"]) == size


def test_random_is_not_the_same_twice(kms):
    assert len({kms.generate_random(NumberOfBytes=16)["Plaintext"] for _ in range(20)}) == 20


@pytest.mark.parametrize("size", [-1, 0, 1025])
def test_random_has_1_to_1024_bytes(loose, size):
    with refused("ValidationException", message=".*'numberOfBytes'.*"):
        loose.generate_random(NumberOfBytes=size)


def test_random_needs_a_length(kms):
    with refused("ValidationException"):
        kms.generate_random()
