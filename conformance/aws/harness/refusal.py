"""Demanding an error of a call."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from .record import RECORD

FAULTS = {"KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException"}


@contextmanager
def refused(*codes: str, message: str | None = None):
    """The call inside must end with one of these errors. `message` is a pattern for the whole of its text."""
    with pytest.raises(ClientError) as caught:
        yield caught
    error = caught.value.response["Error"]
    assert error["Code"] in codes, f"{error['Code']} instead of {' or '.join(codes)}: {error.get('Message')}"
    status = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert status == (500 if error["Code"] in FAULTS else 400), f"status {status} for {error['Code']}"
    if message is not None:
        text = error.get("Message", "")
        assert re.fullmatch(message, text, re.DOTALL), f"`{text}` is not like `{message}`"
    RECORD.demanded(caught.value.operation_name, error["Code"])


def of_model(client, operation: str, *codes: str) -> str:
    """The first of these errors that the model names for the operation, else the last."""
    named = {shape.name for shape in client.meta.service_model.operation_model(operation).error_shapes}
    return next((code for code in codes if code in named), codes[-1])


def method(client, operation: str):
    """The method of a boto3 client for an operation of the model."""
    names = {api: python for python, api in client.meta.method_to_api_mapping.items()}
    return getattr(client, names[operation])
