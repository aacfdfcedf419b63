"""Calls by hand: a small signer of its own (Signature Version 4), and requests that no SDK would send.

It is written from the published algorithm and not from botocore, so that two signers agree with the server.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import urllib3

from .deployment import AccessKey, Deployment
from .record import RECORD

CONTENT_TYPE = "application/x-amz-json-1.1"
TARGET = "TrentService"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict
    body: bytes

    @property
    def document(self) -> dict:
        """The body as JSON; one that is no object is an empty one."""
        document = json.loads(self.body) if self.body else {}
        return document if isinstance(document, dict) else {}

    @property
    def code(self) -> str | None:
        """The error's name, as SDKs find it: the part of `__type` after `#`."""
        return self.document.get("__type", "").rpartition("#")[2] or None

    @property
    def message(self) -> str:
        """The error's text, in either spelling."""
        return self.document.get("message", self.document.get("Message", ""))

    def demand(self, *codes: str, operation: str | None = None, status: int = 400) -> Answer:
        """It must be one of these errors."""
        assert self.code in codes, f"{self.status} {self.code} instead of {' or '.join(codes)}: {self.body[:300]!r}"
        assert self.status == status, f"status {self.status} for {self.code}"
        assert self.headers.get("x-amzn-requestid"), "an error without x-amzn-RequestId"
        if operation:
            RECORD.demanded(operation, self.code)
        return self


@dataclass
class Request:
    """A request before it is signed. Headers keep their order; names may repeat."""

    body: bytes = b"{}"
    target: str | None = None
    method: str = "POST"
    path: str = "/"
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    at: datetime | None = None

    @property
    def instant(self) -> str:
        """When it says it was made."""
        return (self.at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")


class Caller:
    """Signs and sends."""

    def __init__(self, deployment: Deployment, key: AccessKey | None = None, *, region=None, service="kms") -> None:
        self.deployment = deployment
        self.key = key or deployment.key
        self.region = region or deployment.region
        self.service = service
        self.url = urlsplit(deployment.endpoint)
        trust = {"cert_reqs": "CERT_REQUIRED", "ca_certs": deployment.ca} if deployment.ca else {}
        self.pool = urllib3.PoolManager(retries=False, timeout=30, **trust)

    def call(self, operation: str, document=None, *, body: bytes | None = None, **more) -> Answer:
        """A call of an operation in header form."""
        body = json.dumps({} if document is None else document).encode() if body is None else body
        if isinstance(document, dict):
            RECORD.sent(operation, ())
        request = Request(body=body, target=f"{TARGET}.{operation}", **more)
        return self.send(request, self.sign(request))

    def send(self, request: Request, headers: list[tuple[str, str]]) -> Answer:
        """Sends a request with the headers that signing gave."""
        query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in request.query)
        url = f"{self.url.scheme}://{self.url.netloc}{request.path}{'?' + query if query else ''}"
        sent = urllib3.HTTPHeaderDict()
        for name, value in headers:
            sent.add(name, value)
        sent.setdefault("User-Agent", "conformance")
        answer = self.pool.request(request.method, url, body=request.body, headers=sent, redirect=False)
        return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.data)

    # ---- signing

    def plain_headers(self, request: Request) -> list[tuple[str, str]]:
        """The headers of a request, unsigned."""
        headers = [("Host", self.url.netloc), ("Content-Type", CONTENT_TYPE), ("X-Amz-Date", request.instant)]
        if request.target:
            headers.append(("X-Amz-Target", request.target))
        if self.key.session_token:
            headers.append(("X-Amz-Security-Token", self.key.session_token))
        given = {name.lower() for name, _ in request.headers}
        return [header for header in headers if header[0].lower() not in given] + request.headers

    def sign(self, request: Request, leave_out=()) -> list[tuple[str, str]]:
        """The headers with `Authorization`. All headers are signed but those left out."""
        headers = self.plain_headers(request)
        signed = [header for header in headers if header[0].lower() not in leave_out]
        names, signature = self._signature(request, signed, request.query)
        value = f"AWS4-HMAC-SHA256 Credential={self._credential(request)}, SignedHeaders={names}, Signature={signature}"
        return [*headers, ("Authorization", value)]

    def presign(self, request: Request, expires: int = 60) -> list[tuple[str, str]]:
        """The query form: the signature goes into the request's query, and the headers come back."""
        headers = [header for header in self.plain_headers(request) if not header[0].lower().startswith("x-amz-")]
        headers += [("X-Amz-Target", request.target)] if request.target else []
        names = ";".join(sorted({name.lower() for name, _ in headers}))
        request.query += [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", self._credential(request)),
            ("X-Amz-Date", request.instant),
            ("X-Amz-Expires", str(expires)),
            ("X-Amz-SignedHeaders", names),
        ]
        if self.key.session_token:
            request.query.append(("X-Amz-Security-Token", self.key.session_token))
        _, signature = self._signature(request, headers, request.query)
        request.query.append(("X-Amz-Signature", signature))
        return headers

    def _scope(self, request: Request) -> str:
        return f"{request.instant[:8]}/{self.region}/{self.service}/aws4_request"

    def _credential(self, request: Request) -> str:
        return f"{self.key.access_key_id}/{self._scope(request)}"

    def _signature(self, request: Request, headers, query) -> tuple[str, str]:
        values: dict[str, list[str]] = {}
        for name, value in headers:
            values.setdefault(name.lower(), []).append(" ".join(value.split()))
        names = ";".join(sorted(values))
        canonical = "\n".join(
            [
                request.method,
                quote(request.path, safe="/-_.~"),
                "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)),
                *(f"{name}:{','.join(values[name])}" for name in sorted(values)),
                "",
                names,
                hashlib.sha256(request.body).hexdigest(),
            ]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{request.instant}\n{self._scope(request)}\n{digest}"
        key = f"AWS4{self.key.secret_access_key}".encode()
        for part in self._scope(request).split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return names, hmac.new(key, to_sign.encode(), "sha256").hexdigest()


def ago(**span) -> datetime:
    """An instant so long ago."""
    return datetime.now(UTC) - timedelta(**span)


def ahead(**span) -> datetime:
    """An instant so far ahead."""
    return datetime.now(UTC) + timedelta(**span)
