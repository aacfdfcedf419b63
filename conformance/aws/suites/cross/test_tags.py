"""Tags that say where, how and for what a key is made, which the KMS API has no members for."""

import pytest

from harness.deployment import find
from harness.refusal import refused

pytestmark = pytest.mark.claviger
CHOICES = {"claviger:protection": "software", "claviger:data-class": "cardholder"}


@pytest.fixture
def chosen(kms):
    """A key that was made by such tags."""
    tags = [{"TagKey": name, "TagValue": value} for name, value in CHOICES.items()]
    return kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"]


def test_key_is_made_as_its_tags_say(deployment, chosen):
    told = deployment.cli_json("auditor", "key", "show", chosen)
    assert (find(told, "protection"), find(told, "data_class")) == ("software", "cardholder")


@pytest.mark.parametrize("name", ["claviger:data-class", "claviger:protection", "claviger:ring"])
def test_tag_that_says_how_a_key_was_made_stays(kms, chosen, name):
    with refused("TagException", message=f"the tag {name} says how the key was created, and stays"):
        kms.tag_resource(KeyId=chosen, Tags=[{"TagKey": name, "TagValue": "internal"}])
    with refused("TagException", message=f"the tag {name} says how the key was created, and stays"):
        kms.untag_resource(KeyId=chosen, TagKeys=[name])
    kms.tag_resource(KeyId=chosen, Tags=[{"TagKey": key, "TagValue": value} for key, value in CHOICES.items()])
    assert {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=chosen)["Tags"]} == CHOICES


@pytest.mark.parametrize("tag", [("claviger:protection", "vault"), ("claviger:data-class", "secret")])
def test_tag_that_means_nothing_makes_no_key(kms, tag):
    with refused("TagException"):
        kms.create_key(Tags=[{"TagKey": tag[0], "TagValue": tag[1]}])


def test_key_does_not_land_in_a_ring_that_the_caller_may_not_see(deployment, kms, unique):
    ring = unique("strict")
    deployment.cli("administrator", "ring", "create", ring)
    for name in (ring, unique("nowhere")):
        with refused("NotFoundException"):
            kms.create_key(Tags=[{"TagKey": "claviger:ring", "TagValue": name}])
