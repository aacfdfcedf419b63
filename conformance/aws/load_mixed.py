#!/usr/bin/env python3
"""Many mixed calls at once while keys are taken out of use, brought back and rotated under them.

What must hold: every call ends well or with an error that is documented for it; no client retries more than a stated
share of its calls; and the log accounts for every attempt, good or refused, by operation.

    CONFORMANCE_READY=ready.json python load_mixed.py [--calls 10000] [--processes 2] [--threads 8] [--rest]

Prints one JSON document; exit code 1 if something does not hold.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.deployment import AccessKey, CommandRefused, Deployment  # noqa: E402

CONTEXT = {"load": "mixed"}
MAX_ATTEMPTS = 3
# Above this share of calls that were tried again, clients would drive each other: a storm.
STORM = 0.02
# What a key that is disabled, or comes back, or rotates, may answer.
BORNE = {"DisabledException", "KMSInvalidStateException"}
# What a client tries again by itself: allowed, few, and counted.
TRANSIENT = {"KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException", "ThrottlingException"}
# Operations of the API and what the log calls them.
IN_THE_LOG = {
    "Decrypt": ["decrypt"],
    "Encrypt": ["encrypt"],
    "GenerateDataKey": ["generate_data_key"],
    "GenerateDataKeyWithoutPlaintext": ["generate_data_key_without_plaintext"],
    "GenerateMac": ["mac"],
    "ReEncrypt": ["reencrypt", "reencrypt_into"],
    "Sign": ["sign"],
    "Verify": ["verify"],
    "VerifyMac": ["verify_mac"],
    "DescribeKey": ["describe_key", "read_key"],
    "DisableKey": ["suspend_key"],
    "EnableKey": ["resume_key"],
    "RotateKeyOnDemand": ["rotate_key"],
}
# One attempt gives exactly one entry of the first name; others may come beside it.
EXACT = [
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "Sign",
    "Verify",
    "VerifyMac",
]


def connect(where: dict):
    """A client that counts each call, and each attempt on the wire, by operation."""
    session = boto3.Session(
        aws_access_key_id=where["key"][0],
        aws_secret_access_key=where["key"][1],
        aws_session_token=where["key"][2],
        region_name=where["region"],
    )
    config = Config(
        retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
        max_pool_connections=where["threads"] + 2,
        read_timeout=60,
    )
    client = session.client("kms", endpoint_url=where["endpoint"], verify=where["ca"] or True, config=config)
    asked, attempts, lock = Counter(), Counter(), threading.Lock()

    def asking(model, **_):
        with lock:
            asked[model.name] += 1

    def sending(operation_name, **_):
        with lock:
            attempts[operation_name] += 1

    client.meta.events.register("before-parameter-build.kms", asking)
    client.meta.events.register("request-created.kms", sending)
    return client, asked, attempts


class Work:
    """The mix: each call is drawn, made, and its result checked."""

    def __init__(self, kms, keys: dict, seed: int) -> None:
        self.kms, self.keys, self.random = kms, keys, random.Random(seed)
        self.sealed: list[tuple[bytes, bytes]] = []
        self.calls, self.errors, self.wrong = Counter(), Counter(), []

    def one(self, _number: int) -> None:
        """One call."""
        name = self.random.choice(sorted(WORK))
        began = time.monotonic()
        try:
            WORK[name](self)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            self.errors[f"{error.operation_name} {code}"] += 1
            if code not in BORNE | TRANSIENT:
                self.wrong.append(f"{error.operation_name}: {code}: {error.response['Error'].get('Message')}")
        except AssertionError as error:
            self.wrong.append(f"{name}: {error}")
        except Exception as error:
            self.wrong.append(f"{name}: {type(error).__name__}: {error}")
        self.calls[name] += 1
        if time.monotonic() - began > 30:
            self.wrong.append(f"{name}: took {time.monotonic() - began:.0f} seconds")

    def key(self, kind: str) -> str:
        """A key of a kind, some of which go out of use."""
        return self.random.choice(self.keys[kind])

    def encrypt(self):
        plaintext = self.random.randbytes(32)
        answer = self.kms.encrypt(KeyId=self.key("symmetric"), Plaintext=plaintext, EncryptionContext=CONTEXT)
        self.sealed.append((answer["CiphertextBlob"], plaintext))

    def decrypt(self):
        if not self.sealed:
            return self.encrypt()
        blob, plaintext = self.random.choice(self.sealed[-200:])
        opened = self.kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"]
        assert opened == plaintext, "another plaintext came out"

    def data_key(self):
        made = self.kms.generate_data_key(KeyId=self.key("symmetric"), KeySpec="AES_256", EncryptionContext=CONTEXT)
        self.sealed.append((made["CiphertextBlob"], made["Plaintext"]))

    def data_key_without_plaintext(self):
        self.kms.generate_data_key_without_plaintext(KeyId=self.key("symmetric"), NumberOfBytes=24)

    def reencrypt(self):
        if not self.sealed:
            return self.encrypt()
        blob, plaintext = self.random.choice(self.sealed[-200:])
        moved = self.kms.re_encrypt(
            CiphertextBlob=blob,
            SourceEncryptionContext=CONTEXT,
            DestinationKeyId=self.key("symmetric"),
            DestinationEncryptionContext=CONTEXT,
        )
        self.sealed.append((moved["CiphertextBlob"], plaintext))

    def sign(self):
        wish = {"KeyId": self.key("sign"), "Message": b"message", "SigningAlgorithm": "ECDSA_SHA_256"}
        signature = self.kms.sign(**wish)["Signature"]
        assert self.kms.verify(Signature=signature, **wish)["SignatureValid"], "a signature does not verify"

    def mac(self):
        wish = {"KeyId": self.key("mac"), "Message": b"message", "MacAlgorithm": "HMAC_SHA_256"}
        mac = self.kms.generate_mac(**wish)["Mac"]
        assert self.kms.verify_mac(Mac=mac, **wish)["MacValid"], "a MAC does not verify"

    def describe(self):
        key = self.key("symmetric")
        assert self.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyId"] == key, "another key is described"


WORK = {
    name: getattr(Work, name)
    for name in ("encrypt", "decrypt", "data_key", "data_key_without_plaintext", "reencrypt", "sign", "mac", "describe")
}


def worker(where: dict, keys: dict, calls: int, seed: int, results) -> None:
    """One process with its threads, each with a mix of its own over a client that they share."""
    kms, asked, attempts = connect(where)
    works = [Work(kms, keys, seed * 1000 + number) for number in range(where["threads"])]
    with ThreadPoolExecutor(where["threads"]) as pool:
        share = -(-calls // len(works))
        list(pool.map(lambda work: [work.one(number) for number in range(share)], works))
    total = {"calls": Counter(), "errors": Counter(), "wrong": [], "asked": asked, "attempts": attempts}
    for work in works:
        total["calls"] += work.calls
        total["errors"] += work.errors
        total["wrong"] += work.wrong
    results.put(total)


def disturb(kms, deployment: Deployment, keys: dict, through_rest: bool, stop: threading.Event, done: Counter) -> None:
    """Takes keys out of use, brings them back, rotates them, again and again."""
    draw = random.Random(7)
    victims = [key for kind in keys.values() for key in kind[1:]]
    rotations = Counter()
    while not stop.is_set():
        key = draw.choice(victims)
        try:
            if through_rest and draw.random() < 0.3:
                deployment.cli("responder", "key", "suspend", key, "--reason", "load")
                done["suspended through REST"] += 1
            else:
                kms.disable_key(KeyId=key)
            stop.wait(draw.random() * 0.05)
            kms.enable_key(KeyId=key)
            done["disabled and enabled"] += 1
            rotated = draw.choice(keys["symmetric"])
            if rotations[rotated] < 20:
                kms.rotate_key_on_demand(KeyId=rotated)
                rotations[rotated] += 1
                done["rotated"] += 1
        except (ClientError, CommandRefused) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else "refused"
            done[f"disturbance: {code}"] += 1
        stop.wait(0.02)
    for key in victims:
        kms.enable_key(KeyId=key)


def log_of(deployment: Deployment, since: str) -> Counter:
    """Entries by operation since an instant, as the auditor sees them."""
    found = Counter()
    for operation in sorted({name for names in IN_THE_LOG.values() for name in names}):
        answer = deployment.cli_json("auditor", "audit", "search", "--op", operation, "--since", since, "--page-all")
        found[operation] = len(answer["items"])
    return found


def account(attempts: Counter, log: Counter) -> list[str]:
    """Where the log and the attempts differ."""
    differing = []
    for operation in EXACT:
        (name,) = IN_THE_LOG[operation]
        if log[name] != attempts[operation]:
            differing.append(f"{operation}: {attempts[operation]} attempts, {log[name]} entries")
    if log["reencrypt"] != attempts["ReEncrypt"]:
        differing.append(f"ReEncrypt: {attempts['ReEncrypt']} attempts, {log['reencrypt']} entries of the source")
    return differing


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--calls", type=int, default=10_000)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--threads", type=int, default=8)
    options.add_argument("--keys", type=int, default=6, help="keys of each kind")
    options.add_argument("--rest", action="store_true", help="suspend through REST too")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        deployment = Deployment.of_surroundings(Path(folder))
        try:
            document = run(deployment, given)
        finally:
            deployment.stop()
    json.dump(document, sys.stdout, indent=1, sort_keys=True)
    print()
    return 0 if document["holds"] else 1


def run(deployment: Deployment, given) -> dict:
    """The whole of it."""
    key: AccessKey = deployment.key
    where = {
        "endpoint": deployment.endpoint,
        "ca": deployment.ca,
        "region": deployment.region,
        "key": (key.access_key_id, key.secret_access_key, key.session_token),
        "threads": given.threads,
    }
    kms = connect(where)[0]
    specs = {
        "symmetric": {},
        "sign": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
        "mac": {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
    }
    keys = {
        kind: [kms.create_key(**spec)["KeyMetadata"]["KeyId"] for _ in range(given.keys)]
        for kind, spec in specs.items()
    }
    time.sleep(1.1)
    since, began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.monotonic()
    stop, done = threading.Event(), Counter()
    through_rest = given.rest and deployment.is_claviger
    disturber = threading.Thread(target=disturb, args=(connect(where)[0], deployment, keys, through_rest, stop, done))
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [
        context.Process(target=worker, args=(where, keys, given.calls // given.processes, seed, results))
        for seed in range(given.processes)
    ]
    disturber.start()
    for process in workers:
        process.start()
    totals = [results.get(timeout=3600) for _ in workers]
    for process in workers:
        process.join()
    stop.set()
    disturber.join()
    seconds = time.monotonic() - began
    calls, errors, asked, attempts = Counter(), Counter(), Counter(), Counter()
    wrong: list[str] = []
    for total in totals:
        calls += total["calls"]
        errors += total["errors"]
        asked += total["asked"]
        attempts += total["attempts"]
        wrong += total["wrong"]
    differing = account(attempts, log_of(deployment, since)) if deployment.is_claviger else []
    again = sum(attempts.values()) - sum(asked.values())
    return {
        "calls": sum(calls.values()),
        "calls_by_kind": calls,
        "attempts_by_operation": attempts,
        "errors": errors,
        "disturbances": done,
        "seconds": round(seconds, 1),
        "calls_per_second": round(sum(calls.values()) / seconds),
        "wrong": dict(Counter(wrong).most_common(20)),
        "log_differs": differing,
        "attempts_again": again,
        "holds": not wrong and not differing and again <= STORM * sum(asked.values()),
    }


if __name__ == "__main__":
    sys.exit(main())
