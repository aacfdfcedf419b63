"""Aliases: names that can move from key to key."""

import re

import pytest

from harness.coverage import covers
from harness.refusal import refused


def all_aliases(kms, **given):
    """Every alias there is, by name."""
    pages = kms.get_paginator("list_aliases").paginate(**given)
    return {entry["AliasName"]: entry for page in pages for entry in page["Aliases"]}


@covers("CreateAlias", params=["AliasName", "TargetKeyId"])
@covers("ListAliases", params=["KeyId"])
def test_alias_names_its_key_and_is_listed(kms, new_key, unique):
    key, alias = new_key(), f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=key["Arn"])
    for given in ({}, {"KeyId": key["KeyId"]}, {"KeyId": key["Arn"]}):
        entry = all_aliases(kms, **given)[alias]
        assert entry["AliasArn"] == key["Arn"].rpartition("key/")[0] + alias
        assert entry["TargetKeyId"] == key["KeyId"]
        assert entry["CreationDate"] == entry["LastUpdatedDate"]
    assert set(all_aliases(kms, KeyId=key["KeyId"])) == {alias}


@covers("ListAliases")
def test_key_without_aliases_lists_none(kms, new_key):
    assert all_aliases(kms, KeyId=new_key()["KeyId"]) == {}


def test_key_may_have_many_aliases(kms, new_key, unique):
    key, names = new_key(), {f"alias/{unique()}/nested_{number}-x" for number in range(5)}
    for name in names:
        kms.create_alias(AliasName=name, TargetKeyId=key["KeyId"])
    assert set(all_aliases(kms, KeyId=key["KeyId"])) == names


@covers("UpdateAlias", params=["AliasName", "TargetKeyId"])
def test_alias_that_moved_names_the_other_key_at_once(kms, new_key, unique):
    old, new, alias = new_key(), new_key(), f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=old["KeyId"])
    sealed = kms.encrypt(KeyId=alias, Plaintext=b"x")
    kms.update_alias(AliasName=alias, TargetKeyId=new["KeyId"])
    assert kms.encrypt(KeyId=alias, Plaintext=b"x")["KeyId"] == new["Arn"]
    assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["KeyId"] == old["Arn"]
    with refused("IncorrectKeyException"):
        kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], KeyId=alias)
    entry = all_aliases(kms)[alias]
    assert entry["TargetKeyId"] == new["KeyId"] and entry["LastUpdatedDate"] >= entry["CreationDate"]
    assert all_aliases(kms, KeyId=old["KeyId"]) == {}


def test_alias_moves_between_keys_of_one_kind_only(kms, kit, unique):
    alias = f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=kit.id("symmetric"))
    for usage in ("rsa", "sign", "mac"):
        with refused("ValidationException"):
            kms.update_alias(AliasName=alias, TargetKeyId=kit.id(usage))


@covers("DeleteAlias", params=["AliasName"], errors=["NotFoundException"])
def test_deleted_alias_is_gone_and_the_key_stays(kms, new_key, unique):
    key, alias = new_key(), f"alias/{unique()}"
    arn = key["Arn"].rpartition("key/")[0] + alias
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    kms.delete_alias(AliasName=alias)
    with refused("NotFoundException", message=f"Alias {arn} is not found."):
        kms.delete_alias(AliasName=alias)
    with refused("NotFoundException", message=f"Alias {arn} is not found."):
        kms.encrypt(KeyId=alias, Plaintext=b"x")
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Enabled"]
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])


@covers("CreateAlias", errors=["AlreadyExistsException"])
def test_alias_is_taken_once(kms, new_key, unique):
    one, two, alias = new_key(), new_key(), f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=one["KeyId"])
    for key in (one, two):
        with refused("AlreadyExistsException"):
            kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])


@covers("UpdateAlias", errors=["NotFoundException"])
def test_alias_that_is_not_there_does_not_move(kms, kit, unique):
    with refused("NotFoundException"):
        kms.update_alias(AliasName=f"alias/{unique()}", TargetKeyId=kit.id("symmetric"))


def test_alias_is_no_target_of_an_alias(kms, new_key, unique):
    key, alias = new_key(), f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    for target in (alias, key["Arn"].rpartition("key/")[0] + alias):
        with refused("ValidationException"):
            kms.create_alias(AliasName=f"alias/{unique()}", TargetKeyId=target)


def test_alias_needs_its_prefix(kms, kit, unique):
    message = (
        'Alias must start with the prefix "alias/". Please see '
        "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
    )
    for name in (unique(), "alias", "Alias/x"):
        with refused("ValidationException", message=re.escape(message)):
            kms.create_alias(AliasName=name, TargetKeyId=kit.id("symmetric"))
    with refused("ValidationException", "InvalidAliasNameException"):
        kms.create_alias(AliasName="alias/", TargetKeyId=kit.id("symmetric"))


def test_colon_passes_the_pattern_and_is_refused(kms, kit):
    with refused("ValidationException", message="alias/a:b contains invalid characters for an alias"):
        kms.create_alias(AliasName="alias/a:b", TargetKeyId=kit.id("symmetric"))


@covers("CreateAlias", errors=["InvalidAliasNameException"])
def test_names_of_aws_are_reserved(kms, kit, unique):
    with refused("NotAuthorizedException", "InvalidAliasNameException"):
        kms.create_alias(AliasName=f"alias/aws/{unique()}", TargetKeyId=kit.id("symmetric"))


@pytest.mark.parametrize("name", ["alias/a b", "alias/ä", "alias/a.b", "alias/a@b", "alias/a\n", "alias/a%2Fb"])
def test_sign_outside_of_the_pattern_is_refused(loose, kit, name):
    with refused("ValidationException", message=".*'aliasName'.*"):
        loose.create_alias(AliasName=name, TargetKeyId=kit.id("symmetric"))


def test_alias_has_256_signs_at_most(kms, loose, kit, unique):
    name = f"alias/{unique()}".ljust(256, "x")
    kms.create_alias(AliasName=name, TargetKeyId=kit.id("symmetric"))
    assert kms.describe_key(KeyId=name)["KeyMetadata"]["KeyId"] == kit.id("symmetric")
    with refused("ValidationException", message=".*'aliasName'.*less than or equal to 256"):
        loose.create_alias(AliasName=name + "x", TargetKeyId=kit.id("symmetric"))


def test_aliases_are_told_apart_by_case(kms, new_key, unique):
    one, two, name = new_key(), new_key(), unique()
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=one["KeyId"])
    kms.create_alias(AliasName=f"alias/{name.upper()}", TargetKeyId=two["KeyId"])
    assert kms.describe_key(KeyId=f"alias/{name.upper()}")["KeyMetadata"]["KeyId"] == two["KeyId"]


@covers("CreateAlias", errors=["LimitExceededException"])
def test_key_has_50_aliases_at_most(kms, new_key, unique):
    key = new_key()["KeyId"]
    for _ in range(50):
        kms.create_alias(AliasName=f"alias/{unique()}", TargetKeyId=key)
    with refused("LimitExceededException"):
        kms.create_alias(AliasName=f"alias/{unique()}", TargetKeyId=key)
    assert len(all_aliases(kms, KeyId=key)) == 50
