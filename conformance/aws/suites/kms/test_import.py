"""Bring your own key: parameters, wrapping, import, expiry, removal."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from harness.byok import bring, wrap
from harness.coverage import covers
from harness.refusal import refused

ALGORITHMS = ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"]
WRAPPING_SPECS = ["RSA_2048", "RSA_3072", "RSA_4096"]
NEVER = "KEY_MATERIAL_DOES_NOT_EXPIRE"
CURVES = {
    "ECC_NIST_P256": (ec.SECP256R1, "ECDSA_SHA_256"),
    "ECC_NIST_P384": (ec.SECP384R1, "ECDSA_SHA_384"),
    "ECC_NIST_P521": (ec.SECP521R1, "ECDSA_SHA_512"),
    "ECC_SECG_P256K1": (ec.SECP256K1, "ECDSA_SHA_256"),
}


def pkcs8(key):
    """A private key as AWS wants it."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def spki(key):
    """Its public half."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def external(new_key):
    """A key that waits for material."""
    return lambda **wishes: new_key(Origin="EXTERNAL", **wishes)


def state(kms, key):
    """State and what else tells of material."""
    return kms.describe_key(KeyId=key)["KeyMetadata"]


def parameters(kms, key, algorithm="RSAES_OAEP_SHA_256", spec="RSA_2048"):
    """What is needed for one import."""
    return kms.get_parameters_for_import(KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec=spec)


# ---- parameters


@pytest.mark.parametrize("spec", WRAPPING_SPECS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@covers("GetParametersForImport", params=["KeyId", "WrappingAlgorithm", "WrappingKeySpec"])
@covers("ImportKeyMaterial", params=["KeyId", "ImportToken", "EncryptedKeyMaterial", "ExpirationModel"])
def test_material_comes_in_by_every_wrapping(kms, external, algorithm, spec):
    key = external()
    given = parameters(kms, key["KeyId"], algorithm, spec)
    assert given["KeyId"] == key["Arn"]
    assert load_der_public_key(given["PublicKey"]).key_size == int(spec[4:])
    assert 1 <= len(given["ImportToken"]) <= 6144
    day = timedelta(hours=24)
    assert day - timedelta(minutes=5) < given["ParametersValidTo"] - datetime.now(UTC) < day + timedelta(minutes=5)
    imported = kms.import_key_material(
        KeyId=key["KeyId"],
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrap(given["PublicKey"], algorithm, os.urandom(32)),
        ExpirationModel=NEVER,
    )
    assert imported["KeyId"] == key["Arn"] and len(imported["KeyMaterialId"]) == 64
    metadata = state(kms, key["KeyId"])
    assert (metadata["KeyState"], metadata["Enabled"], metadata["ExpirationModel"]) == ("Enabled", True, NEVER)
    assert metadata["CurrentKeyMaterialId"] == imported["KeyMaterialId"]
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_public_key_and_token_are_new_each_time(kms, external):
    key = external()["KeyId"]
    one, two = parameters(kms, key), parameters(kms, key)
    assert one["ImportToken"] != two["ImportToken"] and one["PublicKey"] != two["PublicKey"]


@pytest.mark.parametrize("algorithm", ["RSAES_PKCS1_V1_5", "SM2PKE"])
def test_wrapping_that_is_no_more_taken_is_refused(kms, external, algorithm):
    spec = "SM2" if algorithm == "SM2PKE" else "RSA_2048"
    with refused("UnsupportedOperationException", "ValidationException"):
        parameters(kms, external()["KeyId"], algorithm, spec)


@pytest.mark.parametrize("usage", ["symmetric", "rsa", "mac"])
@covers("GetParametersForImport", errors=["UnsupportedOperationException"])
@covers("ImportKeyMaterial", errors=["UnsupportedOperationException"])
@covers("DeleteImportedKeyMaterial", errors=["UnsupportedOperationException"])
def test_keys_made_here_take_no_material(kms, kit, usage):
    message = f"{kit.arn(usage)} origin is AWS_KMS which is not valid for this operation."
    with refused("UnsupportedOperationException", message=message):
        parameters(kms, kit.id(usage))
    with refused("UnsupportedOperationException", message=message):
        kms.import_key_material(KeyId=kit.id(usage), ImportToken=b"x", EncryptedKeyMaterial=b"x", ExpirationModel=NEVER)
    with refused("UnsupportedOperationException", message=message):
        kms.delete_imported_key_material(KeyId=kit.id(usage))


# ---- all kinds of material


@pytest.mark.parametrize("spec", CURVES)
def test_elliptic_key_signs_as_it_did_outside(kms, external, spec):
    curve, algorithm = CURVES[spec]
    private = ec.generate_private_key(curve())
    key = external(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    bring(kms, key["KeyId"], pkcs8(private), "RSA_AES_KEY_WRAP_SHA_256")
    assert kms.get_public_key(KeyId=key["KeyId"])["PublicKey"] == spki(private)
    wish = {"KeyId": key["KeyId"], "Message": b"m", "SigningAlgorithm": algorithm}
    assert kms.verify(Signature=kms.sign(**wish)["Signature"], **wish)["SignatureValid"]
    metadata = state(kms, key["KeyId"])
    assert (metadata["KeyState"], metadata["ExpirationModel"]) == ("Enabled", NEVER)
    assert "CurrentKeyMaterialId" not in metadata


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
@pytest.mark.parametrize("algorithm", ["RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"])
def test_rsa_key_opens_what_was_sealed_outside(kms, external, bits, algorithm):
    private = rsa.generate_private_key(65537, bits)
    key = external(KeySpec=f"RSA_{bits}", KeyUsage="ENCRYPT_DECRYPT")
    bring(kms, key["KeyId"], pkcs8(private), algorithm, "RSA_4096")
    assert kms.get_public_key(KeyId=key["KeyId"])["PublicKey"] == spki(private)
    wish = {"KeyId": key["KeyId"], "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    sealed = kms.encrypt(Plaintext=b"x", **wish)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed, **wish)["Plaintext"] == b"x"


def test_agreement_key_agrees_as_it_did_outside(kms, external):
    private, peer = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    key = external(KeySpec="ECC_NIST_P384", KeyUsage="KEY_AGREEMENT")
    bring(kms, key["KeyId"], pkcs8(private), "RSA_AES_KEY_WRAP_SHA_256")
    derived = kms.derive_shared_secret(KeyId=key["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=spki(peer))
    assert derived["SharedSecret"] == private.exchange(ec.ECDH(), peer.public_key())
    assert derived["KeyOrigin"] == "EXTERNAL"


@pytest.mark.parametrize(
    ("wishes", "material"),
    [
        ({}, bytes(16)),
        ({}, bytes(31)),
        ({}, bytes(33)),
        ({}, bytes(64)),
        ({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}, bytes(8)),
        ({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}, bytes(32)),
        ({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}, pkcs8(ec.generate_private_key(ec.SECP384R1()))),
    ],
    ids=["16 bytes", "31 bytes", "33 bytes", "64 bytes", "short MAC key", "no PKCS #8", "another curve"],
)
def test_material_must_fit_the_spec(kms, external, wishes, material):
    key = external(**wishes)
    with refused("IncorrectKeyMaterialException", "InvalidCiphertextException", "ValidationException"):
        bring(kms, key["KeyId"], material, "RSA_AES_KEY_WRAP_SHA_256")
    assert state(kms, key["KeyId"])["KeyState"] == "PendingImport"


# ---- tokens and ciphertexts that are not right


@covers("ImportKeyMaterial", errors=["InvalidImportTokenException"])
def test_token_belongs_to_one_key(kms, external):
    one, two = external()["KeyId"], external()["KeyId"]
    given = parameters(kms, one)
    wrapped = wrap(given["PublicKey"], "RSAES_OAEP_SHA_256", bytes(32))
    for token in (given["ImportToken"], b"no token", given["ImportToken"][:-1], bytes(len(given["ImportToken"]))):
        with refused("InvalidImportTokenException"):
            kms.import_key_material(KeyId=two, ImportToken=token, EncryptedKeyMaterial=wrapped, ExpirationModel=NEVER)


@covers("ImportKeyMaterial", errors=["InvalidCiphertextException"])
def test_material_must_be_wrapped_with_the_key_of_the_token(kms, external):
    key = external()["KeyId"]
    one, two = parameters(kms, key), parameters(kms, key)
    wrong = [
        wrap(two["PublicKey"], "RSAES_OAEP_SHA_256", bytes(32)),
        wrap(one["PublicKey"], "RSAES_OAEP_SHA_1", bytes(32)),
        bytes(256),
        b"short",
    ]
    for wrapped in wrong:
        with refused("InvalidCiphertextException"):
            kms.import_key_material(
                KeyId=key, ImportToken=one["ImportToken"], EncryptedKeyMaterial=wrapped, ExpirationModel=NEVER
            )


# ---- the same material again


@covers("ImportKeyMaterial", params=["ImportType"], errors=["IncorrectKeyMaterialException"])
def test_only_the_same_material_comes_back(kms, external):
    key, material = external()["KeyId"], os.urandom(32)
    first = bring(kms, key, material)["KeyMaterialId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.delete_imported_key_material(KeyId=key)
    with refused("IncorrectKeyMaterialException"):
        bring(kms, key, os.urandom(32))
    again = bring(kms, key, material, ImportType="EXISTING_KEY_MATERIAL")
    assert again["KeyMaterialId"] == first
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    with refused("IncorrectKeyMaterialException"):
        bring(kms, key, material, ImportType="NEW_KEY_MATERIAL")


def der(tag, *parts):
    """A DER value."""
    content = b"".join(parts)
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x81, size])) + content


def forms(private):
    """A P-256 key as tools export it: with its point, without, compressed; bare, and in PKCS #8."""
    scalar = private.private_numbers().private_value.to_bytes(32, "big")
    curve = bytes.fromhex("06082a8648ce3d030107")
    algorithm = der(0x30, bytes.fromhex("06072a8648ce3d0201"), curve)
    public = private.public_key()
    points = [None, *(public.public_bytes(Encoding.X962, form) for form in
                      (PublicFormat.UncompressedPoint, PublicFormat.CompressedPoint))]  # fmt: skip
    for point in points:
        tail = b"" if point is None else der(0xA1, der(0x03, b"\x00", point))
        yield der(0x30, b"\x02\x01\x01", der(0x04, scalar), der(0xA0, curve), tail)
        inner = der(0x30, b"\x02\x01\x01", der(0x04, scalar), tail)
        yield der(0x30, b"\x02\x01\x00", algorithm, der(0x04, inner))


@covers("ImportKeyMaterial")
def test_key_that_another_tool_exported_is_the_same_material(kms, external):
    private = ec.generate_private_key(ec.SECP256R1())
    key = external(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    first = bring(kms, key, pkcs8(private), "RSA_AES_KEY_WRAP_SHA_256")["KeyMaterialId"]
    for material in forms(private):
        kms.delete_imported_key_material(KeyId=key)
        assert bring(kms, key, material, "RSA_AES_KEY_WRAP_SHA_256")["KeyMaterialId"] == first
        assert kms.get_public_key(KeyId=key)["PublicKey"] == spki(private)
    other = rsa.generate_private_key(65537, 2048)
    key = external(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyId"]
    bring(kms, key, pkcs8(other), "RSA_AES_KEY_WRAP_SHA_256")
    kms.delete_imported_key_material(KeyId=key)
    pkcs1 = other.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    bring(kms, key, pkcs1, "RSA_AES_KEY_WRAP_SHA_256")
    assert kms.get_public_key(KeyId=key)["PublicKey"] == spki(other)


@covers("ImportKeyMaterial", params=["KeyMaterialId"])
def test_material_is_named_by_its_id_when_it_comes_back(kms, external):
    key, material = external()["KeyId"], os.urandom(32)
    first = bring(kms, key, material)["KeyMaterialId"]
    kms.delete_imported_key_material(KeyId=key)
    with refused("IncorrectKeyMaterialException", "ValidationException"):
        bring(kms, key, material, KeyMaterialId="0" * 64)
    assert bring(kms, key, material, KeyMaterialId=first)["KeyMaterialId"] == first
    (entry,) = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert (entry["ImportState"], entry["ExpirationModel"]) == ("IMPORTED", "KEY_MATERIAL_DOES_NOT_EXPIRE")


@covers("ImportKeyMaterial", params=["KeyMaterialDescription"])
def test_description_of_material_is_kept(kms, external):
    key = external()["KeyId"]
    bring(kms, key, os.urandom(32), KeyMaterialDescription="from the vault in the cellar")
    (entry,) = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert entry["KeyMaterialDescription"] == "from the vault in the cellar"


@covers("ImportKeyMaterial", errors=["KMSInvalidStateException"])
def test_one_material_waits_for_rotation_at_a_time(kms, external):
    made = external()
    key = made["KeyId"]
    bring(kms, key, b"1" * 32)
    waiting = bring(kms, key, b"2" * 32, ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    message = (
        f"New key material \\(id: [0-9a-f]{{64}}\\) cannot be imported into KMS key {made['Arn']}, because another "
        f"key material \\(id: {waiting}\\) is pending rotation."
    )
    with refused("KMSInvalidStateException", message=message):
        bring(kms, key, b"3" * 32, ImportType="NEW_KEY_MATERIAL")


# ---- removal and expiry


@covers("DeleteImportedKeyMaterial", params=["KeyId"])
def test_removed_material_is_unusable_and_removing_twice_is_in_peace(kms, external):
    key, material = external(), os.urandom(32)
    first = bring(kms, key["KeyId"], material)["KeyMaterialId"]
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    answer = kms.delete_imported_key_material(KeyId=key["KeyId"])
    assert (answer["KeyId"], answer["KeyMaterialId"]) == (key["Arn"], first)
    kms.delete_imported_key_material(KeyId=key["KeyId"])
    metadata = state(kms, key["KeyId"])
    assert (metadata["KeyState"], metadata["Enabled"]) == ("PendingImport", False)
    assert metadata["CurrentKeyMaterialId"] == first and "ExpirationModel" not in metadata
    message = f"{key['Arn']} is pending import."
    with refused("KMSInvalidStateException", message=message):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")
    with refused("KMSInvalidStateException", message=message):
        kms.decrypt(CiphertextBlob=sealed)


@covers("DeleteImportedKeyMaterial", params=["KeyMaterialId"])
def test_material_is_removed_by_its_id(kms, external):
    key = external()["KeyId"]
    first = bring(kms, key, os.urandom(32))["KeyMaterialId"]
    with refused("NotFoundException", "ValidationException"):
        kms.delete_imported_key_material(KeyId=key, KeyMaterialId="0" * 64)
    kms.delete_imported_key_material(KeyId=key, KeyMaterialId=first)
    assert state(kms, key)["KeyState"] == "PendingImport"


@covers("ImportKeyMaterial", params=["ValidTo"])
def test_material_expires_by_itself(kms, external):
    key, material = external(), os.urandom(32)
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
    bring(kms, key["KeyId"], material, ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=end)
    metadata = state(kms, key["KeyId"])
    assert (metadata["ExpirationModel"], metadata["ValidTo"]) == ("KEY_MATERIAL_EXPIRES", end)
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 1.5)
    with refused("KMSInvalidStateException", message=f"{key['Arn']} is pending import."):
        kms.decrypt(CiphertextBlob=sealed)
    assert state(kms, key["KeyId"])["KeyState"] == "PendingImport"
    bring(kms, key["KeyId"], material)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_expiry_and_its_model_go_together(kms, external):
    key = external()["KeyId"]
    soon = datetime.now(UTC) + timedelta(days=1)
    message = "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"
    with refused("ValidationException", message=message):
        bring(kms, key, bytes(32), ExpirationModel="KEY_MATERIAL_EXPIRES")
    for model, end in [
        (NEVER, soon),
        ("KEY_MATERIAL_EXPIRES", datetime.now(UTC) - timedelta(days=1)),
        ("KEY_MATERIAL_EXPIRES", datetime.now(UTC) + timedelta(days=366)),
    ]:
        with refused("ValidationException"):
            bring(kms, key, bytes(32), ExpirationModel=model, ValidTo=end)
    assert state(kms, key)["KeyState"] == "PendingImport"


def test_expiry_is_the_rule_when_nothing_is_said(kms, external):
    key = external()["KeyId"]
    given = parameters(kms, key)
    with refused("ValidationException"):
        kms.import_key_material(
            KeyId=key,
            ImportToken=given["ImportToken"],
            EncryptedKeyMaterial=wrap(given["PublicKey"], "RSAES_OAEP_SHA_256", bytes(32)),
        )
