"""Ansible's `kms_key`: a second run finds everything as it is to be, and changes nothing."""

import json
import subprocess
import sys

import boto3
import pytest

from harness.record import RECORD


@pytest.fixture(scope="session")
def kms(deployment):
    """A plain client, to look at what was made."""
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
def kms_key(deployment, tmp_path):
    """Runs the module; gives whether it changed something, and what it found in the end."""

    def run(**wishes):
        command = ["ansible", "localhost", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
        command += ["-m", "amazon.aws.kms_key", "-a", json.dumps({"region": deployment.region} | wishes)]
        env = deployment.environment(
            ANSIBLE_HOME=str(tmp_path), ANSIBLE_NOCOLOR="1", ANSIBLE_LOCALHOST_WARNING="false", LC_ALL="C.UTF-8"
        )
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        head, _, result = done.stdout.partition(" => ")
        return head.endswith("CHANGED"), json.loads(result)

    return run


@pytest.fixture
def application(deployment, unique):
    """Another application, by its ARN as a role."""
    made = deployment.workload(unique("app"))
    account = boto3.client(
        "sts",
        endpoint_url=deployment.sts_endpoint,
        verify=deployment.ca or True,
        region_name=deployment.region,
        aws_access_key_id=deployment.key.access_key_id,
        aws_secret_access_key=deployment.key.secret_access_key,
    ).get_caller_identity()["Arn"]
    return f"{account.rpartition(':user/')[0]}:role/{made.principal}"


@pytest.mark.claviger
def test_key_with_a_policy_comes_to_rest(kms, kms_key, application, unique):
    base = application.rpartition(":role/")[0]
    allow = {"Effect": "Allow", "Resource": "*"}
    policy = {
        "Version": "2012-10-17",
        "Id": "auto-1",
        "Statement": [
            allow | {"Sid": "Enable IAM User Permissions", "Principal": {"AWS": f"{base}:root"}, "Action": "kms:*"},
            allow
            | {
                "Sid": "Allow use of the key",
                "Principal": {"AWS": application},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            },
        ],
    }
    grant = {"name": "one", "grantee_principal": application, "operations": ["Decrypt", "RetireGrant"]}
    wish = {
        "alias": unique("ansible"),
        "description": "made by ansible",
        "policy": json.dumps(policy),
        "tags": {"team": "orders"},
        "grants": [grant],
        "purge_grants": True,
        "enable_key_rotation": True,
    }
    changed, made = kms_key(**wish)
    assert changed
    changed, found = kms_key(**wish)
    assert not changed
    assert found["key_policies"] == [policy] and found["key_id"] == made["key_id"]
    # Another policy and other grants are one change, and then there is rest again.
    policy["Statement"][1]["Action"] = ["kms:Decrypt"]
    wish |= {"policy": json.dumps(policy), "grants": [grant | {"operations": ["Encrypt"]}]}
    assert kms_key(**wish)[0]
    changed, found = kms_key(**wish)
    assert not changed
    assert [one["operations"] for one in found["grants"]] == [["Encrypt"]]
    assert json.loads(kms.get_key_policy(KeyId=made["key_id"])["Policy"]) == policy


@pytest.mark.claviger
def test_key_that_does_not_rotate_comes_to_rest(kms_key, unique):
    wish = {"alias": unique("ansible"), "key_spec": "RSA_2048", "key_usage": "SIGN_VERIFY", "enable_key_rotation": False}
    assert kms_key(**wish)[0]
    assert not kms_key(**wish)[0]
