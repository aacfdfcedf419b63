"""Keys: making, describing, listing, taking out of use and bringing back, waiting for deletion."""

from datetime import UTC, datetime, timedelta

import pytest

from harness.coverage import covers
from harness.refusal import refused

OAEP = ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]
RSA_SIGN = [
    "RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
]  # fmt: skip
# Spec, usage, member of the metadata that lists algorithms, and what it lists.
SPECS = [
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", ["SYMMETRIC_DEFAULT"]),
    *((f"RSA_{bits}", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", OAEP) for bits in (2048, 3072, 4096)),
    *((f"RSA_{bits}", "SIGN_VERIFY", "SigningAlgorithms", RSA_SIGN) for bits in (2048, 3072, 4096)),
    ("ECC_NIST_P256", "SIGN_VERIFY", "SigningAlgorithms", ["ECDSA_SHA_256"]),
    ("ECC_NIST_P384", "SIGN_VERIFY", "SigningAlgorithms", ["ECDSA_SHA_384"]),
    ("ECC_NIST_P521", "SIGN_VERIFY", "SigningAlgorithms", ["ECDSA_SHA_512"]),
    ("ECC_SECG_P256K1", "SIGN_VERIFY", "SigningAlgorithms", ["ECDSA_SHA_256"]),
    ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", "SigningAlgorithms", ["ED25519_PH_SHA_512", "ED25519_SHA_512"]),
    *((f"ECC_NIST_{curve}", "KEY_AGREEMENT", "KeyAgreementAlgorithms", ["ECDH"]) for curve in ("P256", "P384", "P521")),
    *((f"HMAC_{n}", "GENERATE_VERIFY_MAC", "MacAlgorithms", [f"HMAC_SHA_{n}"]) for n in (224, 256, 384, 512)),
    *((f"ML_DSA_{n}", "SIGN_VERIFY", "SigningAlgorithms", ["ML_DSA_SHAKE_256"]) for n in (44, 65, 87)),
    *((f"ML_KEM_{n}", "ENCAPSULATE_DECAPSULATE", "EncapsulationAlgorithms", ["ML_KEM"]) for n in (512, 768, 1024)),
]
LISTS = {
    "EncryptionAlgorithms", "SigningAlgorithms", "KeyAgreementAlgorithms", "MacAlgorithms", "EncapsulationAlgorithms",
}  # fmt: skip


# ---- making


@covers("CreateKey", params=["Description"])
def test_key_without_wishes_is_an_enabled_symmetric_key(kms, deployment):
    made = kms.create_key(Description="plain")["KeyMetadata"]
    account = made["AWSAccountId"]
    assert made["Arn"] == f"arn:aws:kms:{deployment.region}:{account}:key/{made['KeyId']}"
    assert len(account) == 12 and account.isdigit()
    assert len(made["CurrentKeyMaterialId"]) == 64
    assert abs(made["CreationDate"] - datetime.now(UTC)) < timedelta(minutes=2)
    expected = {
        "KeySpec": "SYMMETRIC_DEFAULT",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "KeyState": "Enabled",
        "Enabled": True,
        "KeyManager": "CUSTOMER",
        "Origin": "AWS_KMS",
        "MultiRegion": False,
        "Description": "plain",
    }
    assert {name: made[name] for name in expected} == expected


@pytest.mark.parametrize(("spec", "usage", "listed", "algorithms"), SPECS, ids=[f"{s[0]}-{s[1]}" for s in SPECS])
@covers("CreateKey", params=["KeySpec", "KeyUsage"])
def test_each_spec_is_made_and_lists_its_algorithms(kms, spec, usage, listed, algorithms):
    made = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
    assert (made["KeySpec"], made["KeyUsage"], made["KeyState"]) == (spec, usage, "Enabled")
    assert sorted(made[listed]) == sorted(algorithms)
    assert not (LISTS - {listed}) & set(made)
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"] == made


@covers("CreateKey", params=["KeySpec"], errors=["UnsupportedOperationException"])
def test_chinese_curve_is_unsupported(kms):
    with refused("UnsupportedOperationException"):
        kms.create_key(KeySpec="SM2", KeyUsage="SIGN_VERIFY")


@covers("CreateKey", params=["CustomerMasterKeySpec"])
def test_deprecated_name_of_the_spec_still_works(kms):
    made = kms.create_key(CustomerMasterKeySpec="ECC_NIST_P384", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert made["KeySpec"] == made["CustomerMasterKeySpec"] == "ECC_NIST_P384"


def test_both_names_of_the_spec_are_refused(kms):
    with refused("ValidationException"):
        kms.create_key(CustomerMasterKeySpec="RSA_2048", KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "HMAC_256", "ML_DSA_65", "ML_KEM_768"])
def test_spec_other_than_the_usual_needs_a_usage(kms, spec):
    with refused("ValidationException"):
        kms.create_key(KeySpec=spec)


@pytest.mark.parametrize(
    ("spec", "usage"),
    [
        ("SYMMETRIC_DEFAULT", "SIGN_VERIFY"),
        ("SYMMETRIC_DEFAULT", "GENERATE_VERIFY_MAC"),
        ("RSA_2048", "GENERATE_VERIFY_MAC"),
        ("RSA_2048", "KEY_AGREEMENT"),
        ("ECC_NIST_P256", "ENCRYPT_DECRYPT"),
        ("ECC_SECG_P256K1", "KEY_AGREEMENT"),
        ("ECC_NIST_EDWARDS25519", "KEY_AGREEMENT"),
        ("HMAC_256", "ENCRYPT_DECRYPT"),
        ("ML_DSA_65", "ENCAPSULATE_DECAPSULATE"),
        ("ML_KEM_768", "SIGN_VERIFY"),
    ],
)
@covers("CreateKey", params=["KeySpec", "KeyUsage"])
def test_spec_and_usage_must_fit(kms, spec, usage):
    with refused("ValidationException"):
        kms.create_key(KeySpec=spec, KeyUsage=usage)


@covers("CreateKey", params=["Origin"])
def test_external_origin_waits_for_its_material(kms):
    made = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]
    assert (made["Origin"], made["KeyState"], made["Enabled"]) == ("EXTERNAL", "PendingImport", False)
    assert "CurrentKeyMaterialId" not in made


@covers("CreateKey", params=["Tags"])
def test_tags_come_with_the_key(kms):
    made = kms.create_key(Tags=[{"TagKey": "team", "TagValue": "blue"}, {"TagKey": "empty", "TagValue": ""}])
    tags = kms.list_resource_tags(KeyId=made["KeyMetadata"]["KeyId"])["Tags"]
    assert {tag["TagKey"]: tag["TagValue"] for tag in tags} == {"team": "blue", "empty": ""}


# ---- describing and naming


@covers("DescribeKey", params=["KeyId"])
def test_key_is_described_by_each_of_its_names(kms, new_key, unique):
    made, alias = new_key(), f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
    alias_arn = made["Arn"].rpartition("key/")[0] + alias
    for name in (made["KeyId"], made["Arn"], alias, alias_arn):
        assert kms.describe_key(KeyId=name)["KeyMetadata"] == made


def test_every_answer_of_a_use_names_the_key_by_its_arn(kms, kit, unique):
    alias = f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=kit.id("symmetric"))
    for name in (kit.id("symmetric"), alias):
        assert kms.encrypt(KeyId=name, Plaintext=b"x")["KeyId"] == kit.arn("symmetric")
        assert kms.generate_data_key(KeyId=name, KeySpec="AES_256")["KeyId"] == kit.arn("symmetric")


@covers("UpdateKeyDescription", params=["KeyId", "Description"])
def test_description_changes(kms, new_key):
    key = new_key(Description="old")["KeyId"]
    kms.update_key_description(KeyId=key, Description="new: ü, 鍵")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "new: ü, 鍵"
    kms.update_key_description(KeyId=key, Description="")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == ""


def test_description_has_8192_signs_at_most(kms, loose, new_key):
    key = new_key()["KeyId"]
    kms.update_key_description(KeyId=key, Description="d" * 8192)
    with refused("ValidationException", message=".*'description'.*less than or equal to 8192"):
        loose.update_key_description(KeyId=key, Description="d" * 8193)


@covers("ListKeys")
def test_new_key_is_listed_with_its_arn(kms, new_key):
    made = new_key()
    listed = [entry for page in kms.get_paginator("list_keys").paginate() for entry in page["Keys"]]
    assert {"KeyId": made["KeyId"], "KeyArn": made["Arn"]} in listed


@covers("ListKeys", params=["ResourceOwners"])
def test_list_of_own_keys_is_the_list_of_keys(kms, new_key):
    made = new_key()
    pages = kms.get_paginator("list_keys").paginate(ResourceOwners=["SELF"])
    assert made["KeyId"] in [entry["KeyId"] for page in pages for entry in page["Keys"]]
    pages = kms.get_paginator("list_keys").paginate(ResourceOwners=["OTHER_ACCOUNTS_VIA_RAM"])
    assert [entry for page in pages for entry in page["Keys"]] == []


# ---- out of use and back


@covers("DisableKey", params=["KeyId"])
@covers("EnableKey", params=["KeyId"])
def test_disabled_key_comes_back_and_both_are_idempotent(kms, new_key):
    key = new_key()["KeyId"]
    for change, state in [
        (kms.disable_key, "Disabled"),
        (kms.disable_key, "Disabled"),
        (kms.enable_key, "Enabled"),
        (kms.enable_key, "Enabled"),
    ]:
        change(KeyId=key)
        metadata = kms.describe_key(KeyId=key)["KeyMetadata"]
        assert (metadata["KeyState"], metadata["Enabled"]) == (state, state == "Enabled")


def test_disabled_key_neither_seals_nor_opens_and_opens_again(kms, new_key):
    made = new_key()
    sealed = kms.encrypt(KeyId=made["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=made["KeyId"])
    with refused("DisabledException", message=f"{made['Arn']} is disabled."):
        kms.encrypt(KeyId=made["KeyId"], Plaintext=b"x")
    with refused("DisabledException", message=f"{made['Arn']} is disabled."):
        kms.decrypt(CiphertextBlob=sealed)
    kms.enable_key(KeyId=made["KeyId"])
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


# ---- waiting for deletion


@pytest.mark.parametrize("days", [7, 30, None])
@covers("ScheduleKeyDeletion", params=["KeyId"])
def test_scheduled_key_waits_for_so_many_days(kms, new_key, days):
    made = new_key()
    wish = {} if days is None else {"PendingWindowInDays": days}
    answer = kms.schedule_key_deletion(KeyId=made["KeyId"], **wish)
    assert (answer["KeyId"], answer["KeyState"]) == (made["Arn"], "PendingDeletion")
    assert answer["PendingWindowInDays"] == (days or 30)
    expected = datetime.now(UTC) + timedelta(days=days or 30)
    assert abs(answer["DeletionDate"] - expected) < timedelta(days=1)
    metadata = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    assert (metadata["KeyState"], metadata["Enabled"]) == ("PendingDeletion", False)
    assert metadata["DeletionDate"] == answer["DeletionDate"]


@pytest.mark.parametrize("days", [1, 6, 31, 365])
@covers("ScheduleKeyDeletion", params=["PendingWindowInDays"])
def test_waiting_is_between_7_and_30_days(kms, new_key, days):
    with refused("ValidationException"):
        kms.schedule_key_deletion(KeyId=new_key()["KeyId"], PendingWindowInDays=days)


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_waiting_outside_of_the_model_is_refused(loose, new_key, days):
    with refused("ValidationException"):
        loose.schedule_key_deletion(KeyId=new_key()["KeyId"], PendingWindowInDays=days)


@covers("CancelKeyDeletion", params=["KeyId"])
def test_cancelled_deletion_leaves_the_key_disabled_and_whole(kms, new_key):
    made = new_key()
    sealed = kms.encrypt(KeyId=made["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    with refused("KMSInvalidStateException", message=f"{made['Arn']} is pending deletion."):
        kms.decrypt(CiphertextBlob=sealed)
    assert kms.cancel_key_deletion(KeyId=made["KeyId"])["KeyId"] == made["Arn"]
    metadata = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    assert metadata["KeyState"] == "Disabled" and "DeletionDate" not in metadata
    kms.enable_key(KeyId=made["KeyId"])
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


@covers("ScheduleKeyDeletion", errors=["KMSInvalidStateException"])
def test_deletion_is_scheduled_once(kms, new_key):
    made = new_key()
    kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    with refused("KMSInvalidStateException", message=f"{made['Arn']} is pending deletion."):
        kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=30)


@covers("CancelKeyDeletion", errors=["KMSInvalidStateException"])
def test_nothing_is_cancelled_that_does_not_wait(kms, new_key):
    made = new_key()
    with refused("KMSInvalidStateException", message=f"{made['Arn']} is not pending deletion."):
        kms.cancel_key_deletion(KeyId=made["KeyId"])
