"""What is not there: custom key stores, multi-Region keys, enclaves, service principals. Each is said, never ignored."""

import pytest

from harness.coverage import covers
from harness.kits import CUSTOM_KEY_STORES, MULTI_REGION
from harness.refusal import method, refused

UNSUPPORTED = "UnsupportedOperationException"
RECIPIENT = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"document"}

# Every member beside the required ones, so that none is missed when one comes to be supported.
STORE_MEMBERS = {
    "CreateCustomKeyStore": {
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "XksProxyUriEndpoint": "https://proxy.example.org",
        "XksProxyUriPath": "/example/kms/xks/v1",
        "XksProxyVpcEndpointServiceName": "com.amazonaws.vpce.us-east-1.vpce-svc-example1",
        "XksProxyVpcEndpointServiceOwner": "123456789012",
        "XksProxyAuthenticationCredential": {"AccessKeyId": "A" * 20, "RawSecretAccessKey": "s" * 43},
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
    },
    "UpdateCustomKeyStore": {
        "NewCustomKeyStoreName": "other",
        "KeyStorePassword": "password",
        "CloudHsmClusterId": "cluster-234567abcdef",
        "XksProxyUriEndpoint": "https://proxy.example.org",
        "XksProxyUriPath": "/example/kms/xks/v1",
        "XksProxyVpcEndpointServiceName": "com.amazonaws.vpce.us-east-1.vpce-svc-example1",
        "XksProxyVpcEndpointServiceOwner": "123456789012",
        "XksProxyAuthenticationCredential": {"AccessKeyId": "A" * 20, "RawSecretAccessKey": "s" * 43},
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
    },
}


@pytest.mark.parametrize(
    "operation",
    [pytest.param(name, marks=covers(name)) for name in sorted(set(CUSTOM_KEY_STORES) - {"DescribeCustomKeyStores"})],
)
def test_custom_key_stores(kms, kit, operation):
    for more in ({}, STORE_MEMBERS.get(operation, {})):
        with refused(UNSUPPORTED):
            method(kms, operation)(**(kit.request(operation) | more))


@covers("DescribeCustomKeyStores", params=["CustomKeyStoreId", "CustomKeyStoreName", "Limit"])
@covers("DescribeCustomKeyStores", errors=["CustomKeyStoreNotFoundException"])
def test_list_of_custom_key_stores_is_empty(kms):
    # Tools list them before they do anything else, and must go on.
    for given in ({}, {"Limit": 10}):
        answer = kms.describe_custom_key_stores(**given)
        assert (answer["CustomKeyStores"], answer["Truncated"]) == ([], False)
    for given in ({"CustomKeyStoreId": "cks-1234567890abcdef0"}, {"CustomKeyStoreName": "store"}):
        with refused("CustomKeyStoreNotFoundException"):
            kms.describe_custom_key_stores(**given)


@covers("DescribeCustomKeyStores", params=["Marker"])
def test_marker_of_a_list_that_is_empty_leads_nowhere(kms):
    with refused("InvalidMarkerException"):
        kms.describe_custom_key_stores(Marker="no marker")


@pytest.mark.parametrize(
    "operation",
    [pytest.param(name, marks=covers(name, errors=[UNSUPPORTED])) for name in sorted(MULTI_REGION)],
)
def test_multi_region_keys(kms, kit, operation):
    with refused(UNSUPPORTED):
        method(kms, operation)(**kit.request(operation))


@covers("ReplicateKey", params=["Policy", "BypassPolicyLockoutSafetyCheck", "Description", "Tags"])
def test_replicas_whatever_they_are_told(kms, kit):
    with refused(UNSUPPORTED):
        kms.replicate_key(
            Policy=kit.policy,
            BypassPolicyLockoutSafetyCheck=True,
            Description="replica",
            Tags=[{"TagKey": "a", "TagValue": "b"}],
            **kit.request("ReplicateKey"),
        )


@covers("CreateKey", params=["MultiRegion", "CustomKeyStoreId", "XksKeyId"], errors=[UNSUPPORTED])
def test_keys_that_live_elsewhere(kms):
    for wish in (
        {"MultiRegion": True},
        {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1234567890abcdef0"},
        {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": "cks-1234567890abcdef0", "XksKeyId": "key"},
    ):
        with refused(UNSUPPORTED):
            kms.create_key(**wish)


def test_key_that_is_expressly_of_one_region_is_made(kms):
    assert kms.create_key(MultiRegion=False)["KeyMetadata"]["MultiRegion"] is False


ENCLAVES = ["Decrypt", "DeriveSharedSecret", "GenerateDataKey", "GenerateDataKeyPair", "GenerateRandom"]


@pytest.mark.parametrize(
    "operation", [pytest.param(name, marks=covers(name, params=["Recipient"])) for name in ENCLAVES]
)
def test_answers_for_enclaves(kms, kit, operation):
    # Silence would hand out in clear what was meant for an enclave only.
    with refused(UNSUPPORTED):
        method(kms, operation)(Recipient=RECIPIENT, **kit.request(operation))


@covers("GenerateRandom", params=["CustomKeyStoreId"], errors=[UNSUPPORTED])
def test_random_bytes_of_a_custom_key_store(kms):
    with refused(UNSUPPORTED):
        kms.generate_random(NumberOfBytes=16, CustomKeyStoreId="cks-1234567890abcdef0")


@covers("CreateGrant", params=["GranteeServicePrincipal", "RetiringServicePrincipal", "Constraints"])
@covers("ListGrants", params=["GranteeServicePrincipal"])
@covers("ListRetirableGrants", params=["RetiringServicePrincipal"])
def test_service_principals(kms, kit, myself):
    wish = {"KeyId": kit.id("symmetric"), "Operations": ["Decrypt"]}
    source = {"SourceArn": "arn:aws:s3:us-east-1:123456789012:bucket"}
    codes = (UNSUPPORTED, "ValidationException", "InvalidArnException", "AccessDeniedException")
    with refused(*codes):
        kms.create_grant(
            GranteeServicePrincipal="s3.us-east-1.amazonaws.com",
            RetiringServicePrincipal="s3.us-east-1.amazonaws.com",
            Constraints=source,
            **wish,
        )
    with refused(*codes):
        kms.create_grant(GranteePrincipal=myself, Constraints=source, **wish)
    with refused(*codes):
        kms.list_grants(KeyId=kit.id("symmetric"), GranteeServicePrincipal="s3.us-east-1.amazonaws.com")
    with refused(*codes):
        kms.list_retirable_grants(RetiringServicePrincipal="s3.us-east-1.amazonaws.com")
