"""Tags of keys."""

import pytest

from harness.coverage import covers
from harness.refusal import refused


def tags_of(kms, key):
    """The tags as a dictionary."""
    pages = kms.get_paginator("list_resource_tags").paginate(KeyId=key)
    return {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]}


def pairs(tags):
    """A dictionary as tags."""
    return [{"TagKey": name, "TagValue": value} for name, value in tags.items()]


@covers("TagResource", params=["KeyId", "Tags"])
@covers("ListResourceTags", params=["KeyId"])
@covers("UntagResource", params=["KeyId", "TagKeys"])
def test_tags_are_added_replaced_and_taken_away(kms, new_key):
    key = new_key()["KeyId"]
    assert tags_of(kms, key) == {}
    kms.tag_resource(KeyId=key, Tags=pairs({"a": "1", "b": "2", "c": ""}))
    assert tags_of(kms, key) == {"a": "1", "b": "2", "c": ""}
    kms.tag_resource(KeyId=key, Tags=pairs({"b": "two", "d": "4"}))
    assert tags_of(kms, key) == {"a": "1", "b": "two", "c": "", "d": "4"}
    kms.untag_resource(KeyId=key, TagKeys=["a", "d"])
    assert tags_of(kms, key) == {"b": "two", "c": ""}


def test_tag_that_is_not_there_is_taken_away_in_peace(kms, new_key):
    key = new_key()["KeyId"]
    for _ in range(2):
        kms.untag_resource(KeyId=key, TagKeys=["nothing"])


def test_tags_are_told_apart_by_case(kms, new_key):
    key = new_key()["KeyId"]
    kms.tag_resource(KeyId=key, Tags=pairs({"team": "1", "Team": "2"}))
    assert tags_of(kms, key) == {"team": "1", "Team": "2"}


def test_all_signs_that_aws_takes_are_taken(kms, new_key):
    key, tags = new_key()["KeyId"], {"a b_.:/=+-@": "x y_.:/=+-@", "größe": "鍵"}
    kms.tag_resource(KeyId=key, Tags=pairs(tags))
    assert tags_of(kms, key) == tags


@pytest.mark.parametrize("prefix", ["aws:", "AWS:"])
@covers("TagResource", errors=["TagException"])
@covers("CreateKey", errors=["TagException"])
def test_names_of_aws_are_reserved(kms, new_key, prefix):
    with refused("TagException", message="Tags beginning with aws: are reserved"):
        kms.tag_resource(KeyId=new_key()["KeyId"], Tags=pairs({f"{prefix}x": "1"}))
    with refused("TagException", message="Tags beginning with aws: are reserved"):
        kms.create_key(Tags=pairs({f"{prefix}x": "1"}))


@covers("UntagResource", errors=["TagException"])
def test_reserved_names_are_not_taken_away_either(kms, new_key):
    with refused("TagException"):
        kms.untag_resource(KeyId=new_key()["KeyId"], TagKeys=["aws:x"])


def test_tag_named_twice_in_one_call_is_refused(kms, new_key):
    twice = [{"TagKey": "a", "TagValue": "1"}, {"TagKey": "a", "TagValue": "2"}]
    with refused("TagException", message="Duplicate tag keys"):
        kms.create_key(Tags=twice)
    with refused("TagException", message="Duplicate tag keys"):
        kms.tag_resource(KeyId=new_key()["KeyId"], Tags=twice)


def test_name_has_128_signs_and_value_256(kms, loose, new_key):
    key = new_key()["KeyId"]
    kms.tag_resource(KeyId=key, Tags=pairs({"n" * 128: "v" * 256}))
    for name, value, member in (("n" * 129, "v", "tagKey"), ("", "v", "tagKey"), ("n", "v" * 257, "tagValue")):
        with refused("ValidationException", message=f".*'tags.1.member.{member}'.*"):
            loose.tag_resource(KeyId=key, Tags=pairs({name: value}))


@covers("TagResource", errors=["TagException"])
def test_key_has_50_tags_at_most(kms, new_key):
    key = new_key()["KeyId"]
    kms.tag_resource(KeyId=key, Tags=pairs({f"t{number}": "x" for number in range(50)}))
    kms.tag_resource(KeyId=key, Tags=pairs({"t0": "replaced"}))
    with refused("TagException", message="Too many tags"):
        kms.tag_resource(KeyId=key, Tags=pairs({"one too many": "x"}))
    assert len(tags_of(kms, key)) == 50
