"""The deployment under test: started here, by `run`, or anywhere else.

Three surroundings are understood. `CONFORMANCE_READY` names the ready file of a quick start that serves already.
`CONFORMANCE_ENDPOINT` names any endpoint that speaks the API, with AWS_ACCESS_KEY_ID and the like beside it; then
tests that need the command line are skipped. Without both, `CLAVIGER_BIN` is started in a new directory and stopped at the end.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
STARTS_WITHIN_SECONDS = 90
STOPS_WITHIN_SECONDS = 20


@dataclass(frozen=True)
class AccessKey:
    """What signs calls. A session token comes with short-lived ones."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    principal: str = ""
    credential: str = ""


@dataclass
class Deployment:
    """Where it is, whom to trust, and how to sign."""

    endpoint: str
    sts_endpoint: str
    ca: str | None
    region: str
    key: AccessKey
    ready: dict | None = None
    env: dict = field(default_factory=dict, repr=False)
    binary: Path | None = None
    process: subprocess.Popen | None = None

    @property
    def is_claviger(self) -> bool:
        """Is there a command line to it?"""
        return self.ready is not None

    # ---- beginnings and end

    @classmethod
    def of_surroundings(cls, directory: Path) -> Deployment:
        """The deployment that the surroundings name, or a new one."""
        if ready := os.environ.get("CONFORMANCE_READY"):
            return cls.of_ready_file(Path(ready))
        if endpoint := os.environ.get("CONFORMANCE_ENDPOINT"):
            return cls.of_endpoint(endpoint)
        return cls.start(directory)

    @classmethod
    def of_endpoint(cls, endpoint: str) -> Deployment:
        """Any endpoint, by the variables that AWS clients read."""
        env = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        env.setdefault("AWS_ENDPOINT_URL_KMS", endpoint)
        env.setdefault("AWS_ENDPOINT_URL_STS", endpoint)
        return cls._of_env(env, None)

    @classmethod
    def of_ready_file(cls, path: Path, process: subprocess.Popen | None = None) -> Deployment:
        """A quick start that serves, by the file that it wrote."""
        ready = json.loads(path.read_text())
        client = Path(ready["clients"]["aws"])
        made = cls._of_env(read_env(client), ready)
        made.process = process
        return made

    @classmethod
    def start(cls, directory: Path) -> Deployment:
        """Starts the binary on free ports and waits until it serves."""
        ready, trace = directory / "ready.json", directory / "trace"
        command = [
            str(binary()), "quickstart", "--dir", str(directory / "data"), "--evaluation",
            "--listen", "127.0.0.1:0", "--ready-file", str(ready),
        ]  # fmt: skip
        with trace.open("ab") as stderr:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, env=bare_environment())
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"`{shlex.join(command)}` does not serve:\n{trace.read_text()[-4000:]}")
            time.sleep(0.05)
        return cls.of_ready_file(ready, process)

    def stop(self) -> None:
        """Stops what was started here."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    @classmethod
    def _of_env(cls, env: dict, ready: dict | None) -> Deployment:
        return cls(
            endpoint=env["AWS_ENDPOINT_URL_KMS"],
            sts_endpoint=env.get("AWS_ENDPOINT_URL_STS", env["AWS_ENDPOINT_URL_KMS"]),
            ca=env.get("AWS_CA_BUNDLE"),
            region=env.get("AWS_DEFAULT_REGION", "us-east-1"),
            key=AccessKey(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN")),
            ready=ready,
            env=env,
            binary=binary() if ready else None,
        )

    # ---- the surroundings of clients that are programs

    def environment(self, key: AccessKey | None = None, **more: str) -> dict:
        """The environment of an AWS client: this deployment, and nothing of the caller's own AWS settings."""
        key = key or self.key
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CLAVIGER_"))}
        env |= {name: value for name, value in self.env.items() if name.startswith("AWS_")}
        env |= {
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        env.pop("AWS_SESSION_TOKEN", None)
        if key.session_token:
            env["AWS_SESSION_TOKEN"] = key.session_token
        return env | more

    # ---- people, through the command line

    def profile(self, role: str) -> str:
        """Profile of one who has this role."""
        return self.ready["profiles"][role]

    def cli(self, role: str, *arguments: str, input: bytes | None = None) -> bytes:
        """Runs a command as a person (or as the application `app`) and gives what it printed."""
        command = [str(self.binary), "--profile", self.profile(role), *arguments]
        done = subprocess.run(command, input=input, capture_output=True, env=bare_environment(), timeout=120)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace")
            raise CommandRefused(f"`{shlex.join(arguments)}` as {role}: exit code {done.returncode}: {said}")
        return done.stdout

    def cli_json(self, role: str, *arguments: str):
        """The same, for what it says as JSON."""
        printed = self.cli(role, "-o", "json", *arguments)
        return json.loads(printed) if printed.strip() else None

    def workload(self, name: str) -> AccessKey:
        """A new application with an access key and no rights."""
        self.cli("administrator", "principal", "create", name, "--kind", "workload")
        return self.access_key(name)

    def access_key(self, name: str, *options: str) -> AccessKey:
        """One more access key of an application."""
        made = self.cli_json("administrator", "credential", "create", name, "--kind", "access-key", *options)
        return AccessKey(
            access_key_id=find(made, "access_key_id"),
            secret_access_key=find(made, "secret_access_key"),
            session_token=find(made, "session_token", required=False),
            principal=name,
            credential=find(made, "id"),
        )

    def revoke(self, key: AccessKey) -> None:
        """Revokes an access key."""
        self.cli("security_officer", "credential", "revoke", key.credential, "--reason", "conformance")


class CommandRefused(RuntimeError):
    """A command of the binary ended with another exit code than 0."""


def binary() -> Path:
    """The binary under test."""
    return Path(os.environ.get("CLAVIGER_BIN", ROOT / "target" / "debug" / "claviger")).resolve()


def bare_environment() -> dict:
    """The environment without any setting that is meant for the binary or for AWS clients."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CLAVIGER_", "AWS_"))}


def read_env(path: Path) -> dict:
    """Reads a file of `NAME=value` lines as a shell would, `export` before them or not."""
    found = {}
    for line in path.read_text().splitlines():
        words = shlex.split(line, comments=True)
        for word in words:
            name, equals, value = word.partition("=")
            if equals:
                found[name] = value
    return found


def find(document, name: str, required: bool = True):
    """The member of this name, wherever it lies in a document."""
    if isinstance(document, dict):
        if name in document:
            return document[name]
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            if (value := find(part, name, required=False)) is not None:
                return value
    if required:
        raise KeyError(name)
    return None
