"""Rotation: by period, on demand, and what stays readable."""

from datetime import UTC, datetime, timedelta

import pytest

from harness.byok import bring
from harness.coverage import covers
from harness.refusal import method, refused

CHANGING_ROTATION = ["DisableKeyRotation", "EnableKeyRotation", "ListKeyRotations", "RotateKeyOnDemand"]


def rotations(kms, key, **given):
    """Every rotation of a key."""
    pages = kms.get_paginator("list_key_rotations").paginate(KeyId=key, **given)
    return [entry for page in pages for entry in page["Rotations"]]


@covers("GetKeyRotationStatus", params=["KeyId"])
@covers("EnableKeyRotation", params=["KeyId"])
@covers("DisableKeyRotation", params=["KeyId"])
def test_rotation_is_off_until_it_is_switched_on_and_off_again(kms, new_key):
    key = new_key()
    status = kms.get_key_rotation_status(KeyId=key["KeyId"])
    assert status["KeyRotationEnabled"] is False and "NextRotationDate" not in status
    kms.enable_key_rotation(KeyId=key["KeyId"])
    status = kms.get_key_rotation_status(KeyId=key["KeyId"])
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 365)
    for _ in range(2):
        kms.disable_key_rotation(KeyId=key["KeyId"])
        assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is False


@pytest.mark.parametrize("days", [90, 180, 365, 2560])
@covers("EnableKeyRotation", params=["RotationPeriodInDays"])
def test_period_and_next_date_are_told(kms, new_key, days):
    key = new_key()
    for _ in range(2):
        kms.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=days)
    status = kms.get_key_rotation_status(KeyId=key["KeyId"])
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, days)
    assert status["KeyId"] == key["Arn"]
    assert abs(status["NextRotationDate"] - datetime.now(UTC) - timedelta(days=days)) < timedelta(days=1)


@pytest.mark.parametrize("days", [0, 89, 2561])
def test_period_is_90_to_2560_days(loose, new_key, days):
    with refused("ValidationException", message=".*'rotationPeriodInDays'.*"):
        loose.enable_key_rotation(KeyId=new_key()["KeyId"], RotationPeriodInDays=days)


@covers("RotateKeyOnDemand", params=["KeyId"])
@covers("ListKeyRotations", params=["KeyId", "IncludeKeyMaterial"])
def test_rotation_on_demand_takes_new_material_and_opens_what_the_old_sealed(kms, new_key):
    key = new_key()
    before = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"before")["CiphertextBlob"]
    assert kms.rotate_key_on_demand(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
    current = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["CurrentKeyMaterialId"]
    assert current != key["CurrentKeyMaterialId"] and len(current) == 64
    after = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"after")["CiphertextBlob"]
    opened = kms.decrypt(CiphertextBlob=before)
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"before", key["CurrentKeyMaterialId"])
    opened = kms.decrypt(CiphertextBlob=after)
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"after", current)
    (rotation,) = rotations(kms, key["KeyId"])
    assert (rotation["KeyId"], rotation["RotationType"]) == (key["KeyId"], "ON_DEMAND")
    assert abs(rotation["RotationDate"] - datetime.now(UTC)) < timedelta(minutes=2)
    assert rotation["KeyMaterialId"] == current
    everything = rotations(kms, key["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL")
    states = {entry["KeyMaterialId"]: entry["KeyMaterialState"] for entry in everything}
    assert states == {current: "CURRENT", key["CurrentKeyMaterialId"]: "NON_CURRENT"}
    assert rotations(kms, key["KeyId"], IncludeKeyMaterial="ROTATIONS_ONLY") == [rotation]


def test_first_material_is_no_rotation(kms, new_key):
    key = new_key()
    assert rotations(kms, key["KeyId"]) == []
    (first,) = rotations(kms, key["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL")
    assert (first["KeyMaterialId"], first["KeyMaterialState"]) == (key["CurrentKeyMaterialId"], "CURRENT")
    assert "RotationDate" not in first and "RotationType" not in first


def test_rotation_on_demand_leaves_the_schedule_alone(kms, new_key):
    key = new_key()["KeyId"]
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    before = kms.get_key_rotation_status(KeyId=key)
    kms.rotate_key_on_demand(KeyId=key)
    after = kms.get_key_rotation_status(KeyId=key)
    assert abs(after["NextRotationDate"] - before["NextRotationDate"]) < timedelta(minutes=1)


def test_every_one_of_many_materials_still_opens(kms, new_key):
    key, sealed = new_key()["KeyId"], []
    for number in range(6):
        sealed.append(kms.encrypt(KeyId=key, Plaintext=bytes([number]))["CiphertextBlob"])
        kms.rotate_key_on_demand(KeyId=key)
    opened = [kms.decrypt(CiphertextBlob=blob) for blob in sealed]
    assert [answer["Plaintext"] for answer in opened] == [bytes([number]) for number in range(6)]
    assert len({answer["KeyMaterialId"] for answer in opened}) == 6


@covers("RotateKeyOnDemand", errors=["LimitExceededException"])
def test_key_rotates_25_times_on_demand(kms, new_key):
    key = new_key()
    for _ in range(25):
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
    with refused("LimitExceededException", message=f"The on-demand rotations limit has been reached .*{key['Arn']}"):
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
    assert len(rotations(kms, key["KeyId"])) == 25


@pytest.mark.parametrize("usage", ["rsa", "sign", "mac", "agree"])
@pytest.mark.parametrize(
    "operation",
    [pytest.param(name, marks=covers(name, errors=["UnsupportedOperationException"])) for name in CHANGING_ROTATION],
)
def test_only_symmetric_keys_rotate(kms, kit, operation, usage):
    with refused("UnsupportedOperationException"):
        method(kms, operation)(KeyId=kit.id(usage))


@pytest.mark.parametrize("usage", ["rsa", "sign", "mac", "agree"])
def test_status_of_a_key_that_does_not_rotate_is_false(kms, kit, usage):
    status = kms.get_key_rotation_status(KeyId=kit.id(usage))
    assert (status["KeyId"], status["KeyRotationEnabled"]) == (kit.arn(usage), False)
    assert "RotationPeriodInDays" not in status and "NextRotationDate" not in status


@covers("RotateKeyOnDemand", errors=["KMSInvalidStateException"])
def test_imported_key_rotates_on_demand_to_material_that_waits(kms, new_key):
    key = new_key(Origin="EXTERNAL")
    first = bring(kms, key["KeyId"], b"1" * 32)["KeyMaterialId"]
    with refused("KMSInvalidStateException", message="No available key material pending rotation for the key: .*"):
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    second = bring(kms, key["KeyId"], b"2" * 32, ImportType="NEW_KEY_MATERIAL")
    states = {e["KeyMaterialId"]: e for e in rotations(kms, key["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL")}
    waiting = states[second["KeyMaterialId"]]
    assert (waiting["KeyMaterialState"], waiting["ImportState"]) == ("PENDING_ROTATION", "IMPORTED")
    assert waiting["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE"
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["CurrentKeyMaterialId"] == first
    kms.rotate_key_on_demand(KeyId=key["KeyId"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["CurrentKeyMaterialId"] == second["KeyMaterialId"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
