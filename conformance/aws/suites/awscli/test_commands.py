"""The AWS CLI: commands that people type, with files and base64 as they do."""

import base64
import json
import os
import subprocess

import pytest


@pytest.fixture
def aws(deployment, tmp_path):
    """Runs `aws kms ...` in a directory of its own and reads what it prints."""

    def run(*arguments, service="kms", good=True, **env):
        done = subprocess.run(
            ["aws", service, *arguments, "--output", "json"],
            cwd=tmp_path,
            env=deployment.environment(**env),
            capture_output=True,
            timeout=120,
        )
        assert (done.returncode == 0) == good, done.stderr.decode()
        if not good:
            return done.stderr.decode()
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


@pytest.fixture
def key(aws):
    """Id of a new key."""
    return aws("create-key", "--description", "from the command line")["KeyMetadata"]["KeyId"]


def test_file_is_sealed_and_opened(aws, tmp_path, key):
    (tmp_path / "in").write_bytes(b"4111-1111-1111-1111")
    sealed = aws("encrypt", "--key-id", key, "--plaintext", "fileb://in", "--encryption-context", "order=17,shop=north")
    (tmp_path / "sealed").write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = aws("decrypt", "--ciphertext-blob", "fileb://sealed", "--encryption-context", "shop=north,order=17")
    assert base64.b64decode(opened["Plaintext"]) == b"4111-1111-1111-1111"
    said = aws("decrypt", "--ciphertext-blob", "fileb://sealed", good=False)
    assert "InvalidCiphertextException" in said


def test_key_lives_and_waits_for_deletion(aws, key, unique):
    alias = f"alias/{unique()}"
    aws("create-alias", "--alias-name", alias, "--target-key-id", key)
    aws("tag-resource", "--key-id", key, "--tags", "TagKey=team,TagValue=blue")
    assert aws("list-resource-tags", "--key-id", key)["Tags"] == [{"TagKey": "team", "TagValue": "blue"}]
    aws("enable-key-rotation", "--key-id", key, "--rotation-period-in-days", "180")
    assert aws("get-key-rotation-status", "--key-id", key)["RotationPeriodInDays"] == 180
    aws("rotate-key-on-demand", "--key-id", key)
    assert len(aws("list-key-rotations", "--key-id", key)["Rotations"]) == 1
    aws("disable-key", "--key-id", key)
    assert "DisabledException" in aws("generate-data-key", "--key-id", alias, "--key-spec", "AES_256", good=False)
    aws("enable-key", "--key-id", key)
    aws("delete-alias", "--alias-name", alias)
    assert (
        aws("schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")["KeyState"] == "PendingDeletion"
    )
    assert aws("describe-key", "--key-id", key)["KeyMetadata"]["DeletionDate"]
    aws("cancel-key-deletion", "--key-id", key)


def test_lists_come_page_by_page(aws, key):
    whole = {entry["KeyId"] for entry in aws("list-keys")["Keys"]}
    paged = {entry["KeyId"] for entry in aws("list-keys", "--page-size", "3")["Keys"]}
    assert key in whole and whole <= paged
    first = aws("list-keys", "--max-items", "1")
    assert len(first["Keys"]) == 1 and ("NextToken" in first or len(whole) == 1)


def test_message_is_signed_and_verified(aws, tmp_path):
    made = aws("create-key", "--key-spec", "ECC_NIST_P256", "--key-usage", "SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    (tmp_path / "message").write_bytes(os.urandom(100))
    wish = ["--key-id", made, "--message", "fileb://message", "--signing-algorithm", "ECDSA_SHA_256"]
    signed = aws("sign", *wish)
    (tmp_path / "signature").write_bytes(base64.b64decode(signed["Signature"]))
    assert aws("verify", *wish, "--signature", "fileb://signature")["SignatureValid"] is True
    (tmp_path / "signature").write_bytes(bytes(64))
    assert "KMSInvalidSignatureException" in aws("verify", *wish, "--signature", "fileb://signature", good=False)


def test_caller_is_told_who_he_is(aws):
    assert aws("get-caller-identity", service="sts")["Arn"].startswith("arn:aws:iam::")


def test_endpoint_and_ca_may_be_named_on_the_command_line(aws, deployment):
    options = ["--endpoint-url", deployment.endpoint, "--region", deployment.region]
    if deployment.ca:
        options += ["--ca-bundle", deployment.ca]
    nothing = {"AWS_ENDPOINT_URL_KMS": "", "AWS_CA_BUNDLE": ""}
    assert "Keys" in aws("list-keys", "--max-items", "1", *options, **nothing)


def test_wrong_secret_is_told(aws):
    assert "InvalidSignatureException" in aws("list-keys", good=False, AWS_SECRET_ACCESS_KEY="x" * 40)
