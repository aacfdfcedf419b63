"""Fixtures for the AWS Encryption SDK. It makes its own clients, so the surroundings tell it where to go."""

from __future__ import annotations

import os
from collections import Counter

import boto3
import botocore.session
import pytest

from harness.record import RECORD


@pytest.fixture(scope="session", autouse=True)
def surroundings(deployment):
    """The environment of an AWS client, for the time of the run."""
    before, ours = dict(os.environ), deployment.environment()
    os.environ.clear()
    os.environ.update(ours)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def kms(surroundings):
    """A plain client, to make keys with."""
    client = boto3.client("kms")
    RECORD.watch(client)
    return client


@pytest.fixture(scope="session")
def arn(kms):
    """ARN of a key."""
    return kms.create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def new_arn(kms):
    """Makes keys of one test."""
    return lambda: kms.create_key()["KeyMetadata"]["Arn"]


class Counted:
    """A botocore session that counts the calls of its clients, and reports them to the record."""

    def __init__(self) -> None:
        self.calls: Counter = Counter()
        self.session = botocore.session.Session()
        self.session.register("before-parameter-build.kms", self._count)

    def _count(self, params, model, **_) -> None:
        self.calls[model.name] += 1
        RECORD.sent(model.name, params)


@pytest.fixture
def counted():
    """Makes such sessions."""
    return Counted()
