"""AWS's own examples, from its model: their requests are played with our keys, and the members must match."""

import pytest

from harness.refusal import method

# Examples whose request makes sense on its own, with the key that takes the place of theirs.
PLAYED = {
    "DescribeKey": "symmetric",
    "Encrypt": "symmetric",
    "GenerateDataKey": "symmetric",
    "GenerateDataKeyPair": "symmetric",
    "GenerateDataKeyPairWithoutPlaintext": "symmetric",
    "GenerateDataKeyWithoutPlaintext": "symmetric",
    "GenerateMac": "mac",
    "GenerateRandom": None,
    "GetKeyPolicy": "symmetric",
    "GetKeyRotationStatus": "symmetric",
    "GetPublicKey": "sign",
    "ListGrants": "symmetric",
    "ListKeyPolicies": "symmetric",
    "ListKeys": None,
    "ListResourceTags": "symmetric",
}
# Members that the example has because of what its key was before.
NOT_OURS = {"NextMarker", "CustomKeyStoreId", "CloudHsmClusterId", "XksKeyConfiguration", "MultiRegionConfiguration",
            "NextRotationDate", "CiphertextForRecipient", "EncryptionAlgorithms", "OnDemandRotationStartDate", "RotationPeriodInDays"}  # fmt: skip


def examples():
    """AWS's own, from botocore."""
    from botocore.loaders import Loader

    document = Loader().load_service_model("kms", "examples-1")
    for operation, cases in sorted(document["examples"].items()):
        if operation in PLAYED:
            yield pytest.param(operation, cases[0], id=operation)


@pytest.mark.parametrize(("operation", "example"), list(examples()))
def test_answer_has_the_members_of_the_example(kms, kit, operation, example):
    usage = PLAYED[operation]
    answer = method(kms, operation)(**kit.request(operation))
    wanted = set(example["output"]) - NOT_OURS
    assert wanted <= set(answer)
    if usage and "KeyId" in answer and operation != "GetKeyPolicy":
        assert answer["KeyId"] == kit.arn(usage)
