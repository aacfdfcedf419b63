"""Encryption contexts: authenticated, case-sensitive, free of order, the same again or nothing."""

import itertools

import pytest

from harness.coverage import covers
from harness.refusal import refused

CONTEXT = {"order": "17", "Shop": "north", "empty": "", "unicode": "straße, 鍵"}


@pytest.fixture(scope="module")
def sealed(kms, kit):
    """A ciphertext with a context."""
    return kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", EncryptionContext=CONTEXT)["CiphertextBlob"]


@covers("Encrypt", params=["EncryptionContext"])
@covers("Decrypt", params=["EncryptionContext"])
def test_order_of_the_pairs_does_not_matter(kms, sealed):
    for pairs in itertools.permutations(CONTEXT.items()):
        assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext=dict(pairs))["Plaintext"] == b"x"


WRONG = {
    "none": None,
    "empty": {},
    "a pair less": {name: value for name, value in CONTEXT.items() if name != "order"},
    "a pair more": CONTEXT | {"more": "x"},
    "another value": CONTEXT | {"order": "18"},
    "case of a value": CONTEXT | {"Shop": "North"},
    "case of a name": {name.lower(): value for name, value in CONTEXT.items()},
    "blank at the end": CONTEXT | {"order": "17 "},
    "name and value swapped": {value: name for name, value in CONTEXT.items() if value},
    "moved between name and value": {("orde" if name == "order" else name): value for name, value in CONTEXT.items()}
    | {"orde": "r17"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@covers("Decrypt", errors=["InvalidCiphertextException"])
def test_any_other_context_opens_nothing_and_says_nothing(kms, sealed, wrong):
    given = {} if wrong is None else {"EncryptionContext": wrong}
    with refused("InvalidCiphertextException", message=""):
        kms.decrypt(CiphertextBlob=sealed, **given)


def test_empty_context_is_no_context(kms, kit):
    sealed = kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", EncryptionContext={})["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_composed_and_decomposed_letters_differ(kms, kit):
    sealed = kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", EncryptionContext={"n": "\u00e9"})["CiphertextBlob"]
    with refused("InvalidCiphertextException"):
        kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"n": "e\u0301"})


def test_long_context_is_taken_whole(kms, kit):
    context = {f"name-{number:03}": "v" * 60 for number in range(80)}
    sealed = kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"] == b"x"
    with refused("InvalidCiphertextException"):
        kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context | {"name-079": "w"})


@pytest.mark.parametrize(
    "make",
    [
        pytest.param("generate_data_key", marks=covers("GenerateDataKey", params=["EncryptionContext"])),
        pytest.param(
            "generate_data_key_without_plaintext",
            marks=covers("GenerateDataKeyWithoutPlaintext", params=["EncryptionContext"]),
        ),
    ],
)
def test_data_keys_are_bound_to_their_context(kms, kit, make):
    made = getattr(kms, make)(KeyId=kit.id("symmetric"), KeySpec="AES_256", EncryptionContext=CONTEXT)
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)["Plaintext"]
    assert len(opened) == 32 and made.get("Plaintext", opened) == opened
    with refused("InvalidCiphertextException", message=""):
        kms.decrypt(CiphertextBlob=made["CiphertextBlob"])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param("generate_data_key_pair", marks=covers("GenerateDataKeyPair", params=["EncryptionContext"])),
        pytest.param(
            "generate_data_key_pair_without_plaintext",
            marks=covers("GenerateDataKeyPairWithoutPlaintext", params=["EncryptionContext"]),
        ),
    ],
)
def test_data_key_pairs_are_bound_to_their_context(kms, kit, make):
    made = getattr(kms, make)(KeyId=kit.id("symmetric"), KeyPairSpec="ECC_NIST_P256", EncryptionContext=CONTEXT)
    kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext=CONTEXT)
    with refused("InvalidCiphertextException", message=""):
        kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext=CONTEXT | {"order": "1"})
