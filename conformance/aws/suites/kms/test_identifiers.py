"""How keys are named, and what is said of keys that are not there: for every operation that takes a key."""

import uuid

import pytest

from harness.coverage import covers
from harness.kits import CUSTOM_KEY_STORES, MULTI_REGION, OF_A_KEY
from harness.refusal import method, of_model, refused

NAMING = sorted(set(OF_A_KEY) - set(MULTI_REGION))
# These take key ids and key ARNs only, by the model's documentation.
NO_ALIASES = [
    "CancelKeyDeletion", "CreateGrant", "DeleteImportedKeyMaterial", "DisableKey", "DisableKeyRotation", "EnableKey",
    "EnableKeyRotation", "GetKeyPolicy", "GetKeyRotationStatus", "GetParametersForImport", "ImportKeyMaterial",
    "ListGrants", "ListKeyPolicies", "ListResourceTags", "PutKeyPolicy", "RevokeGrant", "ScheduleKeyDeletion",
    "TagResource", "UntagResource", "UpdateKeyDescription",
]  # fmt: skip


def missing(kit):
    """ARN of a key that is not there."""
    return f"{kit.arn('symmetric').rpartition('/')[0]}/{uuid.uuid4()}"


def marked(operations, code):
    """Operations with the error that the test shows of each."""
    return [pytest.param(operation, marks=covers(operation, errors=[code])) for operation in operations]


@pytest.mark.parametrize("operation", marked(NAMING, "NotFoundException"))
def test_key_that_is_not_there(kms, kit_for, operation):
    kit = kit_for(operation)
    arn = missing(kit)
    for name in (arn, arn.rpartition("/")[2]):
        with refused("NotFoundException", message=f"Key '{arn}' does not exist"):
            method(kms, operation)(**kit.request(operation, name))


@pytest.mark.parametrize("operation", marked(NAMING, "NotFoundException"))
def test_name_that_is_none(kms, kit_for, operation):
    kit = kit_for(operation)
    for name in ("key_id", "not a key", "1234"):
        with refused("NotFoundException", message=f"Invalid keyId '{name}'"):
            method(kms, operation)(**kit.request(operation, name))


@pytest.mark.parametrize("operation", NAMING)
def test_arn_that_is_none(kms, kit_for, operation):
    kit = kit_for(operation)
    # The model names InvalidArnException for most; the others are free to say that there is no such key.
    named = of_model(kms, operation, "InvalidArnException", "NotFoundException")
    expected = {named, "InvalidArnException"}
    region = kit.arn("symmetric").rpartition(":")[0]
    for name in ("arn:aws:kms", "arn:aws:s3:::bucket", f"{region}:thing/x"):
        with refused(*expected):
            method(kms, operation)(**kit.request(operation, name))


@pytest.mark.parametrize("operation", marked(NAMING, "NotFoundException"))
def test_key_of_another_region_or_account(kms, kit_for, operation):
    kit = kit_for(operation)
    arn = kit.arn("symmetric")
    account = kit.metadata("symmetric")["AWSAccountId"]
    elsewhere = arn.replace(f":{kms.meta.region_name}:", ":ap-southeast-1:")
    for name in (elsewhere, arn.replace(account, "210987654321")):
        with refused("NotFoundException", "AccessDeniedException"):
            method(kms, operation)(**kit.request(operation, name))
    with refused("NotFoundException"):
        method(kms, operation)(**kit.request(operation, elsewhere))


@pytest.mark.parametrize("operation", marked(NAMING, "NotFoundException"))
def test_alias_that_is_not_there(kms, kit_for, operation, unique):
    kit = kit_for(operation)
    if operation in NO_ALIASES:
        pytest.skip("takes no aliases: the next test")
    with refused("NotFoundException", message="Alias arn:.* is not found."):
        method(kms, operation)(**kit.request(operation, f"alias/{unique()}"))


@pytest.mark.parametrize("operation", NO_ALIASES)
def test_operation_that_takes_no_alias(kms, kit_for, operation, unique):
    kit = kit_for(operation)
    alias = f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=kit.id(OF_A_KEY[operation][0]))
    with refused("NotFoundException", "InvalidArnException", "ValidationException"):
        method(kms, operation)(**kit.request(operation, alias))


def test_multi_region_id_is_a_name_that_nothing_has(kms, kit):
    name = f"mrk-{uuid.uuid4().hex}"
    arn = f"{kit.arn('symmetric').rpartition('/')[0]}/{name}"
    for given in (name, arn):
        with refused("NotFoundException", message=f"Key '{arn}' does not exist"):
            kms.describe_key(KeyId=given)


@covers("CreateAlias", errors=["NotFoundException"])
@covers("UpdateAlias", errors=["NotFoundException"])
@covers("ListAliases", errors=["NotFoundException", "InvalidArnException"])
def test_aliases_of_a_key_that_is_not_there(kms, kit, unique):
    arn, alias = missing(kit), f"alias/{unique()}"
    with refused("NotFoundException"):
        kms.create_alias(AliasName=alias, TargetKeyId=arn)
    kms.create_alias(AliasName=alias, TargetKeyId=kit.id("symmetric"))
    with refused("NotFoundException"):
        kms.update_alias(AliasName=alias, TargetKeyId=arn)
    with refused("NotFoundException"):
        kms.list_aliases(KeyId=arn)
    with refused("InvalidArnException"):
        kms.list_aliases(KeyId="arn:aws:s3:::bucket")


@covers("ReEncrypt", params=["DestinationKeyId"], errors=["NotFoundException"])
def test_destination_that_is_not_there(kms, kit):
    with refused("NotFoundException"):
        kms.re_encrypt(CiphertextBlob=kit.ciphertext, DestinationKeyId=missing(kit))


@covers("RetireGrant", errors=["InvalidArnException", "NotFoundException"])
def test_grant_of_a_key_that_is_not_there_outlives_its_retirement(kms, fresh_kit):
    kit = fresh_kit
    with refused("NotFoundException"):
        kms.retire_grant(KeyId=missing(kit), GrantId=kit.grant)
    with refused("InvalidArnException"):
        kms.retire_grant(KeyId="arn:aws:s3:::bucket", GrantId=kit.grant)
    other = kms.create_key()["KeyMetadata"]["Arn"]
    with refused("NotFoundException"):
        kms.retire_grant(KeyId=other, GrantId=kit.grant)
    listed = kms.list_grants(KeyId=kit.id("symmetric"), GrantId=kit.grant)["Grants"]
    assert [grant["GrantId"] for grant in listed] == [kit.grant]


@covers("ListRetirableGrants", errors=["InvalidArnException"])
def test_retiring_principal_must_be_an_arn(kms):
    with refused("InvalidArnException"):
        kms.list_retirable_grants(RetiringPrincipal="nobody")


def test_every_operation_that_takes_a_key_is_tried_here(kms):
    named = {
        name
        for name in kms.meta.service_model.operation_names
        if "KeyId" in (kms.meta.service_model.operation_model(name).input_shape or {"members": {}}).members
        and name not in (*MULTI_REGION, *CUSTOM_KEY_STORES, "RetireGrant", "ListAliases")
    }
    assert named | {"ReEncrypt"} == set(NAMING)
