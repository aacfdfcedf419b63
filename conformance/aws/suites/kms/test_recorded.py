"""Answers that AWS itself gave: what we say on the same call has the same members, the same values and the same words.

Where something differs each time `harness.answers` says what it is (`<key-id:1>`, `datetime`), and whatever stands there is
taken.
"""

import os
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harness.answers import ANSWERS
from harness.byok import bring
from harness.refusal import method, refused


def recorded(test, step):
    """What AWS said."""
    return ANSWERS[test][step]


def like(expected, found, path=""):
    """Compares, but for what differs each time. Members must be the same on both sides."""
    if isinstance(expected, dict):
        wanted = {name for name in expected if name != "ResponseMetadata"}
        have = {name for name in found if name != "ResponseMetadata"}
        assert wanted == have, f"{path}: {wanted ^ have}"
        for name in wanted:
            like(expected[name], found[name], f"{path}.{name}")
    elif isinstance(expected, list):
        assert isinstance(found, list) and len(expected) == len(found), path
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            like(one, other, f"{path}[{number}]")
    elif isinstance(expected, str):
        text = re.escape(expected)
        text = re.sub(r"<[^<>]*>|111111111111", ".+", text.replace("\\<", "<").replace("\\>", ">"))
        if expected in ("datetime", "ciphertext-blob", "plaintext", "public-key", "import-token", "shared-secret",
                        "private-key-ciphertext-blob"):  # fmt: skip
            return
        assert re.fullmatch(text, str(found)), f"{path}: {found!r} is not like {expected!r}"
    else:
        assert expected == found, path


def error_like(expected, caught):
    """The same, for a refusal."""
    said = caught.value.response["Error"]
    like(expected["Error"], {name: said[name] for name in expected["Error"]})
    assert expected["ResponseMetadata"]["HTTPStatusCode"] == caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def metadata(kms, **wishes):
    """A new key's metadata."""
    return kms.create_key(**wishes)["KeyMetadata"]


def test_new_key(kms):
    like(recorded("TestKMS::test_create_key", "describe-key"), metadata(kms, Description="test key 123"))


def test_key_that_is_expressly_of_one_region(kms):
    test = "TestKMS::test_non_multi_region_keys_should_not_have_multi_region_properties"
    expected = recorded(test, "non_multi_region_keys_should_not_have_multi_region_properties")
    like(expected, metadata(kms, Description=expected["Description"], MultiRegion=False))


STEPS = ["describe-key-before-import", "describe-key-after-import", "describe-key-after-deleted-import"]


def through_its_life(kms, test, key, material):
    """Describes a key before it has material, with it, and after it is taken away; each time as AWS did."""
    before, after, gone = (recorded(test, step) for step in STEPS)
    like(before, kms.describe_key(KeyId=key))
    bring(kms, key, material, "RSA_AES_KEY_WRAP_SHA_256")
    like(after, kms.describe_key(KeyId=key))
    kms.delete_imported_key_material(KeyId=key)
    like(gone, kms.describe_key(KeyId=key))


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1"])
def test_imported_elliptic_key_through_its_life(kms, spec):
    curve = {"P256": ec.SECP256R1, "P384": ec.SECP384R1, "P521": ec.SECP521R1, "P256K1": ec.SECP256K1}
    private = ec.generate_private_key(curve[spec.rpartition("_")[2]]())
    material = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    made = metadata(kms, KeySpec=spec, KeyUsage="SIGN_VERIFY", Origin="EXTERNAL", Description="test ecc key import")
    through_its_life(kms, f"TestKMS::test_import_key_ecc_keys[{spec}]", made["KeyId"], material)


@pytest.mark.parametrize(("spec", "size"), [("HMAC_224", 28), ("HMAC_256", 32), ("HMAC_384", 48), ("HMAC_512", 64)])
def test_imported_mac_key_through_its_life(kms, spec, size):
    test = f"TestKMS::test_import_key_hmac_keys[{spec}]"
    description = recorded(test, "describe-key-before-import")["KeyMetadata"]["Description"]
    made = metadata(kms, KeySpec=spec, KeyUsage="GENERATE_VERIFY_MAC", Origin="EXTERNAL", Description=description)
    through_its_life(kms, test, made["KeyId"], os.urandom(size))


def test_imported_symmetric_key_through_its_life(kms):
    made = metadata(kms, Origin="EXTERNAL", Description="x")
    through_its_life(kms, "TestKMS::test_import_key_symmetric", made["KeyId"], os.urandom(32))


def test_material_id_changes_with_rotation(kms):
    test = "TestKMS::test_key_rotation_updates_current_key_material_id_for_aws_symmetric_keys"
    key = metadata(kms, Description="test-key")["KeyId"]
    like(recorded(test, "describe-key-before-rotation"), kms.describe_key(KeyId=key))
    like(recorded("TestKMS::test_rotate_on_demand_returns_arn_for_key_id", "rotate-on-demand-aws-key"),
         kms.rotate_key_on_demand(KeyId=key))  # fmt: skip
    like(recorded(test, "describe-key-after-rotation"), kms.describe_key(KeyId=key))


@pytest.mark.parametrize("days", [90, 180])
def test_rotation_status(kms, days):
    key = metadata(kms)["KeyId"]
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=days)
    expected = recorded(f"TestKMS::test_key_enable_rotation_status[{days}]", "match_response")
    like(expected, kms.get_key_rotation_status(KeyId=key))


def test_encryption_and_its_refusals(kms):
    test, key = "TestKMS::test_encrypt_decrypt_encryption_context", metadata(kms)["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b"})
    like(recorded(test, "encrypt_response"), sealed)
    blob = sealed["CiphertextBlob"]
    opened = kms.decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext={"a": "b"})
    like(recorded(test, "decrypt_response_with_encryption_context"), opened)
    with refused("InvalidCiphertextException") as caught:
        kms.decrypt(KeyId=key, CiphertextBlob=blob)
    error_like(recorded(test, "decrypt_response_without_encryption_context"), caught)
    with refused("InvalidCiphertextException") as caught:
        kms.decrypt(KeyId=key, CiphertextBlob=b"something", EncryptionContext={"a": "b"})
    error_like(recorded(test, "decrypt_response_with_invalid_ciphertext"), caught)


SYMMETRIC = {"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT"}
SIGNING = {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}
MAC = {"KeySpec": "HMAC_224", "KeyUsage": "GENERATE_VERIFY_MAC"}


@pytest.mark.parametrize(
    ("step", "operation", "kind", "request_"),
    [
        ("encrypt-invalid-key-id", "Encrypt", SIGNING, {"Plaintext": b"test message 123!@#"}),
        ("generate-mac-invalid-key-id", "GenerateMac", SYMMETRIC, {"Message": b"m", "MacAlgorithm": "HMAC_SHA_224"}),
        ("sign-invalid-key-id", "Sign", MAC, {"Message": b"m", "SigningAlgorithm": "RSASSA_PSS_SHA_256"}),
        (
            "verify-invalid-key-id",
            "Verify",
            SYMMETRIC,
            {"Message": b"m", "Signature": b"random text", "SigningAlgorithm": "ECDSA_SHA_256"},
        ),
    ],
)
def test_use_that_is_not_of_the_key(kms, step, operation, kind, request_):
    with refused("InvalidKeyUsageException") as caught:
        method(kms, operation)(KeyId=metadata(kms, **kind)["KeyId"], **request_)
    error_like(recorded("TestKMS::test_error_messaging_for_invalid_keys", step), caught)


def test_ciphertext_of_another_key(kms, kit, new_key):
    with refused("IncorrectKeyException") as caught:
        kms.decrypt(CiphertextBlob=kit.ciphertext, KeyId=new_key(**MAC)["KeyId"])
    error_like(recorded("TestKMS::test_error_messaging_for_invalid_keys", "decrypt-invalid-key-id"), caught)
    with refused("IncorrectKeyException") as caught:
        kms.re_encrypt(
            CiphertextBlob=kit.ciphertext, SourceKeyId=new_key()["KeyId"], DestinationKeyId=new_key()["KeyId"]
        )
    error_like(recorded("TestKMS::test_re_encrypt_incorrect_source_key", "incorrect-source-key"), caught)


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
def test_macs(kms, bits):
    test = f"TestKMS::test_generate_and_verify_mac[HMAC_{bits}-HMAC_SHA_{bits}]"
    key = metadata(kms, KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC")["KeyId"]
    wish = {"Message": b"some important message", "MacAlgorithm": f"HMAC_SHA_{bits}"}
    made = kms.generate_mac(KeyId=key, **wish)
    like(recorded(test, "generate-mac"), made)
    like(recorded(test, "verify-mac"), kms.verify_mac(KeyId=key, Mac=made["Mac"], **wish))
    with refused("NotFoundException") as caught:
        kms.generate_mac(KeyId="key_id", **wish)
    error_like(recorded(test, "generate-mac-invalid-key-id"), caught)
    with refused("NotFoundException") as caught:
        kms.verify_mac(KeyId="key_id", Mac=made["Mac"], **wish)
    error_like(recorded(test, "verify-mac-invalid-key-id"), caught)


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("describe-nonexistent-key-with-id", "134f2428-cec1-4b25-a1ae-9048164dba47"),
        ("describe-key-with-valid-id-mrk", "mrk-cdb209c6b5b84dd9a8ab9d8b9d6a3ba1"),
    ],
)
def test_key_that_is_not_there(kms, step, name):
    with refused("NotFoundException") as caught:
        kms.describe_key(KeyId=name)
    error_like(recorded("TestKMS::test_get_key_does_not_exist", step), caught)


def test_tags_that_are_refused(kms, loose):
    for case, name in (("lowercase_prefix", "aws:key1"), ("uppercase_prefix", "AWS:key1"), ("too_long_key", "a" * 129)):
        with refused("TagException", "ValidationException") as caught:
            loose.create_key(Tags=[{"TagKey": name, "TagValue": "value1"}])
        error_like(recorded(f"TestKMS::test_create_key_with_invalid_tag_key[{case}]", "invalid-tag-key"), caught)
    with refused("ValidationException") as caught:
        loose.create_key(Tags=[{"TagKey": "tag1", "TagValue": "v" * 257}])
    error_like(recorded("TestKMS::test_key_with_long_tag_value_raises_error", "too-long-tag-value"), caught)
    with refused("TagException") as caught:
        kms.create_key(Tags=[{"TagKey": "tag1", "TagValue": "1"}, {"TagKey": "tag1", "TagValue": "2"}])
    error_like(recorded("TestKMS::test_tag_key_with_duplicate_tag_keys_raises_error", "duplicate-tag-keys"), caught)


def test_origin_that_takes_no_material(kms, kit):
    with refused("UnsupportedOperationException") as caught:
        kms.get_parameters_for_import(**kit.request("GetParametersForImport"))
    error_like(recorded("TestKMS::test_get_parameters_for_import", "response-error"), caught)


def test_expiry_without_a_date(kms):
    key = metadata(kms, Origin="EXTERNAL")["KeyId"]
    with refused("ValidationException") as caught:
        bring(kms, key, bytes(32), ExpirationModel="KEY_MATERIAL_EXPIRES")
    error_like(recorded("TestKMS::test_import_key_symmetric", "import-expiring-key-without-valid-to"), caught)


@pytest.mark.parametrize("operation", ["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"])
def test_dry_runs(kms, kit, operation):
    name = {"GenerateDataKeyPair": "test_generate_data_key_pair_dry_run",
            "GenerateDataKeyPairWithoutPlaintext": "test_generate_data_key_pair_without_plaintext_dry_run"}[operation]  # fmt: skip
    with refused("DryRunOperationException") as caught:
        method(kms, operation)(DryRun=True, **kit.request(operation))
    error_like(recorded(f"TestKMSGenerateKeys::{name}", "dryrun_exception"), caught)


def test_rotations_that_are_refused(kms, kit):
    disabled = metadata(kms, KeySpec="RSA_4096", KeyUsage="ENCRYPT_DECRYPT")["KeyId"]
    kms.disable_key(KeyId=disabled)
    waiting = metadata(kms, Origin="EXTERNAL")["KeyId"]
    full = metadata(kms, Origin="EXTERNAL")["KeyId"]
    bring(kms, full, bytes(32))
    cases = [
        (disabled, "test_rotate_key_on_demand_raises_error_given_key_is_disabled", "error-response"),
        (
            waiting,
            "test_rotate_key_on_demand_on_external_key_with_no_key_material[SYMMETRIC_DEFAULT]",
            "rotate-key-on-demand-error-response-SYMMETRIC_DEFAULT",
        ),
        (
            full,
            "test_rotate_key_on_demand_raises_for_no_pending_key_material",
            "rotate-key-on-demand-invalid-state-error",
        ),
    ]
    for key, test, step in cases:
        with refused("DisabledException", "KMSInvalidStateException") as caught:
            kms.rotate_key_on_demand(KeyId=key)
        error_like(recorded(f"TestKMS::{test}", step), caught)
