"""Key states: what a disabled key, one that waits for deletion and one that waits for material still do.

The table follows AWS's "Key states of AWS KMS keys". Each row is tried with a request that is valid for an enabled key.
"""

import pytest

from harness.byok import bring
from harness.coverage import covers
from harness.kits import CRYPTOGRAPHIC, OF_A_KEY
from harness.refusal import method, refused

DISABLED, DELETED = "disabled", "pending deletion"
INVALID = "KMSInvalidStateException"

# Operation: what a disabled key answers, and what one that waits for deletion answers. `None` is a good answer.
TABLE = {operation: ("DisabledException", INVALID) for operation in [*CRYPTOGRAPHIC, "GetPublicKey"]} | {
    "CancelKeyDeletion": (INVALID, None),
    "CreateGrant": ("DisabledException", INVALID),
    "DescribeKey": (None, None),
    "DisableKey": (None, INVALID),
    "DisableKeyRotation": ("DisabledException", INVALID),
    "EnableKey": (None, INVALID),
    "EnableKeyRotation": ("DisabledException", INVALID),
    "GetKeyLastUsage": (None, None),
    "GetKeyPolicy": (None, None),
    "GetKeyRotationStatus": (None, None),
    "ListGrants": (None, None),
    "ListKeyPolicies": (None, None),
    "ListKeyRotations": (None, None),
    "ListResourceTags": (None, None),
    "PutKeyPolicy": (None, None),
    "RotateKeyOnDemand": ("DisabledException", INVALID),
    "ScheduleKeyDeletion": (None, INVALID),
    "TagResource": (None, INVALID),
    "UntagResource": (None, INVALID),
    "UpdateKeyDescription": (None, INVALID),
}


def prepared(kit, operation):
    """A request that is valid now, and the key it works on."""
    request = kit.request(operation)
    if operation == "ReEncrypt":
        request["DestinationKeyId"] = kit.kms.create_key()["KeyMetadata"]["KeyId"]
    return request, kit.arn(OF_A_KEY[operation][0])


def tried(kms, operation, request, expected, message):
    """Calls, and demands what the table says."""
    if expected is None:
        method(kms, operation)(**request)
        return
    with refused(expected, message=message):
        method(kms, operation)(**request)


@pytest.mark.parametrize("operation", [pytest.param(name, marks=covers(name)) for name in sorted(TABLE)])
def test_disabled_key(kms, fresh_kit, operation):
    request, arn = prepared(fresh_kit, operation)
    kms.disable_key(KeyId=arn)
    expected = TABLE[operation][0]
    message = f"{arn} is disabled." if expected == "DisabledException" else None
    tried(kms, operation, request, expected, message)


@pytest.mark.parametrize("operation", [pytest.param(name, marks=covers(name)) for name in sorted(TABLE)])
def test_key_that_waits_for_deletion(kms, fresh_kit, operation):
    request, arn = prepared(fresh_kit, operation)
    kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    expected = TABLE[operation][1]
    tried(kms, operation, request, expected, f"{arn} is pending deletion." if expected else None)


@pytest.mark.parametrize("state", [DISABLED, DELETED])
@covers("ReEncrypt", params=["DestinationKeyId"])
def test_destination_of_a_reencryption_must_be_usable_too(kms, kit, new_key, state):
    destination = new_key()
    if state == DISABLED:
        kms.disable_key(KeyId=destination["KeyId"])
    else:
        kms.schedule_key_deletion(KeyId=destination["KeyId"], PendingWindowInDays=7)
    with refused("DisabledException" if state == DISABLED else INVALID):
        kms.re_encrypt(CiphertextBlob=kit.ciphertext, DestinationKeyId=destination["KeyId"])


def test_rotation_status_of_a_key_that_waits_for_deletion_is_false_until_it_comes_back(kms, new_key):
    key = new_key()["KeyId"]
    kms.enable_key_rotation(KeyId=key)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    kms.cancel_key_deletion(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True


# ---- a key that waits for material

WITHOUT_MATERIAL = {
    "CreateGrant": INVALID,
    "DescribeKey": None,
    "DisableKey": INVALID,
    "EnableKey": INVALID,
    "Encrypt": INVALID,
    "GenerateDataKey": INVALID,
    "GenerateDataKeyPair": INVALID,
    "GenerateDataKeyPairWithoutPlaintext": INVALID,
    "GenerateDataKeyWithoutPlaintext": INVALID,
    "GetKeyPolicy": None,
    "GetParametersForImport": None,
    "ListGrants": None,
    "ListKeyPolicies": None,
    "ListResourceTags": None,
    "RotateKeyOnDemand": INVALID,
    "ScheduleKeyDeletion": None,
    "TagResource": None,
    "UpdateKeyDescription": None,
}


@pytest.mark.parametrize("operation", [pytest.param(name, marks=covers(name)) for name in sorted(WITHOUT_MATERIAL)])
def test_key_that_waits_for_material(kms, kit, operation):
    made = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]
    request = kit.request(operation, made["KeyId"])
    expected = WITHOUT_MATERIAL[operation]
    tried(kms, operation, request, expected, f"{made['Arn']} is pending import." if expected else None)


@pytest.mark.parametrize("operation", ["DisableKeyRotation", "EnableKeyRotation"])
def test_imported_material_does_not_rotate_by_itself(kms, kit, operation):
    made = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]
    bring(kms, made["KeyId"], bytes(range(32)))
    with refused("UnsupportedOperationException", message=f"{made['Arn']} origin is EXTERNAL which is not valid .*"):
        method(kms, operation)(**kit.request(operation, made["KeyId"]))


@pytest.mark.parametrize("operation", ["GetParametersForImport", "ImportKeyMaterial"])
def test_key_that_waits_for_deletion_takes_no_material(kms, kit, operation):
    made = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]
    kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    with refused(INVALID, message=f"{made['Arn']} is pending deletion."):
        method(kms, operation)(**kit.request(operation, made["KeyId"]))


def test_material_of_a_key_that_waits_for_deletion_can_be_taken_away_and_it_goes_on_waiting(kms):
    made = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]
    bring(kms, made["KeyId"], bytes(range(32)))
    kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    kms.delete_imported_key_material(KeyId=made["KeyId"])
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["KeyState"] == "PendingDeletion"


# ---- aliases look at the state of the key they name


@covers("CreateAlias", errors=["KMSInvalidStateException"])
@covers("UpdateAlias", errors=["KMSInvalidStateException"])
def test_key_that_waits_for_deletion_gets_no_alias_and_loses_one(kms, new_key, unique):
    made, other, alias = new_key(), new_key(), f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
    second = f"alias/{unique()}"
    kms.create_alias(AliasName=second, TargetKeyId=other["KeyId"])
    kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    with refused(INVALID):
        kms.create_alias(AliasName=f"alias/{unique()}", TargetKeyId=made["KeyId"])
    with refused(INVALID):
        kms.update_alias(AliasName=second, TargetKeyId=made["KeyId"])
    kms.delete_alias(AliasName=alias)


def test_disabled_key_gets_aliases(kms, new_key, unique):
    made, alias = new_key(), f"alias/{unique()}"
    kms.disable_key(KeyId=made["KeyId"])
    kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"] == made["KeyId"]
