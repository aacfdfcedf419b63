"""Suites that are programs of their own language: made ready, run against a deployment, and their outcomes counted."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .deployment import Deployment

HERE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Program:
    """A suite that is no pytest."""

    folder: str
    tool: str
    # Fetches what it needs, as its lock file says; done again when that file changes.
    prepare: tuple[str, ...]
    lock: str
    command: tuple[str, ...]
    # The oldest version of the tool that its clients take, as the tool tells it.
    oldest: int
    # Where its runner says how many tests passed, failed and were left out.
    told: dict[str, str]

    def is_possible(self) -> bool:
        """Is its tool here, and new enough?"""
        if not all(shutil.which(tool) for tool in (self.tool, self.command[0])):
            return False
        told = subprocess.run([self.command[0], "--version"], capture_output=True, text=True).stdout
        found = re.search(r"(\d+)\.", told)
        return bool(found) and int(found.group(1)) >= self.oldest

    def ready(self, cache: Path) -> None:
        """Makes it ready to run, if it is not."""
        if not shutil.which(self.tool):
            sys.exit(f"the suite `{self.folder}` needs `{self.tool}`")
        stamp = cache / f"{self.folder}.sha256"
        digest = hashlib.sha256((HERE / self.folder / self.lock).read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == digest:
            return
        subprocess.run(self.prepare, cwd=HERE / self.folder, check=True)
        stamp.write_text(digest)

    def run(self, deployment: Deployment, stranger: dict, cache: Path, options: list[str]) -> int:
        """Runs it, shows what it says, and leaves the count of outcomes as the other suites do."""
        env = deployment.environment(**stranger)
        env.setdefault("CARGO_TARGET_DIR", str(cache / self.folder))
        if deployment.ca:
            env |= {"NODE_EXTRA_CA_CERTS": deployment.ca, "SSL_CERT_FILE": deployment.ca}
        command = [*self.command, *options]
        done = subprocess.run(command, cwd=HERE / self.folder, env=env, stdout=subprocess.PIPE, text=True)
        sys.stdout.write(done.stdout)
        sys.stdout.flush()
        counts = {word: self._count(pattern, done.stdout) for word, pattern in self.told.items()}
        shown = {"family": self.folder, "counts": counts, "differences": {}, "skipped": {}, "tests": {}}
        (cache / f"shown-{self.folder}.json").write_text(json.dumps(shown, indent=1, sort_keys=True) + "\n")
        # A run without tests shows nothing.
        return done.returncode or int(not counts["passed"])

    @staticmethod
    def _count(pattern: str, text: str) -> int:
        return sum(int(number) for number in re.findall(pattern, text, re.MULTILINE))


PROGRAMS = {
    "node": Program(
        folder="node",
        tool="npm",
        prepare=("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"),
        lock="package-lock.json",
        oldest=20,
        command=("node", "--test", "--test-reporter", "tap"),
        told={"passed": r"^# pass (\d+)", "failed": r"^# fail (\d+)", "skipped": r"^# skipped (\d+)"},
    ),
    "rust": Program(
        folder="rust",
        tool="cargo",
        prepare=("cargo", "fetch", "--locked"),
        lock="Cargo.lock",
        oldest=1,
        command=("cargo", "test", "--locked", "--test", "it", "--"),
        told={"passed": r"(\d+) passed;", "failed": r"(\d+) failed;", "skipped": r"(\d+) ignored;"},
    ),
}


def stranger(deployment: Deployment) -> dict:
    """An application without rights, for the surroundings of programs."""
    key = deployment.workload(f"stranger-{os.urandom(6).hex()}")
    return {
        "CONFORMANCE_STRANGER": key.principal,
        "CONFORMANCE_STRANGER_ACCESS_KEY_ID": key.access_key_id,
        "CONFORMANCE_STRANGER_SECRET_ACCESS_KEY": key.secret_access_key,
    }
