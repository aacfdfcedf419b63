"""Fixtures of all suites. Each suite runs in the environment of its own client."""

from __future__ import annotations

import os
import tomllib
import uuid
from fnmatch import fnmatch
from pathlib import Path

import pytest

from harness.deployment import Deployment

HERE = Path(__file__).parent
DIFFERENCES = HERE / "differences.toml"


def pytest_addoption(parser) -> None:
    parser.addoption("--shown", help="file for the record of what was shown")
    parser.addoption("--family", default="local", help="name of the suite in that record")


def pytest_configure(config) -> None:
    # Suites without botocore keep no record of calls, only of outcomes.
    try:
        from harness.coverage import Plugin
    except ImportError:
        return
    path = config.getoption("--shown")
    config.pluginmanager.register(Plugin(Path(path) if path else None, config.getoption("--family")), "shown")


def pytest_collection_modifyitems(config, items) -> None:
    known = tomllib.loads(DIFFERENCES.read_text()).get("difference", [])
    plain = bool(os.environ.get("CONFORMANCE_ENDPOINT")) and not os.environ.get("CONFORMANCE_READY")
    for item in items:
        if plain and item.get_closest_marker("claviger"):
            item.add_marker(pytest.mark.skip(reason="needs the command line of a deployment"))
        for difference in known:
            if not plain and any(fnmatch(item.nodeid, f"suites/{pattern}") for pattern in difference["tests"]):
                item.add_marker(pytest.mark.xfail(reason=difference["reason"], strict=True))


@pytest.fixture(scope="session")
def deployment(tmp_path_factory):
    """The deployment under test."""
    made = Deployment.of_surroundings(tmp_path_factory.mktemp("deployment"))
    yield made
    made.stop()


@pytest.fixture
def unique():
    """A name that nothing else has."""
    return lambda word="test": f"{word}-{uuid.uuid4().hex[:12]}"
