"""What AWS KMS answered, on calls that the suite repeats.

Members, values and words are facts about AWS that the tests of LocalStack (tests/aws/services/kms, commit
8b9a79f05846835cf4dff63ab7eefdde9df83783, Apache-2.0) recorded; they are written down here in our own form, since no package
ships the recordings. Names of tests and steps are those of the recordings. `<...>`, `datetime` and the like stand for what
differs each time.

    python3 -m harness.answers RECORDINGS        holds this file against the recordings themselves
"""

import json
import sys

PREFIX = "tests/aws/services/kms/test_kms.py::"
ACCOUNT = "111111111111"
ARN = f"arn:<partition>:kms:<region>:{ACCOUNT}:key/<key-id:1>"
ALGORITHMS = {"ENCRYPT_DECRYPT": "EncryptionAlgorithms", "SIGN_VERIFY": "SigningAlgorithms", "GENERATE_VERIFY_MAC": "MacAlgorithms"}


def _metadata(spec, usage, algorithm, description, **more):
    """Of an enabled key."""
    same = {"AWSAccountId": ACCOUNT, "Arn": ARN, "KeyId": "<key-id:1>", "CreationDate": "datetime", "KeyManager": "CUSTOMER"}
    own = {"KeySpec": spec, "CustomerMasterKeySpec": spec, "KeyUsage": usage, "Description": description}
    own[ALGORITHMS[usage]] = [algorithm]
    return same | own | {"Enabled": True, "KeyState": "Enabled", "MultiRegion": False, "Origin": "AWS_KMS"} | more


def _symmetric(description, material=1, **more):
    if material:
        more["CurrentKeyMaterialId"] = f"<current-key-material-id:{material}>"
    return _metadata("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", description, **more)


def _ok(**members):
    return members | {"ResponseMetadata": {"HTTPStatusCode": 200}}


def _refusal(code, message):
    return {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}


def _too_long(value, member, limit):
    constraint = f"Member must have length less than or equal to {limit}"
    return _refusal(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at 'tags.1.member.{member}' failed to satisfy constraint: {constraint}",
    )


PENDING = {"Enabled": False, "KeyState": "PendingImport", "Origin": "EXTERNAL"}
IMPORTED = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE", "Origin": "EXTERNAL"}


def _life(*key):
    """Before material is imported, with it, and after it was taken away."""
    return {
        "describe-key-before-import": _ok(KeyMetadata=_metadata(*key, **PENDING)),
        "describe-key-after-import": _ok(KeyMetadata=_metadata(*key, **IMPORTED)),
        "describe-key-after-deleted-import": _ok(KeyMetadata=_metadata(*key, **PENDING)),
    }


def _mac(bits):
    algorithm, missing = f"HMAC_SHA_{bits}", _refusal("NotFoundException", "Invalid keyId 'key_id'")
    return {
        "generate-mac": _ok(KeyId="<key-id:1>", Mac="<mac>", MacAlgorithm=algorithm),
        "verify-mac": _ok(KeyId="<key-id:1>", MacValid=True, MacAlgorithm=algorithm),
        "generate-mac-invalid-key-id": missing,
        "verify-mac-invalid-key-id": missing,
    }


def _wrong_usage(usage, operation):
    return _refusal("InvalidKeyUsageException", f"<key-arn> key usage is {usage} which is not valid for {operation}.")


def _rotation(days):
    return _ok(KeyId="<key-id:1>", KeyRotationEnabled=True, NextRotationDate="datetime", RotationPeriodInDays=days)


WRONG_KEY = _refusal(
    "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."
)
BAD_CIPHERTEXT = _refusal("InvalidCiphertextException", "")
RESERVED_TAG = {"invalid-tag-key": _refusal("TagException", "Tags beginning with aws: are reserved")}
DRY_RUN = {
    "dryrun_exception": _refusal(
        "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."
    )
}
WITHOUT_REGIONS = "test_non_multi_region_keys_should_not_have_multi_region_properties"
ROTATED = "test_key_rotation_updates_current_key_material_id_for_aws_symmetric_keys"
NO_MATERIAL = "test_rotate_key_on_demand_on_external_key_with_no_key_material[SYMMETRIC_DEFAULT]"

KEYS = {
    "test_create_key": {"describe-key": _symmetric("test key 123")},
    WITHOUT_REGIONS: {WITHOUT_REGIONS.removeprefix("test_"): _symmetric("test non multi region key")},
    "test_get_key_does_not_exist": {
        "describe-nonexistent-key-with-id": _refusal("NotFoundException", "Key '<key-arn>' does not exist"),
        "describe-key-with-valid-id-mrk": _refusal("NotFoundException", "Key '<mrk-key-arn>' does not exist"),
    },
    "test_create_key_with_invalid_tag_key[lowercase_prefix]": RESERVED_TAG,
    "test_create_key_with_invalid_tag_key[uppercase_prefix]": RESERVED_TAG,
    "test_create_key_with_invalid_tag_key[too_long_key]": {"invalid-tag-key": _too_long("a" * 129, "tagKey", 128)},
    "test_key_with_long_tag_value_raises_error": {"too-long-tag-value": _too_long("v" * 257, "tagValue", 256)},
    "test_tag_key_with_duplicate_tag_keys_raises_error": {
        "duplicate-tag-keys": _refusal("TagException", "Duplicate tag keys")
    },
}

IMPORTS = {
    **{
        f"test_import_key_ecc_keys[{spec}]": _life(spec, "SIGN_VERIFY", algorithm, "test ecc key import")
        for spec, algorithm in [
            ("ECC_NIST_P256", "ECDSA_SHA_256"),
            ("ECC_NIST_P384", "ECDSA_SHA_384"),
            ("ECC_NIST_P521", "ECDSA_SHA_512"),
            ("ECC_SECG_P256K1", "ECDSA_SHA_256"),
        ]
    },
    **{
        f"test_import_key_hmac_keys[HMAC_{bits}]": _life(
            f"HMAC_{bits}", "GENERATE_VERIFY_MAC", f"HMAC_SHA_{bits}", "test import hmac key"
        )
        for bits in (224, 256, 384, 512)
    },
    "test_import_key_symmetric": {
        # The material is named after it was taken away, too.
        "describe-key-before-import": _ok(KeyMetadata=_symmetric("<description:1>", None, **PENDING)),
        "describe-key-after-import": _ok(KeyMetadata=_symmetric("<description:1>", **IMPORTED)),
        "describe-key-after-deleted-import": _ok(KeyMetadata=_symmetric("<description:1>", **PENDING)),
        "import-expiring-key-without-valid-to": _refusal(
            "ValidationException", "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"
        ),
    },
    "test_get_parameters_for_import": {
        "response-error": _refusal(
            "UnsupportedOperationException", "<key-arn> origin is AWS_KMS which is not valid for this operation."
        )
    },
}

ROTATIONS = {
    ROTATED: {
        "describe-key-before-rotation": _ok(KeyMetadata=_symmetric("test-key")),
        "describe-key-after-rotation": _ok(KeyMetadata=_symmetric("test-key", 2)),
    },
    "test_rotate_on_demand_returns_arn_for_key_id": {"rotate-on-demand-aws-key": _ok(KeyId="<key-id:1>")},
    "test_key_enable_rotation_status[90]": {"match_response": _rotation(90)},
    "test_key_enable_rotation_status[180]": {"match_response": _rotation(180)},
    "test_rotate_key_on_demand_raises_error_given_key_is_disabled": {
        "error-response": _refusal("DisabledException", "<key-arn> is disabled.")
    },
    NO_MATERIAL: {
        "rotate-key-on-demand-error-response-SYMMETRIC_DEFAULT": _refusal(
            "KMSInvalidStateException", f"{ARN} is pending import."
        )
    },
    "test_rotate_key_on_demand_raises_for_no_pending_key_material": {
        "rotate-key-on-demand-invalid-state-error": _refusal(
            "KMSInvalidStateException", "No available key material pending rotation for the key: <key-arn>."
        )
    },
}

USES = {
    "test_encrypt_decrypt_encryption_context": {
        "encrypt_response": _ok(
            KeyId="<key-id:1>", CiphertextBlob="ciphertext-blob", EncryptionAlgorithm="SYMMETRIC_DEFAULT"
        ),
        "decrypt_response_with_encryption_context": _ok(
            KeyId="<key-id:1>",
            KeyMaterialId="<key-material-id:1>",
            Plaintext="plaintext",
            EncryptionAlgorithm="SYMMETRIC_DEFAULT",
        ),
        "decrypt_response_without_encryption_context": BAD_CIPHERTEXT,
        "decrypt_response_with_invalid_ciphertext": BAD_CIPHERTEXT,
    },
    "test_error_messaging_for_invalid_keys": {
        "encrypt-invalid-key-id": _wrong_usage("SIGN_VERIFY", "Encrypt"),
        "generate-mac-invalid-key-id": _wrong_usage("ENCRYPT_DECRYPT", "GenerateMac"),
        "sign-invalid-key-id": _wrong_usage("GENERATE_VERIFY_MAC", "Sign"),
        "verify-invalid-key-id": _wrong_usage("ENCRYPT_DECRYPT", "Verify"),
        "decrypt-invalid-key-id": WRONG_KEY,
    },
    "test_re_encrypt_incorrect_source_key": {"incorrect-source-key": WRONG_KEY},
    **{f"test_generate_and_verify_mac[HMAC_{bits}-HMAC_SHA_{bits}]": _mac(bits) for bits in (224, 256, 384, 512)},
}

ANSWERS = {f"TestKMS::{name}": steps for name, steps in (KEYS | IMPORTS | ROTATIONS | USES).items()} | {
    "TestKMSGenerateKeys::test_generate_data_key_pair_dry_run": DRY_RUN,
    "TestKMSGenerateKeys::test_generate_data_key_pair_without_plaintext_dry_run": DRY_RUN,
}


def _bare(answer):
    """A recorded answer without what its recorder adds: headers, and the text of an error once more."""
    bare = {name: value for name, value in answer.items() if name != "message"}
    if "ResponseMetadata" in bare:
        bare["ResponseMetadata"] = {"HTTPStatusCode": bare["ResponseMetadata"]["HTTPStatusCode"]}
    return bare


def check(recordings):
    """Names each answer that is not as recorded."""
    with open(recordings) as file:
        recorded = json.load(file)
    faults = []
    for test, steps in ANSWERS.items():
        for step, answer in steps.items():
            known = recorded.get(PREFIX + test, {}).get("recorded-content", {}).get(step)
            if known is None or _bare(known) != answer:
                faults.append(f"{test}, {step}: {answer} and not {known}")
    return faults


if __name__ == "__main__":
    found = check(sys.argv[1])
    print("\n".join(found) or f"answers of AWS: {sum(map(len, ANSWERS.values()))}, each as recorded")
    sys.exit(bool(found))
