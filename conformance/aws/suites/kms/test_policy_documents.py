"""Twenty key policies as guides, consoles and tools write them: taken and given back the same to Terraform, or refused by name."""

import json

import pytest

from harness.coverage import covers
from harness.equivalence import equivalent
from harness.refusal import refused

USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
ADMINISTER = [
    "kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Revoke*", "kms:Disable*",
    "kms:Get*", "kms:Delete*", "kms:TagResource", "kms:UntagResource", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion",
]  # fmt: skip
GRANT = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]
FOR_SERVICES = {"Bool": {"kms:GrantIsForAWSResource": "true"}}


class Words:
    """The principals of documents."""

    def __init__(self, myself, alice, bob):
        self.base = myself.rpartition(":user/")[0]
        self.account = self.base.rpartition(":")[2]
        self.root = f"{self.base}:root"
        self.alice, self.bob = f"{self.base}:user/{alice}", f"{self.base}:user/{bob}"
        self.role, self.other_role = f"{self.base}:role/{alice}", f"{self.base}:role/service-role/{bob}"


def allow(sid, principal, action, **more):
    """A statement."""
    named = {} if sid is None else {"Sid": sid}
    return named | {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"} | more


def account(words):
    """The statement about the account, as AWS's default policy has it."""
    return allow("Enable IAM User Permissions", words.root, "kms:*")


def document(*statements, **more):
    """A document."""
    return {"Version": "2012-10-17"} | more | {"Statement": list(statements)}


TAKEN = {
    "AWS's default": lambda w: document(account(w), Id="key-default-1"),
    "the console's default": lambda w: document(
        account(w),
        allow("Allow access for Key Administrators", w.alice, [*ADMINISTER, "kms:RotateKeyOnDemand"]),
        allow("Allow use of the key", w.bob, USE),
        allow("Allow attachment of persistent resources", w.bob, GRANT, Condition=FOR_SERVICES),
        Id="key-consolepolicy-3",
    ),
    "the guide's administrators": lambda w: document(
        account(w), allow("Allow access for Key Administrators", [w.alice, w.role], ADMINISTER)
    ),
    "the guide's users": lambda w: document(
        account(w), allow("Allow use of the key", [w.alice, w.bob, w.other_role], USE)
    ),
    "the guide's grants": lambda w: document(
        account(w),
        allow("Allow attachment of persistent resources", [w.alice, w.role], GRANT, Condition=FOR_SERVICES),
    ),
    "Terraform's example": lambda w: document(
        account(w),
        allow(
            "Allow administration of the key",
            w.alice,
            [
                "kms:ReplicateKey", "kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*",
                "kms:Revoke*", "kms:Disable*", "kms:Get*", "kms:Delete*", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion",
            ],
        ),
        allow(
            "Allow use of the key",
            w.bob,
            [
                "kms:DescribeKey", "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey",
                "kms:GenerateDataKeyWithoutPlaintext",
            ],
        ),
        Id="key-default-1",
    ),
    "CDK's default": lambda w: document(allow(None, w.root, "kms:*")),
    "the account by its number": lambda w: document(
        allow("root", w.account, ["kms:*"]), allow("app", w.alice, "kms:Decrypt")
    ),
    "one statement alone, of the older version": lambda w: {"Version": "2008-10-17", "Statement": account(w)},
    "no version": lambda w: {"Statement": [account(w), allow("app", w.alice, ["kms:Decrypt"])]},
    "an owner with all rights": lambda w: document(account(w), allow("KeyOwner", w.role, "kms:*")),
    "roles of SOPS": lambda w: document(
        account(w), allow("sops", [w.role, w.other_role], ["kms:Encrypt", "kms:Decrypt", "kms:GetPublicKey"])
    ),
    "signers and verifiers": lambda w: document(
        account(w),
        allow("sign", w.alice, ["kms:Sign", "kms:DescribeKey", "kms:GetPublicKey"]),
        allow("verify", w.bob, ["kms:Verify", "kms:DescribeKey", "kms:GetPublicKey"]),
    ),
    "authentication codes": lambda w: document(
        account(w), allow("mac", w.alice, ["kms:GenerateMac", "kms:VerifyMac", "kms:DescribeKey"])
    ),
    "an encryption context": lambda w: document(
        account(w),
        allow(
            "orders",
            w.role,
            ["kms:Decrypt", "kms:GenerateDataKey"],
            Condition={"StringEquals": {"kms:EncryptionContext:AppName": "orders"}},
        ),
    ),
    "networks, until a day": lambda w: document(
        account(w),
        allow(
            "for now",
            w.alice,
            USE,
            Condition={
                "IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "127.0.0.1"]},
                "DateLessThan": {"aws:CurrentTime": "2199-01-01T00:00:00Z"},
            },
        ),
    ),
}

REFUSED = {
    "a service of AWS": (
        lambda w: document(
            account(w),
            {
                "Sid": "logs",
                "Effect": "Allow",
                "Principal": {"Service": "logs.us-east-1.amazonaws.com"},
                "Action": ["kms:Encrypt*", "kms:Decrypt*"],
                "Resource": "*",
            },
        ),
        "Principal Service is not taken here",
    ),
    "everybody, by a service": (
        lambda w: document(
            account(w),
            allow("ebs", "*", USE, Condition={"StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}}),
        ),
        r"Principal \* is not taken here",
    ),
    "another account": (
        lambda w: document(account(w), allow("partner", "arn:aws:iam::444455556666:root", USE)),
        "one or more invalid principals",
    ),
    "a denial": (
        lambda w: document(account(w), allow("no deletion", w.alice, "kms:ScheduleKeyDeletion") | {"Effect": "Deny"}),
        "only Allow is taken",
    ),
}


@pytest.fixture
def words(workload, myself):
    """Two applications to name."""
    return Words(myself, workload("alice")[1].principal, workload("bob")[1].principal)


def test_there_are_twenty():
    assert len(TAKEN) + len(REFUSED) == 20


@pytest.mark.claviger
@pytest.mark.parametrize("name", TAKEN)
@covers("PutKeyPolicy", params=["Policy"])
@covers("CreateKey", params=["Policy"])
@covers("GetKeyPolicy")
def test_document_is_taken_and_given_back_the_same(kms, new_key, words, name):
    text = json.dumps(TAKEN[name](words), indent=2)
    key = new_key()["KeyId"]
    kms.put_key_policy(KeyId=key, Policy=text)
    for key_id in (key, new_key(Policy=text)["KeyId"]):
        found = kms.get_key_policy(KeyId=key_id)["Policy"]
        assert equivalent(found, text)
        assert found == text
        # A plan that finds the same and applies it all the same changes nothing.
        kms.put_key_policy(KeyId=key_id, Policy=found)
        assert kms.get_key_policy(KeyId=key_id)["Policy"] == text


@pytest.mark.claviger
@pytest.mark.parametrize("name", REFUSED)
@covers("PutKeyPolicy", errors=["MalformedPolicyDocumentException"])
def test_document_that_grants_cannot_say_is_refused_by_name(kms, new_key, words, name):
    make, message = REFUSED[name]
    text, key = json.dumps(make(words)), new_key()["KeyId"]
    before = kms.get_key_policy(KeyId=key)["Policy"]
    with refused("MalformedPolicyDocumentException", message=f".*{message}.*"):
        kms.put_key_policy(KeyId=key, Policy=text)
    with refused("MalformedPolicyDocumentException", message=f".*{message}.*"):
        kms.create_key(Policy=text)
    assert kms.get_key_policy(KeyId=key)["Policy"] == before


@pytest.mark.claviger
def test_administrator_of_the_guide_administers_and_does_not_use(kms, new_key, workload, arn_of):
    client, access = workload("admin")
    base = kms.get_key_policy(KeyId=new_key()["KeyId"])["Policy"]
    root = json.loads(base)["Statement"][0]
    policy = document(root, allow("admins", arn_of(access.principal), ADMINISTER))
    key = new_key(Policy=json.dumps(policy))["KeyId"]
    client.get_key_rotation_status(KeyId=key)
    client.list_resource_tags(KeyId=key)
    assert client.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    made = client.create_grant(
        KeyId=key, GranteePrincipal=arn_of(access.principal), Operations=["DescribeKey"]
    )
    client.revoke_grant(KeyId=key, GrantId=made["GrantId"])
    with refused("AccessDeniedException"):
        client.encrypt(KeyId=key, Plaintext=b"x")
