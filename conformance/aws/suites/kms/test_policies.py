"""Key policies: what is shown, what can be put, and what cannot be mapped and is therefore refused."""

import json

import pytest

from harness.coverage import covers
from harness.refusal import refused


def policy_of(kms, key):
    """The policy as a document."""
    return json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])


def all_keys(kms):
    """The identifiers of all keys."""
    pages = kms.get_paginator("list_keys").paginate()
    return {key["KeyId"] for page in pages for key in page["Keys"]}


@covers("GetKeyPolicy", params=["KeyId", "PolicyName"])
@covers("ListKeyPolicies", params=["KeyId"])
def test_key_has_one_policy_named_default(kms, new_key):
    key = new_key()["KeyId"]
    assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    answer = kms.get_key_policy(KeyId=key)
    assert answer["PolicyName"] == "default"
    policy = json.loads(answer["Policy"])
    assert policy["Version"] == "2012-10-17"
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"])
    assert policy == policy_of(kms, key)


@covers("GetKeyPolicy", errors=["NotFoundException"])
def test_there_is_no_other_policy(kms, new_key):
    with refused("NotFoundException"):
        kms.get_key_policy(KeyId=new_key()["KeyId"], PolicyName="other")


@covers("PutKeyPolicy", params=["KeyId", "Policy", "PolicyName"])
def test_policy_that_a_key_has_can_be_put_back(kms, new_key):
    key = new_key()["KeyId"]
    before = kms.get_key_policy(KeyId=key)["Policy"]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=before)
    kms.put_key_policy(KeyId=key, Policy=json.dumps(json.loads(before), indent=4))
    assert policy_of(kms, key) == json.loads(before)
    assert kms.decrypt(CiphertextBlob=kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"])["Plaintext"] == b"x"


@covers("CreateKey", params=["Policy"])
def test_policy_comes_with_the_key(kms, new_key):
    policy = kms.get_key_policy(KeyId=new_key()["KeyId"])["Policy"]
    made = new_key(Policy=policy)["KeyId"]
    assert policy_of(kms, made) == json.loads(policy)


BROKEN = {
    "no JSON": "{",
    "no object": "[]",
    "no statement": '{"Version":"2012-10-17"}',
    "no principal": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}',
    "unknown effect": '{"Version":"2012-10-17","Statement":[{"Effect":"Perhaps","Principal":"*","Action":"kms:*","Resource":"*"}]}',
    "unknown version": '{"Version":"2031-01-01","Statement":[]}',
}


@pytest.mark.parametrize("policy", BROKEN.values(), ids=BROKEN)
@covers("PutKeyPolicy", errors=["MalformedPolicyDocumentException"])
@covers("CreateKey", errors=["MalformedPolicyDocumentException"])
def test_broken_policy_is_refused(kms, new_key, policy):
    with refused("MalformedPolicyDocumentException"):
        kms.put_key_policy(KeyId=new_key()["KeyId"], Policy=policy)
    with refused("MalformedPolicyDocumentException"):
        kms.create_key(Policy=policy)


def test_principal_that_does_not_exist_is_refused(kms, new_key, myself):
    key = new_key()["KeyId"]
    policy = policy_of(kms, key)
    statement = {
        "Sid": "stranger",
        "Effect": "Allow",
        "Principal": {"AWS": f"{myself.rpartition('/')[0]}/nobody-at-all"},
        "Action": "kms:Decrypt",
        "Resource": "*",
    }
    policy["Statement"].append(statement)
    with refused("MalformedPolicyDocumentException"):
        kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    before = all_keys(kms)
    with refused("MalformedPolicyDocumentException"):
        kms.create_key(Policy=json.dumps(policy))
    assert all_keys(kms) == before


def unmappable(myself):
    """Statements that AWS has and this deployment cannot keep: refused, not kept half."""
    allow = {"Effect": "Allow", "Principal": {"AWS": myself}, "Action": "kms:Decrypt", "Resource": "*"}
    return {
        "deny": allow | {"Effect": "Deny"},
        "condition on a tag": allow | {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}}},
        "not principal": {**{n: v for n, v in allow.items() if n != "Principal"}, "NotPrincipal": {"AWS": myself}},
        "not action": {**{n: v for n, v in allow.items() if n != "Action"}, "NotAction": "kms:Encrypt"},
        "federated principal": allow | {"Principal": {"Federated": "cognito-identity.amazonaws.com"}},
        "service principal": allow | {"Principal": {"Service": "s3.amazonaws.com"}},
    }


@pytest.mark.claviger
@pytest.mark.parametrize("kind", sorted(unmappable("")))
@covers("PutKeyPolicy")
def test_what_cannot_be_kept_is_refused_and_the_policy_stays(kms, new_key, myself, kind):
    key = new_key()["KeyId"]
    before = policy_of(kms, key)
    policy = {**before, "Statement": [*before["Statement"], unmappable(myself)[kind]]}
    with refused("MalformedPolicyDocumentException", "UnsupportedOperationException"):
        kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    assert policy_of(kms, key) == before


@covers("PutKeyPolicy", errors=["MalformedPolicyDocumentException"])
def test_policy_that_locks_everybody_out_is_refused(kms, new_key, myself):
    statement = {"Effect": "Allow", "Principal": {"AWS": myself}, "Action": "kms:Decrypt", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    message = "The new key policy will not allow you to update the key policy in the future."
    with refused("MalformedPolicyDocumentException", message=message):
        kms.put_key_policy(KeyId=new_key()["KeyId"], Policy=policy)


@covers("PutKeyPolicy", params=["BypassPolicyLockoutSafetyCheck"])
@covers("CreateKey", params=["BypassPolicyLockoutSafetyCheck"])
def test_bypass_of_the_check_is_understood(kms, new_key):
    key = new_key()["KeyId"]
    policy = kms.get_key_policy(KeyId=key)["Policy"]
    kms.put_key_policy(KeyId=key, Policy=policy, BypassPolicyLockoutSafetyCheck=True)
    new_key(Policy=policy, BypassPolicyLockoutSafetyCheck=True)


@pytest.mark.claviger
def test_policy_gives_another_application_its_uses_and_takes_them_back(kms, new_key, workload, arn_of):
    client, access = workload("named")
    key = new_key()["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    before = kms.get_key_policy(KeyId=key)["Policy"]
    policy = json.loads(before)
    statement = {
        "Sid": "named",
        "Effect": "Allow",
        "Principal": {"AWS": arn_of(access.principal)},
        "Action": ["kms:Decrypt", "kms:DescribeKey"],
        "Resource": "*",
    }
    policy["Statement"].append(statement)
    with refused("AccessDeniedException"):
        client.decrypt(CiphertextBlob=sealed)
    kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    assert client.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    with refused("AccessDeniedException"):
        client.encrypt(KeyId=key, Plaintext=b"x")
    kms.put_key_policy(KeyId=key, Policy=before)
    with refused("AccessDeniedException"):
        client.decrypt(CiphertextBlob=sealed)


@covers("PutKeyPolicy")
def test_only_the_default_policy_can_be_put(kms, new_key):
    key = new_key()["KeyId"]
    policy = kms.get_key_policy(KeyId=key)["Policy"]
    for name in ("other", "AWS_RAM"):
        with refused("ValidationException"):
            kms.put_key_policy(KeyId=key, PolicyName=name, Policy=policy)


def test_policy_has_131072_signs_at_most(loose, kit):
    with refused("ValidationException", "LimitExceededException"):
        loose.put_key_policy(KeyId=kit.id("symmetric"), Policy=" " * 131073)
