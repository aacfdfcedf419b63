"""SOPS: YAML and JSON files whose values are sealed under a key of the deployment."""

import json
import os
import subprocess

import boto3
import pytest
import ruamel.yaml

from harness.record import RECORD

PLAIN = "name: shop\npassword: hunter2\nnested:\n    card: 4111-1111\n    list:\n    - one\n    - two\nnumber: 17\n"


@pytest.fixture(scope="session")
def kms(deployment):
    """A plain client, to make keys with."""
    key = deployment.key
    client = boto3.client(
        "kms",
        endpoint_url=deployment.endpoint,
        verify=deployment.ca or True,
        region_name=deployment.region,
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
    )
    RECORD.watch(client)
    return client


@pytest.fixture
def arn(kms):
    """ARN of a new key."""
    return kms.create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def sops(deployment, tmp_path):
    """Runs the command in a directory of its own."""

    def run(*arguments, good=True, **env):
        done = subprocess.run(
            ["sops", *arguments], cwd=tmp_path, env=deployment.environment(**env), capture_output=True, timeout=120
        )
        assert (done.returncode == 0) == good, done.stderr.decode() + done.stdout.decode()
        return done.stdout

    return run


def load(text):
    """YAML as data."""
    return ruamel.yaml.safe_load(text)


def test_yaml_file_is_sealed_value_by_value_and_opened(sops, tmp_path, arn):
    (tmp_path / "plain.yaml").write_text(PLAIN)
    sealed = sops("-e", "--kms", arn, "plain.yaml")
    (tmp_path / "sealed.yaml").write_bytes(sealed)
    document = load(sealed)
    assert b"hunter2" not in sealed and b"4111" not in sealed
    assert set(document) == {*load(PLAIN), "sops"}
    assert [entry["arn"] for entry in document["sops"]["kms"]] == [arn]
    assert load(sops("-d", "sealed.yaml")) == load(PLAIN)


def test_json_file_is_sealed_and_opened(sops, tmp_path, arn):
    (tmp_path / "plain.json").write_text(json.dumps({"password": "hunter2", "list": ["a", "b"]}))
    sealed = sops("-e", "--kms", arn, "plain.json")
    (tmp_path / "sealed.json").write_bytes(sealed)
    assert b"hunter2" not in sealed
    assert json.loads(sops("-d", "sealed.json")) == {"password": "hunter2", "list": ["a", "b"]}


def test_key_is_taken_from_the_surroundings(sops, tmp_path, arn):
    (tmp_path / "plain.yaml").write_text(PLAIN)
    (tmp_path / "sealed.yaml").write_bytes(sops("-e", "plain.yaml", SOPS_KMS_ARN=arn))
    assert load(sops("-d", "sealed.yaml")) == load(PLAIN)


def test_either_of_two_keys_opens(sops, tmp_path, kms, arn):
    second = kms.create_key()["KeyMetadata"]["Arn"]
    (tmp_path / "plain.yaml").write_text(PLAIN)
    (tmp_path / "sealed.yaml").write_bytes(sops("-e", "--kms", f"{arn},{second}", "plain.yaml"))
    for lost in (arn, second):
        kms.disable_key(KeyId=lost)
        assert load(sops("-d", "sealed.yaml")) == load(PLAIN)
        kms.enable_key(KeyId=lost)


def test_disabled_key_opens_no_file(sops, tmp_path, kms, arn):
    (tmp_path / "plain.yaml").write_text(PLAIN)
    (tmp_path / "sealed.yaml").write_bytes(sops("-e", "--kms", arn, "plain.yaml"))
    kms.disable_key(KeyId=arn)
    sops("-d", "sealed.yaml", good=False)
    kms.enable_key(KeyId=arn)
    assert load(sops("-d", "sealed.yaml")) == load(PLAIN)


def test_file_that_was_changed_does_not_open(sops, tmp_path, arn):
    (tmp_path / "plain.yaml").write_text(PLAIN)
    document = load(sops("-e", "--kms", arn, "plain.yaml"))
    document["name"], document["password"] = document["password"], document["name"]
    (tmp_path / "sealed.yaml").write_text(ruamel.yaml.safe_dump(document))
    sops("-d", "sealed.yaml", good=False)


def test_file_of_any_bytes_is_sealed_and_opened(sops, tmp_path, arn):
    (tmp_path / "plain.bin").write_bytes(b"\x00\x01 text " + os.urandom(8).hex().encode())
    (tmp_path / "sealed.bin").write_bytes(sops("-e", "--kms", arn, "plain.bin"))
    assert sops("-d", "sealed.bin").rstrip(b"\n") == (tmp_path / "plain.bin").read_bytes()
