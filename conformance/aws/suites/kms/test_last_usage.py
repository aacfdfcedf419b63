"""GetKeyLastUsage: when a key was last of use, and since when that is known."""

from datetime import UTC, datetime, timedelta

import pytest

from harness.coverage import covers
from harness.kits import CRYPTOGRAPHIC
from harness.refusal import method, refused


def last(kms, key):
    """What is known of the last use."""
    return kms.get_key_last_usage(KeyId=key)


@covers("GetKeyLastUsage", params=["KeyId"])
def test_key_that_was_never_used_says_so(kms, new_key):
    key = new_key()
    answer = last(kms, key["KeyId"])
    assert answer["KeyId"] in (key["KeyId"], key["Arn"])
    assert answer.get("KeyLastUsage", {}) == {}
    assert abs(answer["KeyCreationDate"] - key["CreationDate"]) < timedelta(seconds=1)
    assert answer["TrackingStartDate"] <= datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.parametrize("operation", sorted(CRYPTOGRAPHIC))
@covers("GetKeyLastUsage")
def test_each_use_is_the_last_one_until_the_next(kms, fresh_kit, operation):
    request = fresh_kit.request(operation)
    method(kms, operation)(**request)
    name = "SourceKeyId" if operation == "ReEncrypt" else "KeyId"
    usage = last(kms, request[name])["KeyLastUsage"]
    assert usage["Operation"] == operation
    assert abs(usage["Timestamp"] - datetime.now(UTC)) < timedelta(minutes=2)
    # The log holds a tag of the request id, and not the id itself.
    assert usage["CloudTrailEventId"] and "KmsRequestId" not in usage


def test_describing_is_no_use(kms, new_key):
    key = new_key()["KeyId"]
    kms.encrypt(KeyId=key, Plaintext=b"x")
    before = last(kms, key)["KeyLastUsage"]
    kms.describe_key(KeyId=key)
    kms.get_key_policy(KeyId=key)
    assert last(kms, key)["KeyLastUsage"] == before


@pytest.mark.parametrize("operation", sorted(CRYPTOGRAPHIC))
def test_dry_run_is_no_use(kms, fresh_kit, operation):
    request = fresh_kit.request(operation)
    key = request["SourceKeyId" if operation == "ReEncrypt" else "KeyId"]
    before = last(kms, key).get("KeyLastUsage", {})
    with refused("DryRunOperationException"):
        method(kms, operation)(DryRun=True, **request)
    assert last(kms, key).get("KeyLastUsage", {}) == before


def test_refused_use_is_no_use(kms, new_key):
    key = new_key()["KeyId"]
    with refused("InvalidKeyUsageException"):
        kms.sign(KeyId=key, Message=b"x", SigningAlgorithm="ECDSA_SHA_256")
    assert last(kms, key).get("KeyLastUsage", {}) == {}
