"""aws-encryption-cli: files in, files out."""

import json
import os
import subprocess

import pytest


@pytest.fixture
def cli(deployment, tmp_path):
    """Runs the command in a directory of its own."""

    def run(*arguments, good=True):
        done = subprocess.run(
            ["aws-encryption-cli", *arguments],
            cwd=tmp_path,
            env=deployment.environment(),
            capture_output=True,
            timeout=120,
        )
        assert good is None or (done.returncode == 0) == good, done.stderr.decode()
        return done

    return run


@pytest.mark.parametrize("size", [20, 100_000])
def test_file_comes_back(cli, tmp_path, arn, size):
    plaintext = os.urandom(size)
    (tmp_path / "in").write_bytes(plaintext)
    seal = ["--wrapping-keys", f"key={arn}", "--encryption-context", "order=17", "--metadata-output", "metadata"]
    cli("--encrypt", "--input", "in", "--output", "sealed", *seal)
    told = json.loads((tmp_path / "metadata").read_text().splitlines()[0])
    assert told["header"]["encrypted_data_keys"][0]["key_provider"]["provider_id"] is not None
    assert plaintext not in (tmp_path / "sealed").read_bytes()
    open_ = ["--wrapping-keys", f"key={arn}", "--encryption-context", "order=17", "--suppress-metadata"]
    cli("--decrypt", "--input", "sealed", "--output", "out", *open_)
    assert (tmp_path / "out").read_bytes() == plaintext


def test_wrong_context_and_wrong_key_open_nothing(cli, tmp_path, arn, new_arn):
    (tmp_path / "in").write_bytes(b"message")
    cli("--encrypt", "--input", "in", "--output", "sealed", "--wrapping-keys", f"key={arn}",
        "--encryption-context", "order=17", "--suppress-metadata")  # fmt: skip
    # Of a context that is not the one it wants the command says "skipping", writes nothing and ends well.
    for key, context, good in ((arn, "order=18", None), (new_arn(), "order=17", False)):
        cli("--decrypt", "--input", "sealed", "--output", "out", "--wrapping-keys", f"key={key}",
            "--encryption-context", context, "--suppress-metadata", good=good)  # fmt: skip
        assert not (tmp_path / "out").exists()


def test_discovery_opens(cli, tmp_path, arn):
    (tmp_path / "in").write_bytes(b"message")
    cli("--encrypt", "--input", "in", "--output", "sealed", "--wrapping-keys", f"key={arn}", "--suppress-metadata")
    cli("--decrypt", "--input", "sealed", "--output", "out", "--wrapping-keys", "discovery=true", "--suppress-metadata")
    assert (tmp_path / "out").read_bytes() == b"message"
