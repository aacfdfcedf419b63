"""The clients of the KMS API, and the application `app` that comes through REST."""

import importlib.util
import sys
from pathlib import Path

import pytest

_path = Path(__file__).parents[1] / "kms" / "conftest.py"
_spec = importlib.util.spec_from_file_location("kms_fixtures", _path)
_fixtures = importlib.util.module_from_spec(_spec)
sys.modules["kms_fixtures"] = _fixtures
_spec.loader.exec_module(_fixtures)

arn_of, connect, kit, kms, myself, new_key, workload = (
    getattr(_fixtures, name) for name in ("arn_of", "connect", "kit", "kms", "myself", "new_key", "workload")
)


@pytest.fixture
def granted(deployment, kms):
    """A new key that the application `app` may use through REST: its id, and how to act on it."""

    def make(operations, **wishes):
        key = kms.create_key(**wishes)["KeyMetadata"]["KeyId"]
        deployment.cli(
            "security_officer", "grant", "create", "app", "--key", key,
            "--operations", operations, "--reason", "one key, two protocols",
        )  # fmt: skip
        return key

    return make
