"""Encrypt, Decrypt and ReEncrypt, under symmetric keys and RSA keys."""

import os

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from harness.coverage import covers
from harness.refusal import refused

INCORRECT = "The key ID in the request does not identify a CMK that can perform this operation."
DIGESTS = {"RSAES_OAEP_SHA_1": hashes.SHA1, "RSAES_OAEP_SHA_256": hashes.SHA256}
# Modulus in bytes, less twice the digest, less two (RFC 8017, 7.1.1).
OAEP_LIMITS = [
    (f"RSA_{bits}", algorithm, bits // 8 - 2 * DIGESTS[algorithm].digest_size - 2)
    for bits in (2048, 3072, 4096)
    for algorithm in DIGESTS
]


@pytest.fixture(scope="module")
def rsa(kms):
    """One RSA key per spec."""
    made = {}

    def key(spec="RSA_2048"):
        if spec not in made:
            made[spec] = kms.create_key(KeySpec=spec, KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]
        return made[spec]

    return key


# ---- symmetric


@pytest.mark.parametrize("size", [1, 16, 32, 96, 1000, 4095, 4096])
@covers("Encrypt", params=["KeyId", "Plaintext"])
@covers("Decrypt", params=["CiphertextBlob"])
def test_what_is_sealed_opens_without_naming_the_key(kms, kit, size):
    plaintext = os.urandom(size)
    sealed = kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=plaintext)
    assert (sealed["KeyId"], sealed["EncryptionAlgorithm"]) == (kit.arn("symmetric"), "SYMMETRIC_DEFAULT")
    assert len(sealed["CiphertextBlob"]) <= 6144
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])
    assert opened["Plaintext"] == plaintext
    assert (opened["KeyId"], opened["EncryptionAlgorithm"]) == (kit.arn("symmetric"), "SYMMETRIC_DEFAULT")
    assert opened["KeyMaterialId"] == kit.metadata("symmetric")["CurrentKeyMaterialId"]


@covers("Encrypt", params=["EncryptionAlgorithm"])
@covers("Decrypt", params=["KeyId", "EncryptionAlgorithm"])
def test_what_is_sealed_opens_with_every_name_of_the_key(kms, kit, unique):
    alias = f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=kit.id("symmetric"))
    sealed = kms.encrypt(KeyId=alias, Plaintext=b"x", EncryptionAlgorithm="SYMMETRIC_DEFAULT")["CiphertextBlob"]
    for name in (kit.id("symmetric"), kit.arn("symmetric"), alias, kit.arn("symmetric").rpartition("key/")[0] + alias):
        opened = kms.decrypt(KeyId=name, CiphertextBlob=sealed, EncryptionAlgorithm="SYMMETRIC_DEFAULT")
        assert (opened["Plaintext"], opened["KeyId"]) == (b"x", kit.arn("symmetric"))


def test_same_plaintext_never_gives_the_same_ciphertext(kms, kit):
    sealed = {kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x")["CiphertextBlob"] for _ in range(20)}
    assert len(sealed) == 20


@pytest.mark.parametrize("size", [0, 4097, 8192])
def test_plaintext_is_1_to_4096_bytes(loose, kit, size):
    with refused("ValidationException", message=".*'plaintext'.*"):
        loose.encrypt(KeyId=kit.id("symmetric"), Plaintext=bytes(size))


@pytest.mark.parametrize("size", [0, 6145, 9000])
def test_ciphertext_is_1_to_6144_bytes(loose, size):
    with refused("ValidationException", message=".*'ciphertextBlob'.*"):
        loose.decrypt(CiphertextBlob=bytes(size))


@covers("Decrypt", errors=["InvalidCiphertextException"])
def test_what_is_no_ciphertext_opens_to_nothing(kms, kit):
    for blob in (b"\0", b"not a ciphertext", bytes(100), os.urandom(6144), kit.ciphertext[:-1], kit.ciphertext + b"\0"):
        with refused("InvalidCiphertextException", message=""):
            kms.decrypt(CiphertextBlob=blob)


def test_no_bit_of_a_ciphertext_can_be_changed(kms, kit):
    for position in range(len(kit.ciphertext)):
        changed = bytearray(kit.ciphertext)
        changed[position] ^= 1 << (position % 8)
        with refused("InvalidCiphertextException", message=""):
            kms.decrypt(CiphertextBlob=bytes(changed))


def test_no_bit_of_a_ciphertext_can_be_changed_when_the_key_is_named(kms, kit):
    for position in range(0, len(kit.ciphertext), 3):
        changed = bytearray(kit.ciphertext)
        changed[position] ^= 0x80
        with refused("InvalidCiphertextException", "IncorrectKeyException"):
            kms.decrypt(CiphertextBlob=bytes(changed), KeyId=kit.arn("symmetric"))


def test_rsa_says_how_much_it_takes(kms, kit):
    for algorithm, most in (("RSAES_OAEP_SHA_256", 190), ("RSAES_OAEP_SHA_1", 214)):
        wish = {"KeyId": kit.id("rsa"), "EncryptionAlgorithm": algorithm}
        kms.encrypt(Plaintext=bytes(most), **wish)
        message = f"Algorithm {algorithm} and key spec RSA_2048 cannot encrypt data larger than {most} bytes."
        with refused("ValidationException", message=message):
            kms.encrypt(Plaintext=bytes(most + 1), **wish)


@pytest.mark.parametrize("usage", ["rsa", "sign", "mac"])
def test_ciphertext_is_of_no_key_of_another_kind(kms, kit, usage):
    with refused("IncorrectKeyException", message=INCORRECT):
        kms.decrypt(CiphertextBlob=kit.ciphertext, KeyId=kit.id(usage))
    with refused("IncorrectKeyException", message=INCORRECT):
        kms.re_encrypt(
            CiphertextBlob=kit.ciphertext, SourceKeyId=kit.id(usage), DestinationKeyId=kit.id("symmetric")
        )


@covers("Decrypt", params=["KeyId"], errors=["IncorrectKeyException"])
def test_ciphertext_of_one_key_does_not_open_with_another(kms, kit, new_key):
    with refused("IncorrectKeyException", message=INCORRECT):
        kms.decrypt(CiphertextBlob=kit.ciphertext, KeyId=new_key()["KeyId"])


@covers("Encrypt", errors=["InvalidKeyUsageException"])
def test_algorithm_must_be_one_of_the_key(kms, kit, rsa):
    with refused("InvalidKeyUsageException"):
        kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    with refused("InvalidKeyUsageException"):
        kms.encrypt(KeyId=rsa()["KeyId"], Plaintext=b"x")


@pytest.mark.parametrize("usage", ["sign", "mac", "agree", "kem"])
@covers("Encrypt", errors=["InvalidKeyUsageException"])
def test_keys_of_other_usages_do_not_encrypt(kms, kit, usage):
    word = kit.metadata(usage)["KeyUsage"]
    with refused(
        "InvalidKeyUsageException", message=f"{kit.arn(usage)} key usage is {word} which is not valid for Encrypt."
    ):
        kms.encrypt(KeyId=kit.id(usage), Plaintext=b"x")


@pytest.mark.parametrize("usage", ["sign", "mac"])
@covers("Decrypt", errors=["InvalidKeyUsageException"])
def test_keys_of_other_usages_do_not_decrypt(kms, kit, usage):
    word = kit.metadata(usage)["KeyUsage"]
    with refused(
        "InvalidKeyUsageException", message=f"{kit.arn(usage)} key usage is {word} which is not valid for Decrypt."
    ):
        kms.decrypt(KeyId=kit.id(usage), CiphertextBlob=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256")


# ---- RSA


@pytest.mark.parametrize(("spec", "algorithm", "limit"), OAEP_LIMITS)
@covers("Encrypt", params=["EncryptionAlgorithm"])
@covers("Decrypt", params=["EncryptionAlgorithm", "KeyId"])
def test_rsa_takes_what_oaep_leaves_room_for(kms, rsa, spec, algorithm, limit):
    key = rsa(spec)
    for size in (1, limit):
        plaintext = os.urandom(size)
        sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=plaintext, EncryptionAlgorithm=algorithm)
        assert (sealed["KeyId"], sealed["EncryptionAlgorithm"]) == (key["Arn"], algorithm)
        opened = kms.decrypt(KeyId=key["KeyId"], CiphertextBlob=sealed["CiphertextBlob"], EncryptionAlgorithm=algorithm)
        assert (opened["Plaintext"], opened["EncryptionAlgorithm"]) == (plaintext, algorithm)
        assert "KeyMaterialId" not in opened
    with refused("ValidationException"):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=bytes(limit + 1), EncryptionAlgorithm=algorithm)


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_what_is_sealed_outside_with_the_public_key_opens_inside(kms, rsa, algorithm):
    key = rsa()
    public = load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    digest = DIGESTS[algorithm]()
    oaep = padding.OAEP(mgf=padding.MGF1(algorithm=digest), algorithm=digest, label=None)
    sealed = public.encrypt(b"from outside", oaep)
    opened = kms.decrypt(KeyId=key["KeyId"], CiphertextBlob=sealed, EncryptionAlgorithm=algorithm)
    assert opened["Plaintext"] == b"from outside"


def test_rsa_ciphertext_is_bare_so_that_it_needs_the_key_and_the_algorithm(kms, rsa):
    key = rsa()
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256")["CiphertextBlob"]
    assert len(sealed) == 256
    with refused("InvalidCiphertextException"):
        kms.decrypt(CiphertextBlob=sealed)
    with refused("ValidationException", "InvalidCiphertextException", "InvalidKeyUsageException"):
        kms.decrypt(CiphertextBlob=sealed, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    with refused("InvalidKeyUsageException"):
        kms.decrypt(CiphertextBlob=sealed, KeyId=key["KeyId"])
    with refused("InvalidCiphertextException"):
        kms.decrypt(CiphertextBlob=sealed, KeyId=key["KeyId"], EncryptionAlgorithm="RSAES_OAEP_SHA_1")


def test_rsa_ciphertext_that_was_changed_opens_to_nothing(kms, rsa):
    key = rsa()
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256")["CiphertextBlob"]
    for blob in (sealed[:-1], sealed + b"\0", bytes(256), b"\xff" * 256, sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with refused("InvalidCiphertextException", message=""):
            kms.decrypt(CiphertextBlob=blob, KeyId=key["KeyId"], EncryptionAlgorithm="RSAES_OAEP_SHA_256")


def test_rsa_takes_no_encryption_context(kms, rsa):
    with refused("ValidationException"):
        kms.encrypt(
            KeyId=rsa()["KeyId"],
            Plaintext=b"x",
            EncryptionAlgorithm="RSAES_OAEP_SHA_256",
            EncryptionContext={"a": "b"},
        )


# ---- from key to key


@covers("ReEncrypt", params=["CiphertextBlob", "DestinationKeyId", "SourceKeyId"])
def test_reencryption_moves_a_ciphertext_to_another_key(kms, kit, new_key):
    other = new_key()
    moved = kms.re_encrypt(
        CiphertextBlob=kit.ciphertext, SourceKeyId=kit.id("symmetric"), DestinationKeyId=other["KeyId"]
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (kit.arn("symmetric"), other["Arn"])
    assert moved["SourceEncryptionAlgorithm"] == moved["DestinationEncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    assert moved["SourceKeyMaterialId"] == kit.metadata("symmetric")["CurrentKeyMaterialId"]
    assert moved["DestinationKeyMaterialId"] == other["CurrentKeyMaterialId"]
    assert "Plaintext" not in moved
    opened = kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])
    assert opened["KeyId"] == other["Arn"]
    assert opened["Plaintext"] == kms.decrypt(CiphertextBlob=kit.ciphertext)["Plaintext"]


@covers("ReEncrypt", params=["SourceEncryptionContext", "DestinationEncryptionContext"])
def test_reencryption_changes_the_context(kms, kit):
    sealed = kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", EncryptionContext={"old": "1"})["CiphertextBlob"]
    moved = kms.re_encrypt(
        CiphertextBlob=sealed,
        SourceEncryptionContext={"old": "1"},
        DestinationKeyId=kit.id("symmetric"),
        DestinationEncryptionContext={"new": "2"},
    )["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=moved, EncryptionContext={"new": "2"})["Plaintext"] == b"x"
    for wrong in ({"old": "1"}, {}):
        with refused("InvalidCiphertextException"):
            kms.decrypt(CiphertextBlob=moved, EncryptionContext=wrong)


@covers("ReEncrypt", params=["SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm"])
def test_reencryption_goes_from_symmetric_to_rsa_and_between_rsa_algorithms(kms, kit, rsa):
    key = rsa()
    moved = kms.re_encrypt(
        CiphertextBlob=kit.ciphertext,
        DestinationKeyId=key["KeyId"],
        DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_256",
    )
    again = kms.re_encrypt(
        CiphertextBlob=moved["CiphertextBlob"],
        SourceKeyId=key["KeyId"],
        SourceEncryptionAlgorithm="RSAES_OAEP_SHA_256",
        DestinationKeyId=key["KeyId"],
        DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_1",
    )
    back = kms.re_encrypt(
        CiphertextBlob=again["CiphertextBlob"],
        SourceKeyId=key["KeyId"],
        SourceEncryptionAlgorithm="RSAES_OAEP_SHA_1",
        DestinationKeyId=kit.id("symmetric"),
    )
    assert again["SourceEncryptionAlgorithm"] == "RSAES_OAEP_SHA_256"
    assert again["DestinationEncryptionAlgorithm"] == "RSAES_OAEP_SHA_1"
    assert kms.decrypt(CiphertextBlob=back["CiphertextBlob"])["Plaintext"] == b"attack at dawn"


@covers("ReEncrypt", errors=["InvalidCiphertextException"])
def test_reencryption_asks_for_the_context_of_the_source(kms, kit):
    sealed = kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    with refused("InvalidCiphertextException", message=""):
        kms.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=kit.id("symmetric"))


@covers("ReEncrypt", errors=["IncorrectKeyException"])
def test_reencryption_with_another_source_key_is_refused(kms, kit, new_key):
    with refused("IncorrectKeyException", message=INCORRECT):
        kms.re_encrypt(
            CiphertextBlob=kit.ciphertext, SourceKeyId=new_key()["KeyId"], DestinationKeyId=kit.id("symmetric")
        )


@covers("ReEncrypt", errors=["InvalidKeyUsageException"])
def test_reencryption_needs_a_destination_that_encrypts(kms, kit):
    with refused("InvalidKeyUsageException"):
        kms.re_encrypt(CiphertextBlob=kit.ciphertext, DestinationKeyId=kit.id("sign"))


def test_plaintext_that_does_not_fit_the_destination_is_not_moved(kms, kit, rsa):
    sealed = kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=bytes(4096))["CiphertextBlob"]
    with refused("ValidationException", "InvalidCiphertextException"):
        kms.re_encrypt(
            CiphertextBlob=sealed,
            DestinationKeyId=rsa()["KeyId"],
            DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_256",
        )
