"""Signature Version 4: what is signed well passes in every form; every defect is refused, each by its name."""

import json
import re
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from harness.coverage import covers
from harness.deployment import AccessKey
from harness.raw import Caller, Request, ago, ahead
from harness.refusal import refused

LIST = "TrentService.ListKeys"
SIGNATURE = "InvalidSignatureException"


def listing(**more):
    """A request that is good once it is signed."""
    return Request(target=LIST, **more)


# ---- what passes


def test_signer_of_our_own_agrees_with_the_server(raw):
    answer = raw.call("ListKeys", {"Limit": 1})
    assert answer.status == 200 and len(answer.document["Keys"]) <= 1


def test_presigned_request_passes(raw):
    request = listing()
    headers = raw.presign(request)
    assert "X-Amz-Signature" in dict(request.query)
    assert raw.send(request, headers).status == 200


def test_headers_may_be_signed_more_and_in_any_spelling(raw):
    request = listing(headers=[("X-Amz-Meta", "  two   words "), ("content-LENGTH", "2"), ("Accept", "*/*")])
    assert raw.send(request, raw.sign(request)).status == 200


def test_header_that_is_not_of_the_service_may_stay_unsigned(raw):
    request = listing(headers=[("Accept", "*/*"), ("X-Trace", "1")])
    assert raw.send(request, raw.sign(request, leave_out=("accept", "x-trace"))).status == 200


def test_path_and_query_are_signed_as_they_came(raw):
    request = listing(query=[("b", "2"), ("a", "x y"), ("a", "")])
    assert raw.send(request, raw.sign(request)).status in (200, 400, 404)
    assert raw.send(request, raw.sign(request)).code not in (SIGNATURE, "IncompleteSignatureException")


@pytest.mark.parametrize("minutes", [-4, 4])
def test_clock_may_be_off_by_some_minutes(raw, minutes):
    request = listing(at=ago(minutes=minutes))
    assert raw.send(request, raw.sign(request)).status == 200


def test_client_learns_the_right_time_from_the_answer(connect, monkeypatch):
    # botocore corrects its clock by the Date header of a refusal and tries again.
    import botocore.auth

    kms = connect(retries={"total_max_attempts": 1})
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: ago(hours=1).replace(tzinfo=None))
    with refused(SIGNATURE, message="Signature expired: .*"):
        kms.list_keys(Limit=1)


# ---- what does not


def test_call_without_a_signature(raw):
    request = listing()
    raw.send(request, raw.plain_headers(request)).demand("MissingAuthenticationTokenException")


def test_unknown_access_key(deployment):
    caller = Caller(deployment, AccessKey("AKIAAAAAAAAAAAAAAAAA", "x" * 40))
    caller.call("ListKeys").demand("UnrecognizedClientException")


def test_wrong_secret(deployment):
    caller = Caller(deployment, AccessKey(deployment.key.access_key_id, "x" * 40))
    caller.call("ListKeys").demand(SIGNATURE)


def test_unknown_key_is_told_to_boto3_too(connect):
    client = connect(key=AccessKey("AKIAAAAAAAAAAAAAAAAA", "x" * 40))
    with refused("UnrecognizedClientException", message="The security token included in the request is invalid."):
        client.list_keys()


@pytest.mark.parametrize("minutes", [-20, 20, 60 * 24])
@pytest.mark.parametrize("form", ["header", "query"])
def test_time_that_is_far_off(raw, minutes, form):
    request = listing(at=ago(minutes=minutes))
    headers = raw.sign(request) if form == "header" else raw.presign(request)
    words = "Signature expired: .*" if minutes > 0 else "Signature not yet current: .*"
    answer = raw.send(request, headers).demand(SIGNATURE)
    assert re.fullmatch(words, answer.message), answer.message


def test_presigned_request_expires(raw):
    request = listing(at=ago(seconds=90))
    raw.send(request, raw.presign(request, expires=30)).demand(SIGNATURE)
    request = listing(at=ago(seconds=90))
    assert raw.send(request, raw.presign(request, expires=600)).status == 200


@pytest.mark.parametrize("expires", [0, -1, 604801])
def test_presigned_request_lives_a_week_at_most(raw, expires):
    request = listing()
    answer = raw.send(request, raw.presign(request, expires=expires))
    assert answer.status == 400 and answer.code is not None


@pytest.mark.parametrize("what", ["region", "service"])
def test_scope_must_be_of_this_service_and_region(deployment, what):
    caller = Caller(deployment, **{what: {"region": "eu-central-1", "service": "s3"}[what]})
    caller.call("ListKeys").demand(SIGNATURE)


def changed_body(raw, request, headers):
    request.body = b'{"Limit":2}'
    return headers


def changed_target(raw, request, headers):
    return [(name, "TrentService.ListAliases" if name == "X-Amz-Target" else value) for name, value in headers]


def changed_type(raw, request, headers):
    return [(name, value + "; x=1" if name == "Content-Type" else value) for name, value in headers]


def changed_method(raw, request, headers):
    request.method = "PUT"
    return headers


def changed_path(raw, request, headers):
    request.path = "/x"
    return headers


def changed_query(raw, request, headers):
    request.query = [("a", "b")]
    return headers


def changed_date(raw, request, headers):
    return [
        (name, ago(seconds=2).strftime("%Y%m%dT%H%M%SZ") if name == "X-Amz-Date" else value) for name, value in headers
    ]


def changed_signature(raw, request, headers):
    name, value = headers[-1]
    return [*headers[:-1], (name, value[:-1] + ("0" if value[-1] != "0" else "1"))]


CHANGES = [
    changed_body,
    changed_target,
    changed_type,
    changed_method,
    changed_path,
    changed_query,
    changed_date,
    changed_signature,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_nothing_that_is_signed_can_be_changed(raw, change):
    request = listing(body=b'{"Limit":1}')
    headers = change(raw, request, raw.sign(request))
    raw.send(request, headers).demand(SIGNATURE)


@pytest.mark.parametrize("header", ["host", "x-amz-date", "x-amz-target"])
def test_what_must_be_signed_is_signed(raw, header):
    request = listing()
    answer = raw.send(request, raw.sign(request, leave_out=(header,)))
    answer.demand(SIGNATURE, "IncompleteSignatureException", "AccessDeniedException")


def edited(pattern, replacement):
    """The Authorization header, changed."""
    return lambda value: re.sub(pattern, replacement, value)


AUTHORIZATIONS = {
    "no credential": edited(r"Credential=[^,]+, ", ""),
    "no signed headers": edited(r"SignedHeaders=[^,]+, ", ""),
    "no signature": edited(r", Signature=.*", ""),
    "empty": lambda value: "AWS4-HMAC-SHA256",
    "short scope": edited(r"/kms/aws4_request", ""),
    "another end of the scope": edited(r"aws4_request", "aws5_request"),
    "a date in words": edited(r"/\d{8}/", "/today/"),
    "signature not hexadecimal": edited(r"Signature=.*", "Signature=" + "z" * 64),
    "short signature": edited(r"Signature=(.{60}).*", r"Signature=\1"),
}


@pytest.mark.parametrize("edit", AUTHORIZATIONS.values(), ids=AUTHORIZATIONS)
def test_authorization_that_is_not_whole(raw, edit):
    request = listing()
    headers = [(name, edit(value) if name == "Authorization" else value) for name, value in raw.sign(request)]
    raw.send(request, headers).demand("IncompleteSignatureException", SIGNATURE)


@pytest.mark.parametrize(
    "scheme", ["Bearer token", "Basic dXNlcjpwYXNz", "AWS4-ECDSA-P256-SHA256 Credential=x", "AWS4-HMAC-SHA1 x"]
)
def test_other_schemes(raw, scheme):
    request = listing()
    headers = [*raw.plain_headers(request), ("Authorization", scheme)]
    raw.send(request, headers).demand("MissingAuthenticationTokenException", "IncompleteSignatureException", SIGNATURE)


def test_two_authorizations(raw):
    request = listing()
    headers = raw.sign(request)
    answer = raw.send(request, [*headers, headers[-1]])
    assert answer.status == 400


def test_header_form_and_query_form_at_once(raw):
    request = listing()
    query_headers = raw.presign(request)
    both = [*query_headers, *[header for header in raw.sign(listing()) if header[0] in ("Authorization", "X-Amz-Date")]]
    assert raw.send(request, both).status == 400


def test_body_must_have_the_digest_that_is_named(raw):
    request = listing(headers=[("X-Amz-Content-Sha256", "0" * 64)])
    raw.send(request, raw.sign(request)).demand(SIGNATURE)
    request = listing(headers=[("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")])
    assert raw.send(request, raw.sign(request)).status == 400


def test_refusals_of_this_kind_tell_nothing_of_keys(raw, kit):
    request = Request(
        target="TrentService.Decrypt",
        body=json.dumps({"CiphertextBlob": "AAAA", "KeyId": kit.arn("symmetric")}).encode(),
        at=ago(hours=2),
    )
    answer = raw.send(request, raw.sign(request)).demand(SIGNATURE)
    assert kit.id("symmetric") not in answer.message


# ---- access keys and their ends


@pytest.mark.claviger
def test_two_access_keys_of_one_application_are_the_same_caller(deployment, connect, workload):
    _, one = workload("rotating")
    two = deployment.access_key(one.principal)
    arns = {connect("sts", key=key).get_caller_identity()["Arn"] for key in (one, two)}
    assert len(arns) == 1 and one.access_key_id != two.access_key_id


@pytest.mark.claviger
def test_revoked_access_key_is_worth_nothing_from_that_moment(deployment, connect, workload):
    client, one = workload("rotating")
    two = deployment.access_key(one.principal)
    client.list_keys()
    deployment.revoke(one)
    with refused("UnrecognizedClientException"):
        client.list_keys()
    connect(key=two).list_keys()


@pytest.mark.claviger
def test_short_lived_access_key_needs_its_session_token(deployment, connect, workload):
    _, key = workload("short")
    short = deployment.access_key(key.principal, "--short-lived")
    assert short.access_key_id.startswith("ASIA") and short.session_token
    connect(key=short).list_keys()
    bare = AccessKey(short.access_key_id, short.secret_access_key)
    with refused("UnrecognizedClientException", "InvalidClientTokenId"):
        connect(key=bare).list_keys()
    for token in (short.session_token[:-4] + "AAAA", "no token"):
        with refused("UnrecognizedClientException", "ExpiredTokenException"):
            connect(key=AccessKey(short.access_key_id, short.secret_access_key, token)).list_keys()
    request = listing()
    caller = Caller(deployment, short)
    assert caller.send(request, caller.presign(request)).status == 200


@pytest.mark.claviger
def test_session_token_on_a_long_lived_key_is_refused(deployment, connect):
    key = AccessKey(deployment.key.access_key_id, deployment.key.secret_access_key, "token")
    with refused("UnrecognizedClientException", "ExpiredTokenException"):
        connect(key=key).list_keys()


# ---- who one is


@covers("ListKeys")
def test_sts_says_who_the_caller_is(connect, kms, new_key):
    identity = connect("sts").get_caller_identity()
    assert re.fullmatch(r"arn:aws:iam::\d{12}:user/.+", identity["Arn"])
    assert identity["Account"] == identity["Arn"].split(":")[4] == new_key()["AWSAccountId"]
    assert identity["UserId"]
    kms.list_keys(Limit=1)


def test_sts_refuses_what_it_does_not_have(connect):
    with pytest.raises(ClientError) as caught:
        connect("sts").get_session_token()
    assert caught.value.response["Error"]["Code"] in ("InvalidAction", "UnknownOperationException", "AccessDenied")


def test_sts_refuses_a_wrong_secret(deployment, connect):
    with pytest.raises(ClientError) as caught:
        connect("sts", key=AccessKey(deployment.key.access_key_id, "x" * 40)).get_caller_identity()
    assert caught.value.response["Error"]["Code"] in ("SignatureDoesNotMatch", SIGNATURE)


def test_answers_tell_the_time(raw):
    # SDKs correct their clocks by it.
    from email.utils import parsedate_to_datetime

    told = parsedate_to_datetime(raw.call("ListKeys").headers["date"])
    assert abs((told - datetime.now(UTC)).total_seconds()) < 60
    assert ahead(minutes=1) > datetime.now(UTC)
