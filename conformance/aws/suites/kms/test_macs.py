"""GenerateMac and VerifyMac, held against Python's own HMAC by keys that were brought in."""

import hashlib
import hmac
import os

import pytest

from harness.byok import bring
from harness.coverage import covers
from harness.refusal import method, refused

BITS = [224, 256, 384, 512]
# What AWS lets one import as material of each spec.
MATERIAL_BYTES = {224: 28, 256: 32, 384: 48, 512: 64}


@pytest.mark.parametrize("bits", BITS)
@covers("GenerateMac", params=["KeyId", "Message", "MacAlgorithm"])
@covers("VerifyMac", params=["KeyId", "Message", "MacAlgorithm", "Mac"])
def test_mac_of_a_message_verifies(kms, new_key, bits):
    key, algorithm = new_key(KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC"), f"HMAC_SHA_{bits}"
    for message in (b"m", bytes(4096)):
        made = kms.generate_mac(KeyId=key["KeyId"], Message=message, MacAlgorithm=algorithm)
        assert (made["KeyId"], made["MacAlgorithm"], len(made["Mac"])) == (key["Arn"], algorithm, bits // 8)
        checked = kms.verify_mac(KeyId=key["KeyId"], Message=message, MacAlgorithm=algorithm, Mac=made["Mac"])
        assert (checked["KeyId"], checked["MacValid"], checked["MacAlgorithm"]) == (key["Arn"], True, algorithm)


@pytest.mark.parametrize("bits", BITS)
def test_mac_is_the_hmac_of_the_material(kms, new_key, bits):
    key = new_key(KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC", Origin="EXTERNAL")
    material = os.urandom(MATERIAL_BYTES[bits])
    bring(kms, key["KeyId"], material)
    wish = {"KeyId": key["KeyId"], "Message": b"message", "MacAlgorithm": f"HMAC_SHA_{bits}"}
    outside = hmac.digest(material, b"message", getattr(hashlib, f"sha{bits}"))
    assert kms.generate_mac(**wish)["Mac"] == outside
    assert kms.verify_mac(Mac=outside, **wish)["MacValid"] is True


@covers("VerifyMac", errors=["KMSInvalidMacException"])
def test_wrong_mac_is_an_error_and_never_false(kms, kit):
    wish = {"KeyId": kit.id("mac"), "MacAlgorithm": "HMAC_SHA_256"}
    mac = kms.generate_mac(Message=b"m", **wish)["Mac"]
    for wrong in (bytes(32), mac[:-1], mac + b"\0", mac[:16], b"\0", mac[:-1] + bytes([mac[-1] ^ 1])):
        with refused("KMSInvalidMacException"):
            kms.verify_mac(Message=b"m", Mac=wrong, **wish)
    with refused("KMSInvalidMacException"):
        kms.verify_mac(Message=b"n", Mac=mac, **wish)


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("GenerateMac", marks=covers("GenerateMac", errors=["InvalidKeyUsageException"])),
        pytest.param("VerifyMac", marks=covers("VerifyMac", errors=["InvalidKeyUsageException"])),
    ],
)
def test_algorithm_and_key_must_be_of_one_kind(kms, kit, operation):
    more = {"Mac": bytes(32)} if operation == "VerifyMac" else {}
    with refused("InvalidKeyUsageException"):
        method(kms, operation)(KeyId=kit.id("mac"), Message=b"m", MacAlgorithm="HMAC_SHA_512", **more)
    word = f"{kit.arn('symmetric')} key usage is ENCRYPT_DECRYPT which is not valid for {operation}."
    with refused("InvalidKeyUsageException", message=word):
        method(kms, operation)(KeyId=kit.id("symmetric"), Message=b"m", MacAlgorithm="HMAC_SHA_256", **more)


@pytest.mark.parametrize("size", [0, 4097])
def test_message_is_1_to_4096_bytes(loose, kit, size):
    with refused("ValidationException", message=".*'message'.*"):
        loose.generate_mac(KeyId=kit.id("mac"), Message=bytes(size), MacAlgorithm="HMAC_SHA_256")
