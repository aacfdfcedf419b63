"""Lists in pages, through botocore's own paginators."""

import pytest

from harness.coverage import covers
from harness.refusal import refused

KEYED = ["ListAliases", "ListGrants", "ListKeyPolicies", "ListKeyRotations", "ListResourceTags"]
MEMBERS = {
    "ListAliases": ("list_aliases", "Aliases", "AliasName"),
    "ListGrants": ("list_grants", "Grants", "GrantId"),
    "ListKeyPolicies": ("list_key_policies", "PolicyNames", None),
    "ListKeyRotations": ("list_key_rotations", "Rotations", "KeyMaterialId"),
    "ListKeys": ("list_keys", "Keys", "KeyId"),
    "ListResourceTags": ("list_resource_tags", "Tags", "TagKey"),
    "ListRetirableGrants": ("list_retirable_grants", "Grants", "GrantId"),
}
WITH_MARKERS = [
    pytest.param(name, marks=covers(name, params=["Marker"], errors=["InvalidMarkerException"]))
    for name in MEMBERS
    if name != "ListKeyPolicies"
]


@pytest.fixture(scope="module")
def full(kms, myself):
    """A key with seven of everything."""
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": f"t{number}", "TagValue": "x"} for number in range(7)])
    for number in range(7):
        kms.create_alias(AliasName=f"alias/pages-{key}-{number}", TargetKeyId=key)
        kms.create_grant(KeyId=key, GranteePrincipal=myself, RetiringPrincipal=myself, Operations=["Encrypt"])
        kms.rotate_key_on_demand(KeyId=key)
    return key


def arguments(operation, key, myself):
    """What a list is told."""
    if operation == "ListRetirableGrants":
        return {"RetiringPrincipal": myself}
    return {"KeyId": key} if operation in KEYED else {}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("operation", [pytest.param(name, marks=covers(name, params=["Limit"])) for name in MEMBERS])
def test_pages_of_any_size_hold_the_same_list(kms, full, myself, operation, size):
    method, member, name = MEMBERS[operation]
    given = arguments(operation, full, myself)
    if size == 1 and operation in ("ListKeys", "ListRetirableGrants"):
        pytest.skip("the whole deployment one by one says no more than two by two")
    whole, paged = [], []
    for page in kms.get_paginator(method).paginate(**given):
        whole += page[member]
    for page in kms.get_paginator(method).paginate(PaginationConfig={"PageSize": size}, **given):
        assert len(page[member]) <= size
        assert page["Truncated"] == ("NextMarker" in page)
        paged += page[member]
    names = [entry[name] if name else entry for entry in whole]
    assert names == [entry[name] if name else entry for entry in paged]
    assert len(names) == len(set(names))
    if operation in KEYED and operation != "ListKeyPolicies":
        assert len(names) == 7


@pytest.mark.parametrize("operation", MEMBERS)
def test_limit_is_1_to_1000(loose, full, myself, operation):
    for limit in (0, -1, 1001):
        with refused("ValidationException", message=".*'limit'.*"):
            getattr(loose, MEMBERS[operation][0])(Limit=limit, **arguments(operation, full, myself))


@pytest.mark.parametrize("operation", WITH_MARKERS)
def test_marker_that_nothing_gave_is_refused(kms, full, myself, operation):
    for marker in ("no marker", "AAAA", "x" * 1024):
        with refused("InvalidMarkerException"):
            getattr(kms, MEMBERS[operation][0])(Marker=marker, **arguments(operation, full, myself))


@covers("ListKeyPolicies", params=["Marker"])
def test_marker_of_policies_is_refused_or_leads_nowhere(kms, full):
    # The model names no InvalidMarkerException here.
    with refused("InvalidMarkerException", "ValidationException"):
        kms.list_key_policies(KeyId=full, Marker="no marker")


def test_marker_of_one_list_does_not_fit_another(kms, full, myself):
    marker = kms.list_aliases(KeyId=full, Limit=1)["NextMarker"]
    with refused("InvalidMarkerException"):
        kms.list_grants(KeyId=full, Marker=marker)


def test_marker_goes_on_where_the_page_ended_when_the_list_grew(kms, unique):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": f"t{number}", "TagValue": "x"} for number in range(4)])
    first = kms.list_resource_tags(KeyId=key, Limit=2)
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "t9", "TagValue": "x"}])
    rest = kms.list_resource_tags(KeyId=key, Limit=1000, Marker=first["NextMarker"])
    names = [tag["TagKey"] for tag in first["Tags"] + rest["Tags"]]
    assert set(names) >= {"t0", "t1", "t2", "t3"} and len(names) == len(set(names))
