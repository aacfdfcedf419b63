"""What custodians must approve, as clients of the KMS API meet it: refused, and done by the same call once approved."""

import os
import re

import pytest

from harness.byok import bring, wrap
from harness.coverage import covers
from harness.refusal import refused

pytestmark = pytest.mark.claviger
REQUEST = re.compile(r"approval request ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
CUSTODIANS = ("custodian-1", "custodian-2")
OPERATIONS = [
    "create_key",
    "describe_key",
    "schedule_destroy",
    "cancel_destroy",
    "read_import_parameters",
    "import_material",
]
WRAPPING = "RSAES_OAEP_SHA_256"


@pytest.fixture
def guarded(deployment, connect, unique):
    """The client of an application that administers a relaxed ring with a quorum of two, as every new ring has."""
    ring, name = unique("ring"), unique("tool")
    deployment.cli("administrator", "ring", "create", ring)
    deployment.cli("security_officer", "ring", "separation", ring, "relaxed", "--reason", "conformance")
    deployment.cli("administrator", "principal", "create", name, "--kind", "workload", "--home", ring)
    key = deployment.access_key(name)
    deployment.cli(
        "security_officer", "grant", "create", name, "--ring", ring,
        "--operations", ",".join(OPERATIONS), "--reason", "conformance",
    )  # fmt: skip
    return connect(key=key)


def asked(call):
    """The number of the request that a call which is not done names."""
    with refused("AccessDeniedException") as caught:
        call()
    message = caught.value.response["Error"]["Message"]
    found = REQUEST.search(message)
    assert found, message
    return found.group(1)


def approve(deployment, request, *custodians):
    """Approves as people do: each by the key of a certificate of their own."""
    for custodian in custodians or CUSTODIANS:
        deployment.cli(custodian, "approval", "approve", request, "--yes")


def state(client, key):
    """The state of a key."""
    return client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]


@covers("ScheduleKeyDeletion", params=["KeyId", "PendingWindowInDays"])
def test_second_call_schedules_the_deletion_once_it_is_approved(deployment, guarded):
    key = guarded.create_key()["KeyMetadata"]["KeyId"]
    schedule = lambda days=30: guarded.schedule_key_deletion(KeyId=key, PendingWindowInDays=days)  # noqa: E731
    request = asked(schedule)
    assert asked(schedule) == request
    approve(deployment, request, CUSTODIANS[0])
    assert asked(schedule) == request and state(guarded, key) == "Enabled"
    approve(deployment, request, CUSTODIANS[1])
    # What was approved is a wait of 30 days, and no other.
    assert asked(lambda: schedule(29)) != request and state(guarded, key) == "Enabled"
    answer = schedule()
    assert (answer["KeyState"], answer["PendingWindowInDays"]) == ("PendingDeletion", 30)
    with refused("KMSInvalidStateException"):
        schedule()
    guarded.cancel_key_deletion(KeyId=key)
    assert asked(schedule) != request


def test_deletion_that_a_custodian_denies_stays_refused(deployment, guarded):
    key = guarded.create_key()["KeyMetadata"]["KeyId"]
    schedule = lambda: guarded.schedule_key_deletion(KeyId=key)  # noqa: E731
    request = asked(schedule)
    deployment.cli("custodian-3", "approval", "deny", request, "--reason", "still in use", "--yes")
    with refused("AccessDeniedException", message=".*denied it.*"):
        schedule()
    assert state(guarded, key) == "Enabled"


@covers("ImportKeyMaterial", params=["KeyId", "ImportToken", "EncryptedKeyMaterial", "ImportType"])
def test_second_call_imports_into_a_key_in_use_once_it_is_approved(deployment, guarded):
    key = guarded.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    first = bring(guarded, key, os.urandom(32))["KeyMaterialId"]

    def wrapped():
        """New material, as it is sent."""
        given = guarded.get_parameters_for_import(
            KeyId=key, WrappingAlgorithm=WRAPPING, WrappingKeySpec="RSA_2048"
        )
        return {
            "KeyId": key,
            "ImportToken": given["ImportToken"],
            "EncryptedKeyMaterial": wrap(given["PublicKey"], WRAPPING, os.urandom(32)),
            "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
            "ImportType": "NEW_KEY_MATERIAL",
        }

    sent = wrapped()
    request = asked(lambda: guarded.import_key_material(**sent))
    approve(deployment, request)
    # What was approved are these bytes, and no others.
    assert asked(lambda: guarded.import_key_material(**wrapped())) != request
    imported = guarded.import_key_material(**sent)
    assert imported["KeyMaterialId"] != first
    assert state(guarded, key) == "Enabled"


def test_deletion_takes_one_call(guarded):
    key = guarded.create_key()["KeyMetadata"]["KeyId"]
    assert guarded.schedule_key_deletion(KeyId=key)["KeyState"] == "PendingDeletion"
