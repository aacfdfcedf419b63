"""Validation, member by member as the model has it, and its order against the other checks.

botocore validates little of this itself and is told not to: what is wrong arrives at the server.
"""

import re

import pytest

from harness.kits import CUSTOM_KEY_STORES, EVERY_OPERATION, MULTI_REGION
from harness.refusal import method, refused

# Checked by the service with rules of its own, which other tests have; or not validated by the model's rule.
OWN_RULES = {
    ("ScheduleKeyDeletion", "PendingWindowInDays"),
    ("CreateAlias", "AliasName"),
    ("PutKeyPolicy", "Policy"),
    ("CreateKey", "Policy"),
}
ELSEWHERE = set(MULTI_REGION) | set(CUSTOM_KEY_STORES)


def violations(shape):
    """Values that break each rule of a shape, with a pattern for what is said of them."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name == "integer":
        if low is not None:
            yield low - 1, f"greater than or equal to {low}"
        if high is not None:
            yield high + 1, f"less than or equal to {high}"
    elif shape.type_name == "string":
        if shape.enum:
            yield "NO_SUCH_VALUE", "enum value set"
            yield shape.enum[0].swapcase(), "enum value set"
        elif "pattern" in shape.metadata and not re.fullmatch(shape.metadata["pattern"], "\u2603"):
            yield "\u2603", "regular expression pattern"
        if low:
            yield "", f"greater than or equal to {low}"
        if high is not None and not shape.enum:
            yield "a" * (high + 1), f"less than or equal to {high}"
    elif shape.type_name == "blob":
        if low:
            yield b"", f"greater than or equal to {low}"
        if high is not None:
            yield bytes(high + 1), f"less than or equal to {high}"


def cases():
    """Every rule of every member of every operation."""
    from botocore.session import Session

    service = Session().get_service_model("kms")
    for operation in EVERY_OPERATION:
        if operation in ELSEWHERE:
            continue
        members = service.operation_model(operation).input_shape.members
        for member, shape in members.items():
            if (operation, member) in OWN_RULES or member == "CustomKeyStoreId":
                continue
            for number, (value, word) in enumerate(violations(shape)):
                yield pytest.param(operation, member, value, word, id=f"{operation}-{member}-{number}")


def wire(member):
    """The member as messages name it."""
    return member[0].lower() + member[1:]


@pytest.mark.parametrize(("operation", "member", "value", "word"), list(cases()))
def test_each_rule_of_the_model(loose, kit_for, operation, member, value, word):
    kit = kit_for(operation)
    request = kit.request(operation) | {member: value}
    message = (
        rf"\d+ validation errors? detected: .*Value.* at '{wire(member)}' failed to satisfy constraint: .*{word}.*"
    )
    with refused("ValidationException", message=message):
        method(loose, operation)(**request)


def required():
    """Every required member of every operation."""
    from botocore.session import Session

    service = Session().get_service_model("kms")
    for operation in EVERY_OPERATION:
        if operation not in ELSEWHERE:
            for member in service.operation_model(operation).input_shape.required_members:
                yield pytest.param(operation, member, id=f"{operation}-{member}")


@pytest.mark.parametrize(("operation", "member"), list(required()))
def test_each_required_member(loose, kit_for, operation, member):
    kit = kit_for(operation)
    request = kit.request(operation)
    del request[member]
    message = rf".*Value null at '{wire(member)}' failed to satisfy constraint: Member must not be null.*"
    with refused("ValidationException", message=message):
        method(loose, operation)(**request)


def test_all_that_is_wrong_is_told_at_once(loose):
    with refused("ValidationException", message="2 validation errors detected: Value.*; Value.*") as caught:
        loose.sign(KeyId="", Message=b"m", SigningAlgorithm="NONE")
    text = caught.value.response["Error"]["Message"]
    assert "'keyId'" in text and "'signingAlgorithm'" in text


def test_form_is_checked_before_the_key_is_looked_for(loose):
    with refused("ValidationException"):
        loose.encrypt(KeyId="00000000-0000-0000-0000-000000000000", Plaintext=bytes(4097))


def test_key_is_looked_for_before_its_use_is_checked(kms, kit):
    with refused("NotFoundException"):
        kms.encrypt(
            KeyId="00000000-0000-0000-0000-000000000000",
            Plaintext=b"x",
            EncryptionAlgorithm="RSAES_OAEP_SHA_256",
        )


@pytest.mark.parametrize("usage", ["sign", "mac"])
def test_use_or_state_of_a_disabled_key_of_another_use_is_told(kms, fresh_kit, usage):
    key = fresh_kit.id(usage)
    kms.disable_key(KeyId=key)
    with refused("DisabledException", "InvalidKeyUsageException"):
        kms.encrypt(KeyId=key, Plaintext=b"x")


def test_plaintext_is_in_no_message(loose, kit):
    secret = b"4111-1111-1111-1111" * 300
    with refused("ValidationException") as caught:
        loose.encrypt(KeyId=kit.id("symmetric"), Plaintext=secret)
    text = caught.value.response["Error"]["Message"]
    assert "4111" not in text and "NDExMS0" not in text and len(text) < 1000
