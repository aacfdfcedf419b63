"""Grants: who may do what with a key, for how long, under which contexts, and how that ends."""

import pytest
from botocore.exceptions import ClientError

from harness.coverage import covers
from harness.kits import CONTEXT, CRYPTOGRAPHIC, MESSAGE, OF_A_KEY
from harness.refusal import method, refused

SYMMETRIC = [
    "CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
    "RetireGrant",
]  # fmt: skip
BY_USAGE = {
    "symmetric": SYMMETRIC,
    "rsa": ["Decrypt", "Encrypt", "GetPublicKey", "ReEncryptFrom", "ReEncryptTo", "DescribeKey"],
    "sign": ["Sign", "Verify", "GetPublicKey", "DescribeKey"],
    "mac": ["GenerateMac", "VerifyMac", "DescribeKey"],
    "agree": ["DeriveSharedSecret", "GetPublicKey", "DescribeKey"],
    "kem": ["Encapsulate", "Decapsulate", "GetPublicKey", "DescribeKey"],
}


def grants_on(kms, key, **given):
    """Every grant on a key, by id."""
    pages = kms.get_paginator("list_grants").paginate(KeyId=key, **given)
    return {grant["GrantId"]: grant for page in pages for grant in page["Grants"]}


# ---- what a grant looks like


@pytest.mark.parametrize("usage", sorted(BY_USAGE))
@covers("CreateGrant", params=["KeyId", "GranteePrincipal", "Operations", "Name", "RetiringPrincipal"])
@covers("ListGrants", params=["KeyId"])
def test_grant_is_listed_as_it_was_given(kms, kit, myself, unique, usage):
    name = unique("grant")
    made = kms.create_grant(
        KeyId=kit.id(usage),
        GranteePrincipal=myself,
        RetiringPrincipal=myself,
        Operations=BY_USAGE[usage],
        Name=name,
    )
    assert 1 <= len(made["GrantId"]) <= 128 and 1 <= len(made["GrantToken"]) <= 8192
    grant = grants_on(kms, kit.id(usage))[made["GrantId"]]
    assert grant["KeyId"] == kit.arn(usage)
    assert grant["GranteePrincipal"] == grant["RetiringPrincipal"] == myself
    assert sorted(grant["Operations"]) == sorted(BY_USAGE[usage])
    assert grant["Name"] == name
    assert grant["IssuingAccount"].startswith("arn:aws:iam::")
    assert "CreationDate" in grant


@covers("CreateGrant", params=["Constraints"])
def test_constraints_are_listed(kms, kit, myself):
    for constraint in ({"EncryptionContextEquals": CONTEXT}, {"EncryptionContextSubset": CONTEXT}):
        made = kms.create_grant(
            KeyId=kit.id("symmetric"), GranteePrincipal=myself, Operations=["Decrypt"], Constraints=constraint
        )
        assert grants_on(kms, kit.id("symmetric"))[made["GrantId"]]["Constraints"] == constraint


def test_named_grant_is_made_once(kms, kit, myself, unique):
    wish = {
        "KeyId": kit.id("symmetric"),
        "GranteePrincipal": myself,
        "Operations": ["Encrypt"],
        "Name": unique("grant"),
    }
    one, two = kms.create_grant(**wish), kms.create_grant(**wish)
    assert one["GrantId"] == two["GrantId"]
    other = kms.create_grant(**(wish | {"Operations": ["Encrypt", "Decrypt"]}))
    assert other["GrantId"] != one["GrantId"]
    del wish["Name"]
    assert kms.create_grant(**wish)["GrantId"] != kms.create_grant(**wish)["GrantId"]


@covers("ListGrants", params=["GrantId", "GranteePrincipal"])
def test_grants_are_found_by_id_and_by_grantee(kms, new_key, myself):
    key = new_key()["KeyId"]
    made = [kms.create_grant(KeyId=key, GranteePrincipal=myself, Operations=["Encrypt"])["GrantId"] for _ in range(3)]
    assert set(grants_on(kms, key, GrantId=made[1])) == {made[1]}
    assert set(grants_on(kms, key, GranteePrincipal=myself)) >= set(made)


@covers("ListRetirableGrants", params=["RetiringPrincipal"])
def test_grants_that_one_may_retire_are_listed(kms, new_key, myself):
    key = new_key()["KeyId"]
    wish = {"KeyId": key, "GranteePrincipal": myself, "Operations": ["Encrypt"]}
    mine = kms.create_grant(RetiringPrincipal=myself, **wish)["GrantId"]
    other = kms.create_grant(**wish)["GrantId"]
    pages = kms.get_paginator("list_retirable_grants").paginate(RetiringPrincipal=myself)
    listed = {grant["GrantId"] for page in pages for grant in page["Grants"]}
    assert mine in listed and other not in listed


# ---- what is refused


@pytest.mark.parametrize(
    ("usage", "operation"),
    [("symmetric", "Sign"), ("symmetric", "GetPublicKey"), ("sign", "Encrypt"), ("rsa", "GenerateDataKey"),
     ("mac", "Sign"), ("agree", "Decrypt"), ("kem", "DeriveSharedSecret")],
)  # fmt: skip
def test_operation_must_be_one_that_the_key_has(kms, kit, myself, usage, operation):
    with refused("ValidationException"):
        kms.create_grant(KeyId=kit.id(usage), GranteePrincipal=myself, Operations=[operation])


@covers("CreateGrant", errors=["InvalidArnException"])
def test_grantee_must_be_a_principal(kms, kit, myself):
    stranger = f"{myself.rpartition('/')[0]}/nobody-at-all"
    for grantee in (stranger, "nobody", "arn:aws:s3:::bucket"):
        with refused("InvalidArnException"):
            kms.create_grant(KeyId=kit.id("symmetric"), GranteePrincipal=grantee, Operations=["Decrypt"])
    with refused("InvalidArnException"):
        kms.create_grant(
            KeyId=kit.id("symmetric"),
            GranteePrincipal=myself,
            RetiringPrincipal=stranger,
            Operations=["Decrypt"],
        )


def test_grant_needs_a_grantee_and_operations(kms, kit, myself):
    with refused("ValidationException"):
        kms.create_grant(KeyId=kit.id("symmetric"), Operations=["Decrypt"])
    with refused("ValidationException"):
        kms.create_grant(KeyId=kit.id("symmetric"), GranteePrincipal=myself, Operations=[])


def test_context_constraint_needs_a_key_that_has_contexts(kms, kit, myself):
    with refused("ValidationException"):
        kms.create_grant(
            KeyId=kit.id("sign"),
            GranteePrincipal=myself,
            Operations=["Sign"],
            Constraints={"EncryptionContextSubset": CONTEXT},
        )


def test_grant_is_not_made_through_an_alias(kms, new_key, myself, unique):
    alias = f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=new_key()["KeyId"])
    with refused("NotFoundException", "InvalidArnException"):
        kms.create_grant(KeyId=alias, GranteePrincipal=myself, Operations=["Decrypt"])


# ---- tokens


@pytest.mark.parametrize(
    "operation",
    [pytest.param(name, marks=covers(name, params=["GrantTokens"], errors=["InvalidGrantTokenException"]))
     for name in [*sorted(CRYPTOGRAPHIC), "CreateGrant", "GetPublicKey"]],
)  # fmt: skip
def test_token_that_is_none_is_refused(kms, kit, operation):
    with refused("InvalidGrantTokenException"):
        method(kms, operation)(GrantTokens=["bm90IGEgdG9rZW4="], **kit.request(operation))


@pytest.mark.parametrize("operation", [*sorted(CRYPTOGRAPHIC), "DescribeKey", "GetPublicKey"])
def test_good_token_is_taken_wherever_the_model_has_it(kms, kit, myself, operation):
    usage = OF_A_KEY[operation][0]
    token = kms.create_grant(KeyId=kit.id(usage), GranteePrincipal=myself, Operations=["DescribeKey"])["GrantToken"]
    method(kms, operation)(GrantTokens=[token], **kit.request(operation))


def test_ten_tokens_are_the_most(kms, loose, kit, myself):
    wish = {"KeyId": kit.id("symmetric"), "GranteePrincipal": myself, "Operations": ["DescribeKey"]}
    token = kms.create_grant(**wish)["GrantToken"]
    kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", GrantTokens=[token] * 10)
    with refused("ValidationException", message=".*'grantTokens'.*"):
        loose.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", GrantTokens=[token] * 11)


# ---- how a grant ends


@covers("RevokeGrant", params=["KeyId", "GrantId"], errors=["NotFoundException"])
def test_revoked_grant_is_gone(kms, new_key, myself):
    key = new_key()["KeyId"]
    grant = kms.create_grant(KeyId=key, GranteePrincipal=myself, Operations=["Encrypt"])["GrantId"]
    kms.revoke_grant(KeyId=key, GrantId=grant)
    assert grant not in grants_on(kms, key)
    with refused("NotFoundException"):
        kms.revoke_grant(KeyId=key, GrantId=grant)


@pytest.mark.parametrize("way", ["token", "id"])
@covers("RetireGrant", errors=["NotFoundException", "InvalidGrantTokenException"])
def test_retired_grant_is_gone(kms, new_key, myself, way):
    key = new_key()
    made = kms.create_grant(
        KeyId=key["KeyId"], GranteePrincipal=myself, RetiringPrincipal=myself, Operations=["Encrypt"]
    )
    by = {
        "token": {"GrantToken": made["GrantToken"]},
        "id": {"KeyId": key["Arn"], "GrantId": made["GrantId"]},
    }[way]
    kms.retire_grant(**by)
    assert made["GrantId"] not in grants_on(kms, key["KeyId"])
    # The grant is gone, whichever way it is named, and a token of it is no token any more.
    with refused("NotFoundException"):
        kms.retire_grant(KeyId=key["Arn"], GrantId=made["GrantId"])
    with refused("InvalidGrantTokenException"):
        kms.retire_grant(GrantToken="bm90IGEgdG9rZW4=")


def test_grant_to_retire_is_named_one_way(kms, kit):
    for given in ({}, {"KeyId": kit.arn("symmetric")}, {"GrantId": kit.grant}):
        with refused("ValidationException"):
            kms.retire_grant(**given)


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(name, marks=covers(name, errors=["InvalidGrantIdException"]))
        for name in ("ListGrants", "RetireGrant", "RevokeGrant")
    ],
)
def test_grant_id_that_cannot_be_one_is_told(kms, kit, operation):
    with refused("InvalidGrantIdException"):
        method(kms, operation)(KeyId=kit.arn("symmetric"), GrantId="!")


# ---- what a grant is worth, shown by another application


@pytest.fixture
def stranger(workload, arn_of, kms, kit):
    """An application without rights, a client of it and its ARN."""
    client, key = workload("grantee")
    return client, arn_of(key.principal)


@pytest.mark.claviger
@pytest.mark.parametrize("operation", sorted(set(CRYPTOGRAPHIC) - {"ReEncrypt"}))
def test_grantee_may_do_what_was_granted_and_nothing_else(kms, kit, stranger, operation):
    client, arn = stranger
    usage = OF_A_KEY[operation][0]
    request = kit.request(operation)
    with refused("AccessDeniedException"):
        method(client, operation)(**request)
    kms.create_grant(KeyId=kit.id(usage), GranteePrincipal=arn, Operations=[operation])
    method(client, operation)(**request)
    for other in sorted(set(CRYPTOGRAPHIC) - {operation, "ReEncrypt"}):
        with refused("AccessDeniedException"):
            method(client, other)(**kit.request(other))


@pytest.mark.claviger
def test_reencryption_needs_both_halves(kms, kit, new_key, stranger):
    client, arn = stranger
    target = new_key()["KeyId"]
    wish = {"CiphertextBlob": kit.ciphertext, "DestinationKeyId": target}
    source = kms.create_grant(KeyId=kit.id("symmetric"), GranteePrincipal=arn, Operations=["ReEncryptFrom"])
    with refused("AccessDeniedException"):
        client.re_encrypt(**wish)
    kms.create_grant(KeyId=target, GranteePrincipal=arn, Operations=["ReEncryptTo"])
    assert client.re_encrypt(**wish)["SourceKeyId"] == kit.arn("symmetric")
    kms.revoke_grant(KeyId=kit.id("symmetric"), GrantId=source["GrantId"])
    with refused("AccessDeniedException"):
        client.re_encrypt(**wish)


@pytest.mark.claviger
def test_revoked_grant_is_worth_nothing_from_that_moment(kms, kit, stranger):
    client, arn = stranger
    wish = {"KeyId": kit.id("symmetric"), "Plaintext": MESSAGE}
    for _ in range(5):
        made = kms.create_grant(KeyId=kit.id("symmetric"), GranteePrincipal=arn, Operations=["Encrypt"])
        client.encrypt(**wish)
        kms.revoke_grant(KeyId=kit.id("symmetric"), GrantId=made["GrantId"])
        with refused("AccessDeniedException"):
            client.encrypt(**wish)
        with refused("InvalidGrantTokenException", "AccessDeniedException"):
            client.encrypt(GrantTokens=[made["GrantToken"]], **wish)


@pytest.mark.claviger
@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ("EncryptionContextEquals", [CONTEXT], [CONTEXT | {"more": "x"}, {"order": "17"}, {}]),
        (
            "EncryptionContextSubset",
            [CONTEXT, CONTEXT | {"more": "x"}],
            [{"order": "17"}, CONTEXT | {"order": "1"}, {}],
        ),
    ],
)
@covers("CreateGrant", params=["Constraints"])
def test_constraint_looks_at_the_context(kms, kit, stranger, constraint, good, bad):
    client, arn = stranger
    kms.create_grant(
        KeyId=kit.id("symmetric"),
        GranteePrincipal=arn,
        Operations=["Encrypt", "Decrypt", "GenerateDataKey"],
        Constraints={constraint: CONTEXT},
    )
    for context in good:
        sealed = client.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
        assert client.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"] == b"x"
        client.generate_data_key(KeyId=kit.id("symmetric"), KeySpec="AES_256", EncryptionContext=context)
    for context in bad:
        sealed = kms.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
        with refused("AccessDeniedException"):
            client.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x", EncryptionContext=context)
        with refused("AccessDeniedException"):
            client.decrypt(CiphertextBlob=sealed, EncryptionContext=context)


@pytest.mark.claviger
def test_grantee_passes_on_no_more_than_it_has(kms, kit, stranger, workload, arn_of):
    client, arn = stranger
    third, key = workload("third")
    kms.create_grant(KeyId=kit.id("symmetric"), GranteePrincipal=arn, Operations=["CreateGrant", "Decrypt"])
    wish = {"KeyId": kit.id("symmetric"), "GranteePrincipal": arn_of(key.principal)}
    with refused("AccessDeniedException"):
        client.create_grant(Operations=["Encrypt"], **wish)
    client.create_grant(Operations=["Decrypt"], **wish)
    assert third.decrypt(CiphertextBlob=kit.ciphertext)["Plaintext"] == MESSAGE
    with refused("AccessDeniedException"):
        third.encrypt(KeyId=kit.id("symmetric"), Plaintext=b"x")


@pytest.mark.claviger
def test_what_a_grantee_passed_on_outlives_its_own_grant(kms, kit, stranger, workload, arn_of):
    deploy, arn = stranger
    shop, key = workload("shop")
    wish = {"KeyId": kit.id("symmetric")}
    own = kms.create_grant(GranteePrincipal=arn, Operations=["CreateGrant", "Decrypt"], **wish)
    deploy.create_grant(GranteePrincipal=arn_of(key.principal), Operations=["Decrypt"], **wish)
    assert shop.decrypt(CiphertextBlob=kit.ciphertext)["Plaintext"] == MESSAGE
    kms.revoke_grant(GrantId=own["GrantId"], **wish)
    assert shop.decrypt(CiphertextBlob=kit.ciphertext)["Plaintext"] == MESSAGE


@pytest.mark.claviger
@covers("RetireGrant", params=["GrantToken", "GrantId", "KeyId"])
def test_grant_is_retired_by_who_may(kms, kit, workload, arn_of):
    retiring, one = workload("retiring")
    grantee, two = workload("grantee")
    wish = {"KeyId": kit.id("symmetric"), "GranteePrincipal": arn_of(two.principal)}
    made = kms.create_grant(RetiringPrincipal=arn_of(one.principal), Operations=["Decrypt"], **wish)
    with refused("AccessDeniedException"):
        grantee.retire_grant(KeyId=kit.arn("symmetric"), GrantId=made["GrantId"])
    grantee.decrypt(CiphertextBlob=kit.ciphertext)
    listed = retiring.list_retirable_grants(RetiringPrincipal=arn_of(one.principal))["Grants"]
    assert [grant["GrantId"] for grant in listed] == [made["GrantId"]]
    retiring.retire_grant(KeyId=kit.arn("symmetric"), GrantId=made["GrantId"])
    with refused("AccessDeniedException"):
        grantee.decrypt(CiphertextBlob=kit.ciphertext)
    own = kms.create_grant(Operations=["Decrypt", "RetireGrant"], **wish)
    grantee.retire_grant(GrantToken=own["GrantToken"])
    with refused("AccessDeniedException"):
        grantee.decrypt(CiphertextBlob=kit.ciphertext)


@pytest.mark.claviger
def test_who_gave_a_grant_retires_it_where_nobody_is_named_to(kms, kit, workload, arn_of):
    grantee, one = workload("grantee")
    wish = {"KeyId": kit.id("symmetric"), "GranteePrincipal": arn_of(one.principal), "Operations": ["Decrypt"]}
    made = kms.create_grant(**wish)
    assert grantee.decrypt(CiphertextBlob=kit.ciphertext)["Plaintext"] == MESSAGE
    kms.retire_grant(KeyId=kit.arn("symmetric"), GrantId=made["GrantId"])
    with refused("AccessDeniedException"):
        grantee.decrypt(CiphertextBlob=kit.ciphertext)


@pytest.mark.claviger
def test_who_has_no_rights_administers_nothing(kms, kit, stranger):
    client, _ = stranger
    for operation in sorted(OF_A_KEY):
        if operation in ("ReplicateKey", "UpdatePrimaryRegion", "ImportKeyMaterial", "GetKeyLastUsage"):
            continue
        with pytest.raises(ClientError) as caught:
            method(client, operation)(**kit.request(operation))
        assert caught.value.response["Error"]["Code"] in ("AccessDeniedException", "NotFoundException"), operation
    assert kms.describe_key(KeyId=kit.id("symmetric"))["KeyMetadata"]["Enabled"]


@pytest.mark.claviger
def test_lists_show_what_was_granted(kms, new_key, stranger):
    client, arn = stranger
    key = new_key()
    assert client.list_keys()["Keys"] == []
    kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=arn, Operations=["Decrypt", "DescribeKey"])
    assert [entry["KeyArn"] for entry in client.list_keys()["Keys"]] == [key["Arn"]]
    assert client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Arn"] == key["Arn"]
