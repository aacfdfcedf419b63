"""Sign, Verify and GetPublicKey. What is signed inside is verified outside, and the other way round."""

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key

from harness.coverage import covers
from harness.refusal import method, refused

MESSAGE = b"pay 100 to alice"
SHA = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
RSA = [
    (f"RSA_{bits}", f"RSASSA_{scheme}_SHA_{digest}")
    for bits in (2048, 3072, 4096)
    for scheme in ("PSS", "PKCS1_V1_5")
    for digest in SHA
]
EC = [
    ("ECC_NIST_P256", "ECDSA_SHA_256"),
    ("ECC_NIST_P384", "ECDSA_SHA_384"),
    ("ECC_NIST_P521", "ECDSA_SHA_512"),
    ("ECC_SECG_P256K1", "ECDSA_SHA_256"),
]
DIGESTED = RSA + EC
EDWARDS = ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512")
LATTICE = [(f"ML_DSA_{level}", "ML_DSA_SHAKE_256") for level in (44, 65, 87)]
ALL = [*DIGESTED, EDWARDS, *LATTICE]
# The lattice signatures' lengths (FIPS 204, table 2).
LATTICE_BYTES = {"ML_DSA_44": 2420, "ML_DSA_65": 3309, "ML_DSA_87": 4627}


@pytest.fixture(scope="module")
def signer(kms):
    """One signing key per spec."""
    made = {}

    def key(spec):
        if spec not in made:
            made[spec] = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        return made[spec]

    return key


def verify_outside(public, algorithm, signature, message, prehashed=False):
    """Verifies with `cryptography`; raises if it is wrong."""
    if algorithm.startswith(("ED25519", "ML_DSA")):
        return public.verify(signature, message)
    digest = SHA[algorithm.rpartition("_")[2]]()
    given = utils.Prehashed(digest) if prehashed else digest
    if algorithm.startswith("ECDSA"):
        return public.verify(signature, message, ec.ECDSA(given))
    if "PSS" in algorithm:
        # AWS: the salt is as long as the digest.
        scheme = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    else:
        scheme = padding.PKCS1v15()
    return public.verify(signature, message, scheme, given)


def digest_of(algorithm, message):
    """The digest that the algorithm signs."""
    return hashlib.new(f"sha{algorithm.rpartition('_')[2]}", message).digest()


@pytest.mark.parametrize(("spec", "algorithm"), ALL)
@covers("Sign", params=["KeyId", "Message", "SigningAlgorithm", "MessageType"])
@covers("Verify", params=["KeyId", "Message", "SigningAlgorithm", "MessageType", "Signature"])
@covers("GetPublicKey", params=["KeyId"])
def test_message_signed_inside_verifies_inside_and_outside(kms, signer, spec, algorithm):
    key = signer(spec)
    for wish in ({}, {"MessageType": "RAW"}):
        signed = kms.sign(KeyId=key["KeyId"], Message=MESSAGE, SigningAlgorithm=algorithm, **wish)
        assert (signed["KeyId"], signed["SigningAlgorithm"]) == (key["Arn"], algorithm)
        verified = kms.verify(
            KeyId=key["Arn"], Message=MESSAGE, SigningAlgorithm=algorithm, Signature=signed["Signature"], **wish
        )
        assert (verified["KeyId"], verified["SignatureValid"]) == (key["Arn"], True)
        assert verified["SigningAlgorithm"] == algorithm
        public = load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
        verify_outside(public, algorithm, signed["Signature"], MESSAGE)
        assert len(signed["Signature"]) == LATTICE_BYTES.get(spec, len(signed["Signature"]))


@pytest.mark.parametrize(("spec", "algorithm"), DIGESTED)
@covers("Sign", params=["MessageType"])
@covers("Verify", params=["MessageType"])
def test_digest_signed_inside_is_the_message_signed(kms, signer, spec, algorithm):
    key, digest = signer(spec), digest_of(algorithm, MESSAGE)
    wish = {"KeyId": key["KeyId"], "SigningAlgorithm": algorithm}
    signature = kms.sign(Message=digest, MessageType="DIGEST", **wish)["Signature"]
    assert kms.verify(Message=digest, MessageType="DIGEST", Signature=signature, **wish)["SignatureValid"]
    assert kms.verify(Message=MESSAGE, MessageType="RAW", Signature=signature, **wish)["SignatureValid"]
    public = load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    verify_outside(public, algorithm, signature, digest, prehashed=True)


@pytest.mark.parametrize(
    ("spec", "algorithm"), [("RSA_2048", "RSASSA_PSS_SHA_256"), ("ECC_NIST_P384", "ECDSA_SHA_384")]
)
@pytest.mark.parametrize("length", [1, 31, 33, 64])
@pytest.mark.parametrize("operation", ["Sign", "Verify"])
def test_digest_has_the_length_of_its_algorithm(kms, signer, spec, algorithm, length, operation):
    more = {"Signature": bytes(64)} if operation == "Verify" else {}
    with refused("ValidationException", message="Digest is invalid length for algorithm .*"):
        method(kms, operation)(
            KeyId=signer(spec)["KeyId"],
            Message=bytes(length),
            MessageType="DIGEST",
            SigningAlgorithm=algorithm,
            **more,
        )


@pytest.mark.parametrize(("spec", "algorithm"), [pair for pair in ALL if pair[0] not in ("RSA_3072", "RSA_4096")])
@covers("Verify", errors=["KMSInvalidSignatureException"])
def test_wrong_signature_is_an_error_and_never_false(kms, signer, spec, algorithm):
    wish = {"KeyId": signer(spec)["KeyId"], "SigningAlgorithm": algorithm}
    signature = kms.sign(Message=MESSAGE, **wish)["Signature"]
    changed = signature[:-1] + bytes([signature[-1] ^ 1])
    for wrong in (changed, b"\0", signature[:-1], signature + b"\0"):
        with refused("KMSInvalidSignatureException"):
            kms.verify(Message=MESSAGE, Signature=wrong, **wish)
    with refused("KMSInvalidSignatureException"):
        kms.verify(Message=MESSAGE + b"0", Signature=signature, **wish)


def test_signature_of_another_key_is_wrong(kms, signer, new_key):
    wish = {"Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}
    other = new_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    signature = kms.sign(KeyId=other["KeyId"], **wish)["Signature"]
    with refused("KMSInvalidSignatureException"):
        kms.verify(KeyId=signer("ECC_NIST_P256")["KeyId"], Signature=signature, **wish)


@pytest.mark.parametrize("size", [1, 4096])
def test_message_is_at_most_4096_bytes(kms, loose, signer, size):
    wish = {"KeyId": signer("ECC_NIST_P256")["KeyId"], "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = kms.sign(Message=bytes(size), **wish)["Signature"]
    assert kms.verify(Message=bytes(size), Signature=signature, **wish)["SignatureValid"]
    with refused("ValidationException", message=".*'message'.*"):
        loose.sign(Message=bytes(4097), **wish)


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [
        ("RSA_2048", "ECDSA_SHA_256"),
        ("ECC_NIST_P256", "ECDSA_SHA_384"),
        ("ECC_NIST_P256", "RSASSA_PSS_SHA_256"),
        ("ECC_NIST_EDWARDS25519", "ECDSA_SHA_512"),
        ("ML_DSA_65", "ED25519_SHA_512"),
    ],
)
@covers("Sign", errors=["InvalidKeyUsageException"])
@covers("Verify", errors=["InvalidKeyUsageException"])
def test_algorithm_must_be_one_of_the_key(kms, signer, spec, algorithm):
    wish = {"KeyId": signer(spec)["KeyId"], "Message": MESSAGE, "SigningAlgorithm": algorithm}
    with refused("InvalidKeyUsageException"):
        kms.sign(**wish)
    with refused("InvalidKeyUsageException"):
        kms.verify(Signature=bytes(64), **wish)


@pytest.mark.parametrize("usage", ["symmetric", "rsa", "mac", "agree", "kem"])
def test_keys_of_other_usages_neither_sign_nor_verify(kms, kit, usage):
    word, arn = kit.metadata(usage)["KeyUsage"], kit.arn(usage)
    wish = {"KeyId": arn, "Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}
    with refused("InvalidKeyUsageException", message=f"{arn} key usage is {word} which is not valid for Sign."):
        kms.sign(**wish)
    with refused("InvalidKeyUsageException", message=f"{arn} key usage is {word} which is not valid for Verify."):
        kms.verify(Signature=bytes(64), **wish)


# ---- what is particular to Ed25519 and ML-DSA


def test_ed25519_signs_whole_messages_only(kms, signer):
    wish = {"KeyId": signer(EDWARDS[0])["KeyId"], "SigningAlgorithm": "ED25519_SHA_512"}
    with refused("ValidationException"):
        kms.sign(Message=bytes(64), MessageType="DIGEST", **wish)


def test_ed25519ph_signs_digests_only(kms, signer):
    wish = {"KeyId": signer(EDWARDS[0])["KeyId"], "SigningAlgorithm": "ED25519_PH_SHA_512"}
    with refused("ValidationException"):
        kms.sign(Message=MESSAGE, MessageType="RAW", **wish)


def test_ed25519ph_signature_of_a_digest_verifies(kms, signer):
    wish = {
        "KeyId": signer(EDWARDS[0])["KeyId"],
        "SigningAlgorithm": "ED25519_PH_SHA_512",
        "MessageType": "DIGEST",
        "Message": hashlib.sha512(MESSAGE).digest(),
    }
    signature = kms.sign(**wish)["Signature"]
    assert len(signature) == 64
    assert kms.verify(Signature=signature, **wish)["SignatureValid"]


def test_ml_dsa_signs_an_external_mu(kms, signer):
    key = signer("ML_DSA_65")
    der = kms.get_public_key(KeyId=key["KeyId"])["PublicKey"]
    public = load_der_public_key(der)
    # mu = H(H(pk) || 0 || 0 || message), with an empty context (FIPS 204, algorithms 2 and 7).
    tr = hashlib.shake_256(public.public_bytes_raw()).digest(64)
    mu = hashlib.shake_256(tr + b"\0\0" + MESSAGE).digest(64)
    wish = {"KeyId": key["KeyId"], "SigningAlgorithm": "ML_DSA_SHAKE_256"}
    signature = kms.sign(Message=mu, MessageType="EXTERNAL_MU", **wish)["Signature"]
    public.verify(signature, MESSAGE)
    assert kms.verify(Message=MESSAGE, MessageType="RAW", Signature=signature, **wish)["SignatureValid"]
    assert kms.verify(Message=mu, MessageType="EXTERNAL_MU", Signature=signature, **wish)["SignatureValid"]


def test_outside_verification_can_fail(kms, signer):
    public = load_der_public_key(kms.get_public_key(KeyId=signer("RSA_2048")["KeyId"])["PublicKey"])
    with pytest.raises(InvalidSignature):
        verify_outside(public, "RSASSA_PSS_SHA_256", bytes(256), MESSAGE)


# ---- public keys

PUBLIC = [
    ("RSA_2048", "ENCRYPT_DECRYPT", "EncryptionAlgorithms"),
    ("RSA_3072", "SIGN_VERIFY", "SigningAlgorithms"),
    ("ECC_NIST_P256", "SIGN_VERIFY", "SigningAlgorithms"),
    ("ECC_NIST_P384", "KEY_AGREEMENT", "KeyAgreementAlgorithms"),
    ("ECC_SECG_P256K1", "SIGN_VERIFY", "SigningAlgorithms"),
    ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", "SigningAlgorithms"),
    ("ML_DSA_65", "SIGN_VERIFY", "SigningAlgorithms"),
    ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "EncapsulationAlgorithms"),
]


@pytest.mark.parametrize(("spec", "usage", "listed"), PUBLIC)
@covers("GetPublicKey", params=["KeyId"])
def test_public_key_is_der_and_says_what_it_is_for(kms, new_key, spec, usage, listed):
    key = new_key(KeySpec=spec, KeyUsage=usage)
    shown = kms.get_public_key(KeyId=key["KeyId"])
    assert (shown["KeyId"], shown["KeySpec"], shown["KeyUsage"]) == (key["Arn"], spec, usage)
    assert shown["CustomerMasterKeySpec"] == spec
    assert sorted(shown[listed]) == sorted(key[listed])
    load_der_public_key(shown["PublicKey"])
    assert kms.get_public_key(KeyId=key["Arn"])["PublicKey"] == shown["PublicKey"]


@pytest.mark.parametrize("usage", ["symmetric", "mac"])
@covers("GetPublicKey", errors=["UnsupportedOperationException"])
def test_keys_without_a_public_half_show_none(kms, kit, usage):
    with refused("UnsupportedOperationException"):
        kms.get_public_key(KeyId=kit.id(usage))
