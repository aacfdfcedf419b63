"""Are two key policies the same to Terraform?

The rules are those of its policy comparison: order and white space are nothing, a text is a list of one, an account's number is
the ARN of its root user, and a value that is no text is like nothing.
"""

from __future__ import annotations

import json
import re

ACCOUNT = re.compile(r"\d{12}")
ROOT = re.compile(r"arn:[^:]*:iam::(\d{12}):root")
LISTS = ("Action", "NotAction", "Resource", "NotResource")


def as_set(members):
    """The texts in a member; none for what holds anything else."""
    if members is None:
        return []
    members = [members] if isinstance(members, str) else members
    if isinstance(members, list) and all(isinstance(member, str) for member in members):
        return members
    return None


def same_texts(one, other) -> bool:
    """Do two members hold the same texts?"""
    one, other = as_set(one), as_set(other)
    return one is not None and other is not None and sorted(one) == sorted(other)


def account_of(principal: str) -> str:
    """A principal, the account for its root user."""
    root = ROOT.fullmatch(principal)
    return root.group(1) if root else principal


def same_principals(one, other) -> bool:
    """Do two members name the same principals?"""
    if isinstance(one, str) and isinstance(other, str):
        return account_of(one) == account_of(other)
    one, other = ({} if not isinstance(named, dict) else named for named in (one, other))
    if set(one) != set(other):
        return False
    sets = [(as_set(one[kind]), as_set(other[kind])) for kind in one]
    return all(
        None not in pair and sorted(map(account_of, pair[0])) == sorted(map(account_of, pair[1])) for pair in sets
    )


def same_conditions(one, other) -> bool:
    """Do two members ask for the same?"""
    if (one is None) != (other is None):
        return False
    one, other = one or {}, other or {}
    return set(one) == set(other) and all(
        set(one[operator]) == set(other[operator])
        and all(same_texts(one[operator][key], other[operator][key]) for key in one[operator])
        for operator in one
    )


def same_statements(one: dict, other: dict) -> bool:
    """Do two statements say the same?"""
    return (
        one.get("Sid") == other.get("Sid")
        and one.get("Effect", "").lower() == other.get("Effect", "").lower()
        and all(same_texts(one.get(member), other.get(member)) for member in LISTS)
        and same_conditions(one.get("Condition"), other.get("Condition"))
        and all(same_principals(one.get(member), other.get(member)) for member in ("Principal", "NotPrincipal"))
    )


def equivalent(one: str, other: str) -> bool:
    """Do two documents say the same?"""
    documents = [json.loads(text) for text in (one, other)]
    if any(documents[0].get(member) != documents[1].get(member) for member in ("Version", "Id")):
        return False
    ours, theirs = ([given] if isinstance(given, dict) else given for given in (d["Statement"] for d in documents))
    return (
        len(ours) == len(theirs)
        and all(any(same_statements(statement, other) for other in theirs) for statement in ours)
        and all(any(same_statements(statement, other) for other in ours) for statement in theirs)
    )
