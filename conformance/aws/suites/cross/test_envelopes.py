"""Envelopes as storage clients make them: a data key per object, the object under it, the sealed key beside it."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from harness.refusal import refused


class Bucket:
    """Objects under data keys, in the manner of the S3 encryption client: the context binds bucket and name."""

    def __init__(self, kms, key, name="records"):
        self.kms, self.key, self.name, self.objects = kms, key, name, {}

    def context(self, name):
        """What an object is bound to."""
        return {"aws:s3:arn": f"arn:aws:s3:::{self.name}/{name}"}

    def put(self, name, body):
        """Seals and stores."""
        made = self.kms.generate_data_key(KeyId=self.key, KeySpec="AES_256", EncryptionContext=self.context(name))
        nonce = os.urandom(12)
        sealed = AESGCM(made["Plaintext"]).encrypt(nonce, body, json.dumps(self.context(name)).encode())
        self.objects[name] = {"key": made["CiphertextBlob"], "nonce": nonce, "body": sealed, "arn": made["KeyId"]}

    def get(self, name, context=None):
        """Loads and opens."""
        stored, context = self.objects[name], context or self.context(name)
        key = self.kms.decrypt(CiphertextBlob=stored["key"], KeyId=stored["arn"], EncryptionContext=context)[
            "Plaintext"
        ]
        return AESGCM(key).decrypt(stored["nonce"], stored["body"], json.dumps(context).encode())


@pytest.fixture
def bucket(kms, new_key):
    """An empty one."""
    return Bucket(kms, new_key()["KeyId"])


def test_objects_come_back(bucket):
    bodies = {f"object-{number}": os.urandom(10_000) for number in range(20)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: bucket.put(*item), bodies.items()))
        assert dict(zip(bodies, pool.map(bucket.get, bodies), strict=True)) == bodies
    assert len({stored["key"] for stored in bucket.objects.values()}) == 20


def test_object_does_not_open_under_another_name(bucket):
    bucket.put("a", b"body of a")
    bucket.objects["b"] = bucket.objects["a"]
    with refused("InvalidCiphertextException"):
        bucket.get("b")


def test_sealed_key_of_one_object_opens_no_other(bucket):
    bucket.put("a", b"body of a")
    bucket.put("b", b"body of b")
    bucket.objects["a"]["body"] = bucket.objects["b"]["body"]
    with pytest.raises(InvalidTag):
        bucket.get("a")


def test_objects_outlive_rotations_and_rest_while_the_key_is_disabled(bucket, kms):
    for number in range(4):
        bucket.put(f"object-{number}", bytes([number]))
        kms.rotate_key_on_demand(KeyId=bucket.key)
    kms.disable_key(KeyId=bucket.key)
    for name in bucket.objects:
        with refused("DisabledException"):
            bucket.get(name)
    kms.enable_key(KeyId=bucket.key)
    assert [bucket.get(f"object-{number}") for number in range(4)] == [bytes([number]) for number in range(4)]


def test_data_keys_move_to_another_key_without_the_objects(bucket, kms, new_key):
    bucket.put("a", b"body of a")
    other, stored = new_key(), bucket.objects["a"]
    context = bucket.context("a")
    moved = kms.re_encrypt(
        CiphertextBlob=stored["key"],
        SourceEncryptionContext=context,
        DestinationKeyId=other["KeyId"],
        DestinationEncryptionContext=context,
    )
    stored.update(key=moved["CiphertextBlob"], arn=moved["KeyId"])
    kms.schedule_key_deletion(KeyId=bucket.key, PendingWindowInDays=7)
    assert bucket.get("a") == b"body of a"
