"""The wire itself: requests that no SDK sends, and how answers look before an SDK has read them."""

import base64
import json
import re
import socket
import ssl

import pytest

from harness.coverage import covers
from harness.kits import CUSTOM_KEY_STORES, EVERY_OPERATION, MULTI_REGION
from harness.raw import CONTENT_TYPE, Caller, Request

# Members whose presence is refused, whatever is in them.
UNSUPPORTED = {"CustomKeyStoreId", "GranteeServicePrincipal", "Recipient", "RetiringServicePrincipal", "XksKeyId"}


def blobs(value):
    """A request as it goes over the wire: bytes in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: blobs(member) for name, member in value.items()}
    if isinstance(value, list):
        return [blobs(member) for member in value]
    return value


# ---- requests

BROKEN = {
    "no JSON": b"no json",
    "empty": b"",
    "half": b'{"KeyId": "x"',
    "two documents": b"{}{}",
    "a list": b"[]",
    "a string": b'"KeyId"',
    "null": b"null",
    "no UTF-8": b'{"KeyId": "\xff\xfe"}',
    "lone surrogate": b'{"KeyId": "\\ud800"}',
    "a thousand brackets": b'{"KeyId":' + b"[" * 1000 + b"]" * 1000 + b"}",
    "a comma too many": b'{"KeyId": "x",}',
    "not a number": b'{"Limit": NaN}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("operation", ["Encrypt", "CreateKey", "ListKeys"])
def test_body_that_is_no_object(raw, operation, body):
    answer = raw.call(operation, body=body)
    # What stands in members that an operation does not know is passed over, as long as it is text and the braces close.
    unknown = body in (BROKEN["lone surrogate"], BROKEN["a thousand brackets"]) and operation != "Encrypt"
    if (body == b"" or unknown) and operation in ("CreateKey", "ListKeys") and answer.status == 200:
        return
    answer.demand("SerializationException", "ValidationException")


@pytest.mark.parametrize("operation", [pytest.param(name, marks=covers(name)) for name in EVERY_OPERATION])
def test_broken_body_of_each_operation(raw, operation):
    raw.call(operation, {})
    answer = raw.call(operation, body=b'{"KeyId": ').demand("SerializationException", "UnsupportedOperationException")
    assert answer.code == "SerializationException" or operation in CUSTOM_KEY_STORES


def mistyped():
    """Each member of each operation with a value of another type."""
    from botocore.session import Session

    service = Session().get_service_model("kms")
    for operation in EVERY_OPERATION:
        if operation in CUSTOM_KEY_STORES:
            continue
        for member, shape in service.operation_model(operation).input_shape.members.items():
            wrong = {"list": "text", "map": ["list"], "structure": "text"}.get(shape.type_name, {"an": "object"})
            yield pytest.param(operation, member, wrong, id=f"{operation}-{member}")


@pytest.mark.parametrize(("operation", "member", "wrong"), list(mistyped()))
def test_member_of_another_type(raw, kit_for, operation, member, wrong):
    kit = kit_for(operation)
    codes = ["SerializationException"]
    if member in UNSUPPORTED or operation in MULTI_REGION:
        codes.append("UnsupportedOperationException")
    raw.call(operation, blobs(kit.request(operation)) | {member: wrong}).demand(*codes)


@pytest.mark.parametrize("text", ["A", "AAA", "not base64!", "AAAA====", "QUI", " QUJD", "QUJD\n"])
def test_bytes_that_are_no_base64(raw, kit, text):
    answer = raw.call("Encrypt", {"KeyId": kit.id("symmetric"), "Plaintext": text})
    # Blanks and missing padding may be borne, as AWS does; anything else may not.
    if answer.status == 200:
        assert text.strip() != text or len(text) % 4
    else:
        answer.demand("SerializationException", "ValidationException")


@pytest.mark.parametrize("operation", sorted(set(EVERY_OPERATION) - set(CUSTOM_KEY_STORES)))
def test_unknown_members_are_ignored(raw, kit_for, operation):
    unknown = {"Unknown": {"a": [1, None]}, "keyid": "x", "": 1}
    plain = raw.call(operation, blobs(kit_for(operation).request(operation)))
    again = raw.call(operation, blobs(kit_for(operation).request(operation)) | unknown)
    assert (again.status, again.code) == (plain.status, plain.code)


def test_null_is_no_member(raw, kit):
    request = {"KeyId": kit.id("symmetric"), "Plaintext": "QUJD", "EncryptionContext": None, "GrantTokens": None}
    assert raw.call("Encrypt", request).status == 200
    raw.call("Encrypt", {"KeyId": None, "Plaintext": "QUJD"}).demand("ValidationException")


def test_member_named_twice_does_not_confuse(raw, kit):
    body = json.dumps({"KeyId": kit.id("symmetric"), "Plaintext": "QUJD"})[:-1] + ', "Plaintext": "REVG"}'
    answer = raw.call("Encrypt", body=body.encode())
    assert answer.status in (200, 400)


# ---- operations, methods, paths


@pytest.mark.parametrize("target", ["TrentService.NoSuchOperation", "TrentService.", "TrentService", "Other.ListKeys",
                                    "TrentService.listkeys", "TrentService.ListKeys.x", ""])  # fmt: skip
def test_unknown_operation(raw, target):
    request = Request(target=target or None)
    raw.send(request, raw.sign(request)).demand("UnknownOperationException", "InvalidAction")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods(raw, method):
    request = Request(target="TrentService.ListKeys", method=method, body=b"" if method in ("GET", "HEAD") else b"{}")
    assert raw.send(request, raw.sign(request)).status in (400, 404, 405)


def test_other_paths(raw):
    request = Request(target="TrentService.ListKeys", path="/keys")
    assert raw.send(request, raw.sign(request)).status in (400, 404)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_other_content_types(raw, kind):
    request = Request(target="TrentService.ListKeys", headers=[("Content-Type", kind)])
    answer = raw.send(request, raw.sign(request))
    # The signature holds whatever the type is; what is not JSON is refused as what it is.
    assert answer.status < 500


def test_content_type_of_json_1_0_is_borne(raw):
    request = Request(target="TrentService.ListKeys", headers=[("Content-Type", "application/x-amz-json-1.0")])
    assert raw.send(request, raw.sign(request)).status in (200, 400, 404)


def test_body_beyond_all_limits_is_refused_and_the_server_lives(raw):
    body = b'{"KeyId":"' + b"x" * (4 << 20) + b'"}'
    try:
        answer = raw.call("Encrypt", body=body)
        assert answer.status in (400, 413)
    except Exception as error:
        # The connection may be cut while the body is still being sent.
        assert any(word in str(error).lower() for word in ("reset", "broken pipe", "aborted", "eof occurred"))
    assert raw.call("ListKeys").status == 200


# ---- answers


def test_answer_has_its_type_a_request_id_and_numbers_for_dates(raw):
    answer = raw.call("CreateKey", {"Description": "wire"})
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers["x-amzn-requestid"])
    created = answer.document["KeyMetadata"]["CreationDate"]
    assert isinstance(created, int | float) and created > 1_700_000_000


def test_request_ids_differ(raw):
    assert len({raw.call("ListKeys").headers["x-amzn-requestid"] for _ in range(5)}) == 5


def test_error_has_its_name_and_its_text(raw):
    answer = raw.call("DescribeKey", {"KeyId": "key_id"}).demand("NotFoundException", operation="DescribeKey")
    assert set(answer.document) == {"__type", "message"}
    assert answer.headers["content-type"] == CONTENT_TYPE


def test_answer_without_members_is_empty(raw, fresh_kit):
    answer = raw.call("EnableKey", {"KeyId": fresh_kit.id("symmetric")})
    assert (answer.status, answer.body) in ((200, b""), (200, b"{}"))


def test_answers_are_stored_nowhere_on_the_way(raw):
    headers = raw.call("GenerateRandom", {"NumberOfBytes": 8}).headers
    assert "no-store" in headers.get("cache-control", "") or "no-cache" in headers.get("cache-control", "")


# ---- below HTTP


@pytest.mark.claviger
def test_plain_http_gets_no_answer(deployment, raw):
    host, port = raw.url.hostname, raw.url.port
    with socket.create_connection((host, port), timeout=5) as plain:
        plain.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        assert not plain.recv(64).startswith(b"HTTP/1.1 200")


@pytest.mark.claviger
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_recent(deployment, raw, version):
    context = ssl.create_default_context(cafile=deployment.ca)
    context.minimum_version = context.maximum_version = version
    try:
        with socket.create_connection((raw.url.hostname, raw.url.port), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname=raw.url.hostname) as secure:
                cipher = secure.cipher()[0]
    except ssl.SSLError:
        assert version is ssl.TLSVersion.TLSv1_2
    else:
        assert "GCM" in cipher or "CHACHA20" in cipher


@pytest.mark.claviger
def test_call_through_another_key_of_the_same_connection_is_another_caller(deployment, raw, workload):
    _, key = workload("second")
    second = Caller(deployment, key)
    second.pool = raw.pool
    assert raw.call("ListKeys", {"Limit": 1}).document["Keys"] != second.call("ListKeys").document["Keys"]
