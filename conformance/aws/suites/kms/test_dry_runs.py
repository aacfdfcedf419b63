"""DryRun: all checks are made, nothing is done, and the good answer is an error."""

import pytest

from harness.coverage import covers
from harness.kits import DRY
from harness.refusal import method, refused

WOULD = "The request would have succeeded, but the DryRun option is set."


@pytest.mark.parametrize(
    "operation",
    [pytest.param(name, marks=covers(name, params=["DryRun"], errors=["DryRunOperationException"]))
     for name in [*DRY, "CreateGrant"]],
)  # fmt: skip
def test_what_would_succeed_says_so(kms, kit, operation):
    with refused("DryRunOperationException", message=WOULD):
        method(kms, operation)(DryRun=True, **kit.request(operation))


@pytest.mark.parametrize("operation", [*DRY, "CreateGrant"])
def test_dry_run_that_is_false_is_none(kms, kit, operation):
    method(kms, operation)(DryRun=False, **kit.request(operation))


@pytest.mark.parametrize("operation", DRY)
def test_what_would_fail_fails(kms, fresh_kit, operation):
    request = fresh_kit.request(operation)
    kms.disable_key(KeyId=request.get("KeyId") or request["SourceKeyId"])
    with refused("DisabledException"):
        method(kms, operation)(DryRun=True, **request)


def test_grant_of_a_dry_run_is_not_there(kms, new_key, myself):
    key = new_key()["KeyId"]
    before = kms.list_grants(KeyId=key)["Grants"]
    with refused("DryRunOperationException", message=WOULD):
        kms.create_grant(KeyId=key, GranteePrincipal=myself, Operations=["Decrypt"], DryRun=True)
    assert kms.list_grants(KeyId=key)["Grants"] == before


@covers("RevokeGrant", params=["DryRun"], errors=["DryRunOperationException"])
@covers("RetireGrant", params=["DryRun"], errors=["DryRunOperationException"])
def test_grant_outlives_the_dry_run_of_its_end(kms, new_key, myself):
    key = new_key()
    made = kms.create_grant(
        KeyId=key["KeyId"], GranteePrincipal=myself, RetiringPrincipal=myself, Operations=["Decrypt"]
    )
    with refused("DryRunOperationException", message=WOULD):
        kms.revoke_grant(KeyId=key["KeyId"], GrantId=made["GrantId"], DryRun=True)
    with refused("DryRunOperationException", message=WOULD):
        kms.retire_grant(GrantToken=made["GrantToken"], DryRun=True)
    grants = kms.list_grants(KeyId=key["KeyId"])["Grants"]
    assert made["GrantId"] in [grant["GrantId"] for grant in grants]


def test_dry_run_is_no_oracle_for_ciphertexts(kms, kit):
    # A changed ciphertext is refused as it is without DryRun: the check is the real one.
    changed = kit.ciphertext[:-1] + bytes([kit.ciphertext[-1] ^ 1])
    with refused("InvalidCiphertextException"):
        kms.decrypt(CiphertextBlob=changed, DryRun=True)


@covers("Decrypt", params=["DryRunModifiers"])
@covers("ReEncrypt", params=["DryRunModifiers"])
def test_dry_run_without_a_ciphertext_asks_for_rights_alone(kms, kit):
    wish = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    with refused("DryRunOperationException", message=WOULD):
        kms.decrypt(KeyId=kit.id("symmetric"), **wish)
    with refused("DryRunOperationException", message=WOULD):
        kms.re_encrypt(SourceKeyId=kit.id("symmetric"), DestinationKeyId=kit.id("symmetric"), **wish)


def test_ciphertext_is_needed_otherwise(kms, kit):
    for wish in ({}, {"DryRun": True}, {"DryRunModifiers": ["IGNORE_CIPHERTEXT"]}):
        with refused("ValidationException"):
            kms.decrypt(KeyId=kit.id("symmetric"), **wish)
        with refused("ValidationException"):
            kms.re_encrypt(SourceKeyId=kit.id("symmetric"), DestinationKeyId=kit.id("symmetric"), **wish)


@pytest.mark.claviger
@pytest.mark.parametrize("operation", DRY)
def test_dry_run_of_one_who_has_no_right_is_denied(kit, workload, operation):
    client, _ = workload("dry")
    with refused("AccessDeniedException"):
        method(client, operation)(DryRun=True, **kit.request(operation))
