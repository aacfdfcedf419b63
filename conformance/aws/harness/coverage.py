"""What is shown: operation by parameter by error, each with a test that shows it.

A cell counts when a test that passed sent the member, or demanded the error and got it. A test may also claim by a mark
(`covers`) what it is for; a claim that its calls do not bear out fails the run. Errors and members that cannot be
provoked are listed with their reason in `unprovoked.toml`, and nowhere else.

`python -m harness.coverage check FOLDER` joins the records of all suites into coverage.json and coverage.md, and fails if
the model knows something that nothing shows and no reason excuses.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from .record import RECORD

HERE = Path(__file__).resolve().parents[1]


def covers(operation: str, params=(), errors=()):
    """Marks what a test is for."""
    return pytest.mark.covers(operation, params=list(params), errors=list(errors))


class Plugin:
    """Writes the record of one run of pytest."""

    def __init__(self, path: Path | None, family: str) -> None:
        self.path = path
        self.family = family
        self.claims: dict[str, list] = defaultdict(list)
        self.outcomes: dict[str, str] = {}
        self.reasons: dict[str, str] = {}

    def pytest_runtest_setup(self, item) -> None:
        RECORD.begin(item.nodeid)
        for mark in item.iter_markers("covers"):
            self.claims[item.nodeid].append(
                (mark.args[0], mark.kwargs.get("params", []), mark.kwargs.get("errors", []))
            )

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = (yield).get_result()
        faults = RECORD.tests[item.nodeid].faults if item.nodeid in RECORD.tests else []
        if report.when == "call" and report.passed and faults:
            report.outcome = "failed"
            report.longrepr = "answers broke a rule:\n" + "\n".join(sorted(set(faults)))
        outcome = "xfailed" if hasattr(report, "wasxfail") and report.skipped else report.outcome
        if report.when == "call" or outcome != "passed":
            self.outcomes[item.nodeid] = outcome
            if outcome == "xfailed":
                self.reasons[item.nodeid] = report.wasxfail
            elif outcome == "skipped" and isinstance(report.longrepr, tuple):
                self.reasons[item.nodeid] = report.longrepr[2]

    def pytest_sessionfinish(self, session) -> None:
        self.unborne = self._unborne()
        if self.unborne and session.exitstatus == 0:
            session.exitstatus = 1
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self._document(), indent=1, sort_keys=True) + "\n")

    def pytest_terminal_summary(self, terminalreporter) -> None:
        for line in self.unborne:
            terminalreporter.write_line(f"claimed and not shown: {line}", red=True)

    def _passed(self) -> list[str]:
        return sorted(node for node, outcome in self.outcomes.items() if outcome == "passed")

    def _unborne(self) -> list[str]:
        wrong = []
        for node in self._passed():
            shown = RECORD.tests[node]
            for operation, params, errors in self.claims.get(node, ()):
                called = operation in shown.params or operation in shown.errors
                lacking = set(params) - shown.params.get(operation, set())
                lacking |= set(errors) - shown.errors.get(operation, set())
                if not called or lacking:
                    wrong.append(f"{node}: {operation} {' '.join(sorted(lacking))}")
        return wrong

    def _document(self) -> dict:
        tests = {}
        for node in self._passed():
            shown = RECORD.tests[node]
            tests[node] = {
                "claims": sorted({operation for operation, _, _ in self.claims.get(node, ())}),
                "params": {operation: sorted(names) for operation, names in shown.params.items()},
                "answers": {operation: sorted(names) for operation, names in shown.answers.items()},
                "errors": {operation: sorted(codes) for operation, codes in shown.errors.items()},
            }
        counts = defaultdict(int)
        for outcome in self.outcomes.values():
            counts[outcome] += 1
        return {
            "family": self.family,
            "counts": dict(counts),
            "differences": {node: self.reasons[node] for node, o in self.outcomes.items() if o == "xfailed"},
            "skipped": {node: self.reasons.get(node, "") for node, o in self.outcomes.items() if o == "skipped"},
            "tests": tests,
        }


# ---- joining what the suites wrote


def model() -> dict:
    """Members and errors of each operation, by botocore's own model."""
    from botocore.session import Session

    service = Session().get_service_model("kms")
    known = {}
    for name in service.operation_names:
        operation = service.operation_model(name)
        known[name] = {
            "params": sorted(operation.input_shape.members) if operation.input_shape else [],
            "answers": sorted(operation.output_shape.members) if operation.output_shape else [],
            "errors": sorted(shape.name for shape in operation.error_shapes),
        }
    return known


def join(documents: list[dict]) -> dict:
    """Operation by cell, with the tests that show it; claims come first."""
    table = {
        name: {kind: {cell: [] for cell in cells} for kind, cells in kinds.items()} for name, kinds in model().items()
    }
    for operation in table.values():
        operation["tests"] = []
    for document in documents:
        for node, shown in document["tests"].items():
            for kind in ("params", "answers", "errors"):
                for operation, cells in shown[kind].items():
                    row = table.get(operation)
                    if row is None:
                        continue
                    claimed = operation in shown["claims"]
                    if not row["tests"] or node not in row["tests"]:
                        row["tests"].append(node)
                    for cell in cells:
                        tests = row[kind].setdefault(cell, [])
                        tests.insert(0 if claimed else len(tests), node)
    return table


class Excuses:
    """The table of what cannot be provoked."""

    def __init__(self, path: Path = HERE / "unprovoked.toml") -> None:
        document = tomllib.loads(path.read_text())
        self.everywhere = document.get("everywhere", {})
        self.operations = document.get("operations", {})
        self.used: set[tuple] = set()

    def reason(self, operation: str, kind: str, cell: str) -> str | None:
        """Why nothing shows it, or `None`."""
        for where, table in ((operation, self.operations.get(operation, {})), ("*", self.everywhere)):
            cells = table.get(kind, {})
            name = cell if cell in cells else "*"
            if name in cells:
                self.used.add((where, kind, name))
                return cells[name]
        return None

    def all(self) -> set[tuple]:
        """Every excuse there is."""
        tables = {"*": self.everywhere} | self.operations
        return {
            (where, kind, cell) for where, kinds in tables.items() for kind, cells in kinds.items() for cell in cells
        }


def holes(table: dict, excuses: Excuses) -> list[str]:
    """What the model knows, nothing shows and no reason excuses."""
    found = []
    for operation, row in sorted(table.items()):
        if not row["tests"]:
            found.append(f"{operation}: no test calls it")
        for kind in ("params", "errors", "answers"):
            for cell, tests in sorted(row[kind].items()):
                if not tests and excuses.reason(operation, kind, cell) is None:
                    found.append(f"{operation}: {kind[:-1]} {cell} is not shown")
    return found


def report(documents: list[dict], table: dict, excuses: Excuses, missing: list[str]) -> str:
    """The table for people."""
    lines = ["# What the suites show", "", "Written by `conformance/aws/run`; every row names a test that passed.", ""]
    lines += ["| suite | passed | differs from AWS | skipped | failed |", "|---|---|---|---|---|"]
    for document in documents:
        counts = document["counts"]
        failed = sum(number for outcome, number in counts.items() if outcome not in ("passed", "xfailed", "skipped"))
        figures = (counts.get("passed", 0), counts.get("xfailed", 0), counts.get("skipped", 0), failed)
        lines.append(f"| {document['family']} | {' | '.join(map(str, figures))} |")
    shown = sum(bool(row["tests"]) for row in table.values())
    lines += ["", f"Operations shown: {shown} of {len(table)}.", ""]
    differences = {node: reason for document in documents for node, reason in document["differences"].items()}
    if differences:
        lines += ["## Differences from AWS, each with the test that waits for them to go", ""]
        lines += [f"* `{short(node)}`: {reason}" for node, reason in sorted(differences.items())] + [""]
    if missing:
        lines += ["## Not shown", ""] + [f"* {line}" for line in missing] + [""]
    lines += ["## Operations", ""]
    for operation, row in sorted(table.items()):
        lines += [f"### {operation}", "", f"{len(row['tests'])} tests.", "", "| what | | shown by |", "|---|---|---|"]
        for kind, word in (("params", "request"), ("answers", "answer"), ("errors", "error")):
            for cell, tests in sorted(row[kind].items()):
                by = (
                    _by(tests) if tests else f"not provoked: {excuses.reason(operation, kind, cell) or '**no reason**'}"
                )
                lines.append(f"| {word} | {cell} | {by} |")
        lines.append("")
    return "\n".join(lines)


def _by(tests: list[str]) -> str:
    more = len(set(tests)) - 1
    return f"`{short(tests[0])}`" + (f" and {more} more" if more else "")


def short(node: str) -> str:
    """A test's name without the folder of suites."""
    return node.removeprefix("suites/").replace("|", "\\|")


def check(folder: Path) -> int:
    """Joins, writes, and says what is lacking."""
    documents = [json.loads(path.read_text()) for path in sorted(folder.glob("shown-*.json"))]
    table, excuses = join(documents), Excuses()
    missing = holes(table, excuses)
    missing += [f"unprovoked.toml excuses {' '.join(cell)}, which the model does not have or a test shows"
                for cell in sorted(excuses.all() - excuses.used)]  # fmt: skip
    (folder / "coverage.md").write_text(report(documents, table, excuses, missing) + "\n")
    summary = {"suites": {d["family"]: d["counts"] for d in documents}, "operations": table, "not_shown": missing}
    (folder / "coverage.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")
    for line in missing:
        print(f"not shown: {line}", file=sys.stderr)
    print(f"{sum(bool(row['tests']) for row in table.values())} of {len(table)} operations shown, {len(missing)} holes")
    return 1 if missing else 0


if __name__ == "__main__":
    _, command, folder = sys.argv
    sys.exit(check(Path(folder)) if command == "check" else 2)
