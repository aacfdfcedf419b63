"""The AWS Encryption SDK with keys of the deployment: whole messages, all suites, all policies."""

import io
import os

import aws_encryption_sdk
import pytest
from aws_encryption_sdk import (
    CachingCryptoMaterialsManager,
    CommitmentPolicy,
    DiscoveryAwsKmsMasterKeyProvider,
    EncryptionSDKClient,
    LocalCryptoMaterialsCache,
    StrictAwsKmsMasterKeyProvider,
)
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.identifiers import AlgorithmSuite
from aws_encryption_sdk.key_providers.kms import DiscoveryFilter

from harness.coverage import covers

CONTEXT = {"order": "17", "shop": "north"}
COMMITTING = [suite for suite in AlgorithmSuite if "COMMIT" in suite.name]
OTHERS = [suite for suite in AlgorithmSuite if "COMMIT" not in suite.name]
REQUIRE = CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
ALLOW = CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT
FORBID = CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT


def client(policy=REQUIRE):
    """The SDK under a policy."""
    return EncryptionSDKClient(commitment_policy=policy)


def strict(*arns, **more):
    """A provider of these keys."""
    return StrictAwsKmsMasterKeyProvider(key_ids=list(arns), **more)


@pytest.mark.parametrize("suite", AlgorithmSuite, ids=lambda suite: suite.name)
@covers("GenerateDataKey", params=["KeyId", "NumberOfBytes", "EncryptionContext"])
@covers("Decrypt", params=["CiphertextBlob", "EncryptionContext", "KeyId"])
def test_message_of_each_suite_comes_back(arn, counted, suite):
    sdk = client(REQUIRE if suite in COMMITTING else FORBID)
    keys = strict(arn, botocore_session=counted.session)
    sealed, header = sdk.encrypt(source=b"message", key_provider=keys, algorithm=suite, encryption_context=CONTEXT)
    opened, told = sdk.decrypt(source=sealed, key_provider=keys)
    assert opened == b"message" and header.algorithm == told.algorithm == suite
    assert CONTEXT.items() <= told.encryption_context.items()
    assert ("aws-crypto-public-key" in told.encryption_context) == ("ECDSA" in suite.name)
    assert counted.calls == {"GenerateDataKey": 1, "Decrypt": 1}


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 1_000_000])
@pytest.mark.parametrize("frame", [0, 1024, 4096])
def test_message_of_any_length_and_framing_comes_back(arn, size, frame):
    plaintext, keys = os.urandom(size), strict(arn)
    sealed, _ = client().encrypt(source=plaintext, key_provider=keys, frame_length=frame)
    assert client().decrypt(source=sealed, key_provider=keys)[0] == plaintext


def test_stream_comes_back(arn):
    plaintext, keys, sealed = os.urandom(300_000), strict(arn), io.BytesIO()
    with client().stream(mode="e", source=io.BytesIO(plaintext), key_provider=keys) as encryptor:
        for piece in encryptor:
            sealed.write(piece)
    with client().stream(mode="d", source=sealed.getvalue(), key_provider=keys) as decryptor:
        assert b"".join(decryptor) == plaintext


def test_message_names_the_key_by_its_arn(arn, kms):
    sealed, header = client().encrypt(source=b"x", key_provider=strict(arn))
    (data_key,) = header.encrypted_data_keys
    assert data_key.key_provider.provider_id == "aws-kms"
    assert data_key.key_provider.key_info == arn.encode()
    assert arn.encode() in sealed
    context = {n: v for n, v in header.encryption_context.items()}
    assert len(kms.decrypt(CiphertextBlob=data_key.encrypted_data_key, EncryptionContext=context)["Plaintext"]) == 32


@covers("Encrypt", params=["KeyId", "Plaintext", "EncryptionContext"])
def test_each_of_several_keys_opens_the_message(new_arn, counted):
    arns = [new_arn() for _ in range(3)]
    keys = strict(*arns, botocore_session=counted.session)
    sealed, header = client().encrypt(source=b"for three", key_provider=keys, encryption_context=CONTEXT)
    assert {key.key_provider.key_info.decode() for key in header.encrypted_data_keys} == set(arns)
    assert counted.calls == {"GenerateDataKey": 1, "Encrypt": 2}
    for one in arns:
        assert client().decrypt(source=sealed, key_provider=strict(one))[0] == b"for three"


def test_message_outlives_one_of_its_keys(new_arn, kms):
    lost, kept = new_arn(), new_arn()
    sealed, _ = client().encrypt(source=b"x", key_provider=strict(lost, kept))
    kms.disable_key(KeyId=lost)
    assert client().decrypt(source=sealed, key_provider=strict(lost, kept))[0] == b"x"
    with pytest.raises(AWSEncryptionSDKClientError):
        client().decrypt(source=sealed, key_provider=strict(lost))


def test_key_that_is_not_of_the_message_opens_nothing(arn, new_arn):
    sealed, _ = client().encrypt(source=b"x", key_provider=strict(arn))
    with pytest.raises(AWSEncryptionSDKClientError):
        client().decrypt(source=sealed, key_provider=strict(new_arn()))


def test_disabled_key_neither_seals_nor_opens(new_arn, kms):
    key = new_arn()
    sealed, _ = client().encrypt(source=b"x", key_provider=strict(key))
    kms.disable_key(KeyId=key)
    with pytest.raises(AWSEncryptionSDKClientError):
        client().encrypt(source=b"x", key_provider=strict(key))
    with pytest.raises(AWSEncryptionSDKClientError):
        client().decrypt(source=sealed, key_provider=strict(key))


def test_message_from_before_a_rotation_still_opens(new_arn, kms):
    key = new_arn()
    sealed, _ = client().encrypt(source=b"old", key_provider=strict(key))
    kms.rotate_key_on_demand(KeyId=key)
    assert client().decrypt(source=sealed, key_provider=strict(key))[0] == b"old"


def test_alias_seals_and_the_key_opens(arn, kms, unique):
    alias = f"alias/{unique()}"
    kms.create_alias(AliasName=alias, TargetKeyId=arn)
    alias_arn = arn.rpartition("key/")[0] + alias
    sealed, header = client().encrypt(source=b"x", key_provider=strict(alias_arn))
    assert header.encrypted_data_keys.copy().pop().key_provider.key_info == arn.encode()
    assert client().decrypt(source=sealed, key_provider=strict(arn))[0] == b"x"


# ---- discovery


def test_discovery_finds_the_key_by_the_message(arn):
    account = arn.split(":")[4]
    sealed, _ = client().encrypt(source=b"x", key_provider=strict(arn))
    assert client().decrypt(source=sealed, key_provider=DiscoveryAwsKmsMasterKeyProvider())[0] == b"x"
    ours = DiscoveryFilter(partition="aws", account_ids=[account])
    theirs = DiscoveryFilter(partition="aws", account_ids=["999999999999"])
    assert (
        client().decrypt(source=sealed, key_provider=DiscoveryAwsKmsMasterKeyProvider(discovery_filter=ours))[0] == b"x"
    )
    with pytest.raises(AWSEncryptionSDKClientError):
        client().decrypt(source=sealed, key_provider=DiscoveryAwsKmsMasterKeyProvider(discovery_filter=theirs))


# ---- context


def test_context_in_the_header_cannot_be_changed(arn):
    # Without a signature nothing but the deployment stands for it: the data key does not open under another context.
    suite = AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
    sealed, _ = client().encrypt(
        source=b"x", key_provider=strict(arn), encryption_context={"shop": "north"}, algorithm=suite
    )
    changed = sealed.replace(b"north", b"South", 1)
    assert changed != sealed
    with pytest.raises(AWSEncryptionSDKClientError):
        client().decrypt(source=changed, key_provider=strict(arn))


def test_no_byte_of_a_message_can_be_changed(arn):
    sealed, _ = client().encrypt(source=b"message", key_provider=strict(arn), encryption_context=CONTEXT)
    for position in range(0, len(sealed), 7):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(Exception) as caught:
            client().decrypt(source=bytes(changed), key_provider=strict(arn))
        assert not isinstance(caught.value, AssertionError)


# ---- commitment


@pytest.mark.parametrize("suite", OTHERS, ids=lambda suite: suite.name)
def test_suite_without_commitment_is_refused_by_policy(arn, suite):
    for policy in (REQUIRE, ALLOW):
        with pytest.raises(AWSEncryptionSDKClientError):
            client(policy).encrypt(source=b"x", key_provider=strict(arn), algorithm=suite)
    sealed, _ = client(FORBID).encrypt(source=b"x", key_provider=strict(arn), algorithm=suite)
    assert client(ALLOW).decrypt(source=sealed, key_provider=strict(arn))[0] == b"x"
    with pytest.raises(AWSEncryptionSDKClientError):
        client(REQUIRE).decrypt(source=sealed, key_provider=strict(arn))


@pytest.mark.parametrize("suite", COMMITTING, ids=lambda suite: suite.name)
def test_committing_suite_is_refused_where_it_is_forbidden(arn, suite):
    with pytest.raises(AWSEncryptionSDKClientError):
        client(FORBID).encrypt(source=b"x", key_provider=strict(arn), algorithm=suite)
    sealed, _ = client(REQUIRE).encrypt(source=b"x", key_provider=strict(arn), algorithm=suite)
    assert client(FORBID).decrypt(source=sealed, key_provider=strict(arn))[0] == b"x"


# ---- caching


def cached(arn, counted, **limits):
    """A manager that keeps data keys."""
    return CachingCryptoMaterialsManager(
        master_key_provider=strict(arn, botocore_session=counted.session),
        cache=LocalCryptoMaterialsCache(capacity=10),
        **{"max_age": 600.0, "max_messages_encrypted": 1000} | limits,
    )


def test_cache_spares_calls_and_keeps_contexts_apart(arn, counted):
    manager = cached(arn, counted)
    sealed = [
        client().encrypt(source=b"x", materials_manager=manager, encryption_context={"shop": shop})[0]
        for shop in ("north", "north", "south", "north")
    ]
    assert counted.calls == {"GenerateDataKey": 2}
    for message in sealed + sealed:
        assert client().decrypt(source=message, materials_manager=manager)[0] == b"x"
    assert counted.calls == {"GenerateDataKey": 2, "Decrypt": 2}


def test_cached_data_key_is_used_for_so_many_messages(arn, counted):
    manager = cached(arn, counted, max_messages_encrypted=3)
    for _ in range(7):
        client().encrypt(source=b"x", materials_manager=manager)
    assert counted.calls == {"GenerateDataKey": 3}


def test_cache_outlives_a_disabled_key_until_its_age(new_arn, counted, kms):
    # What a client keeps, a deployment cannot take back: the age of the cache bounds it.
    arn = new_arn()
    manager = cached(arn, counted)
    sealed, _ = client().encrypt(source=b"x", materials_manager=manager)
    client().decrypt(source=sealed, materials_manager=manager)
    kms.disable_key(KeyId=arn)
    assert client().decrypt(source=sealed, materials_manager=manager)[0] == b"x"
    with pytest.raises(AWSEncryptionSDKClientError):
        client().decrypt(source=sealed, materials_manager=cached(arn, counted))


def test_this_is_the_third_of_the_sdk():
    assert aws_encryption_sdk.identifiers.__version__.startswith("3.")
