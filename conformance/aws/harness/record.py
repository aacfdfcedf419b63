"""The record of what each test did: which operations it called with which members, and which errors it demanded.

Clients made here report by botocore's own events, so the record is what went over the wire and not what a test says of
itself. `harness.coverage` turns it into the table of what is shown.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass
class Shown:
    """What one test did."""

    params: dict = field(default_factory=lambda: defaultdict(set))
    answers: dict = field(default_factory=lambda: defaultdict(set))
    errors: dict = field(default_factory=lambda: defaultdict(set))
    faults: list = field(default_factory=list)


class Record:
    """Keeps one `Shown` per test."""

    def __init__(self) -> None:
        self.tests: dict[str, Shown] = {}
        self.current: Shown = Shown()

    def begin(self, node: str) -> None:
        """From now on calls belong to this test."""
        self.current = self.tests.setdefault(node, Shown())

    def sent(self, operation: str, names) -> None:
        """A request left."""
        self.current.params[operation].update(names)

    def answered(self, operation: str, names) -> None:
        """A good answer came."""
        self.current.answers[operation].update(names)

    def demanded(self, operation: str, code: str) -> None:
        """A test demanded an error and got it."""
        self.current.errors[operation].add(code)

    def fault(self, text: str) -> None:
        """An answer broke a rule that holds for all answers."""
        self.current.faults.append(text)

    # ---- the events of a client

    def watch(self, client) -> None:
        """Listens to a boto3 client."""
        if client.meta.service_model.service_name != "kms":
            return
        client.meta.events.register("before-parameter-build.kms", self._on_request)
        client.meta.events.register("after-call.kms", self._on_answer)

    def _on_request(self, params, model, **_) -> None:
        self.sent(model.name, params)

    def _on_answer(self, http_response, parsed, model, **_) -> None:
        headers = {name.lower(): value for name, value in http_response.headers.items()}
        if not headers.get("x-amzn-requestid"):
            self.fault(f"{model.name}: the answer has no x-amzn-RequestId")
        if "Error" in parsed:
            return
        self.answered(model.name, (name for name in parsed if name != "ResponseMetadata"))
        if headers.get("content-type", "").split(";")[0] not in ("application/x-amz-json-1.1", ""):
            self.fault(f"{model.name}: content-type {headers.get('content-type')}")


RECORD = Record()
