"""Clients for the KMS API."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config

from harness.kits import CHANGING, Kit
from harness.raw import Caller
from harness.record import RECORD


@pytest.fixture(scope="session")
def connect(deployment):
    """Makes boto3 clients: for an access key, with the wishes of botocore's `Config`."""

    def make(service="kms", key=None, region=None, **config):
        key = key or deployment.key
        config.setdefault("retries", {"total_max_attempts": 1})
        session = boto3.Session(
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            aws_session_token=key.session_token,
            region_name=region or deployment.region,
        )
        client = session.client(
            service,
            endpoint_url=deployment.sts_endpoint if service == "sts" else deployment.endpoint,
            verify=deployment.ca or True,
            config=Config(**config),
        )
        RECORD.watch(client)
        return client

    return make


@pytest.fixture(scope="session")
def kms(connect):
    """The client of the evaluation's access key. It does not retry, so that nothing is hidden."""
    return connect()


@pytest.fixture(scope="session")
def loose(connect):
    """The same without botocore's own validation: what is wrong arrives."""
    return connect(parameter_validation=False)


@pytest.fixture(scope="session")
def myself(connect):
    """ARN of the access key's principal."""
    return connect("sts").get_caller_identity()["Arn"]


@pytest.fixture(scope="session")
def kit(kms, myself):
    """Keys that no test changes."""
    return Kit(kms, myself)


@pytest.fixture
def fresh_kit(kms, myself):
    """Keys of one test."""
    return Kit(kms, myself)


@pytest.fixture
def kit_for(kms, kit, myself):
    """The kit for an operation that is expected to be refused: a new one, if a server that does not would spoil it."""
    return lambda operation: Kit(kms, myself) if operation in CHANGING else kit


@pytest.fixture
def new_key(kms):
    """Makes keys of one test."""
    return lambda **wishes: kms.create_key(**wishes)["KeyMetadata"]


@pytest.fixture
def raw(deployment):
    """Calls by hand."""
    return Caller(deployment)


@pytest.fixture
def workload(deployment, connect, unique):
    """Another application without rights, and its client."""

    def make(word="app", **config):
        key = deployment.workload(unique(word))
        return connect(key=key, **config), key

    return make


@pytest.fixture
def arn_of(myself):
    """ARN of an application by name, in the account of this one."""
    return lambda name: f"{myself.rpartition('/')[0]}/{name}"
