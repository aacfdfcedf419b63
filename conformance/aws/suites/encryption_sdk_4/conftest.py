"""Fixtures for the AWS Encryption SDK 4. It makes its own clients, so the surroundings tell it where to go."""

from __future__ import annotations

import os

import boto3
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
