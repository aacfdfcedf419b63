"""Keyrings of the material providers library: one key, several, discovered, RSA, ECDH, and required contexts."""

import os

import pytest
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    AesWrappingAlg,
    CreateAwsKmsDiscoveryKeyringInput,
    CreateAwsKmsEcdhKeyringInput,
    CreateAwsKmsKeyringInput,
    CreateAwsKmsMultiKeyringInput,
    CreateAwsKmsRsaKeyringInput,
    CreateDefaultCryptographicMaterialsManagerInput,
    CreateMultiKeyringInput,
    CreateRawAesKeyringInput,
    CreateRequiredEncryptionContextCMMInput,
    DiscoveryFilter,
    KmsEcdhStaticConfigurationsKmsPrivateKeyToStaticPublicKey,
    KmsEcdhStaticConfigurationsKmsPublicKeyDiscovery,
    KmsPrivateKeyToStaticPublicKeyInput,
    KmsPublicKeyDiscoveryInput,
)
from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.identifiers import AlgorithmSuite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from harness.coverage import covers

CONTEXT = {"order": "17", "shop": "north"}
MPL = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
SDK = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
# Keyrings without a symmetric key cannot take part in the suites that KMS itself would serve otherwise.
UNSIGNED = AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY


def one(kms, arn):
    """The keyring of one key."""
    return MPL.create_aws_kms_keyring(CreateAwsKmsKeyringInput(kms_key_id=arn, kms_client=kms))


def sealed_by(keyring, **more):
    """A message."""
    return SDK.encrypt(source=b"message", keyring=keyring, encryption_context=CONTEXT, **more)[0]


def opened_by(keyring, message, context=CONTEXT):
    """What is in it."""
    return SDK.decrypt(source=message, keyring=keyring, encryption_context=context)[0]


@covers("GenerateDataKey", params=["KeyId", "NumberOfBytes", "EncryptionContext"])
@covers("Decrypt", params=["KeyId", "CiphertextBlob", "EncryptionContext"])
def test_one_key(kms, arn):
    assert opened_by(one(kms, arn), sealed_by(one(kms, arn))) == b"message"


def test_wrong_context_opens_nothing(kms, arn):
    message = sealed_by(one(kms, arn))
    for wrong in (CONTEXT | {"order": "18"}, CONTEXT | {"more": "x"}):
        with pytest.raises(Exception, match="(?i)able to decrypt|context"):
            opened_by(one(kms, arn), message, wrong)


def test_another_key_opens_nothing(kms, arn, new_arn):
    with pytest.raises(Exception, match="(?i)able to decrypt|no .*data key"):
        opened_by(one(kms, new_arn()), sealed_by(one(kms, arn)))


def test_several_keys_each_open_the_message(kms, new_arn):
    arns = [new_arn() for _ in range(3)]
    keyring = MPL.create_aws_kms_multi_keyring(CreateAwsKmsMultiKeyringInput(generator=arns[0], kms_key_ids=arns[1:]))
    message = sealed_by(keyring)
    for arn in arns:
        assert opened_by(one(kms, arn), message) == b"message"
    kms.disable_key(KeyId=arns[0])
    assert opened_by(keyring, message) == b"message"


def test_key_of_the_deployment_and_a_key_outside_of_it(kms, arn):
    raw = MPL.create_raw_aes_keyring(
        CreateRawAesKeyringInput(
            key_namespace="escrow",
            key_name="in the safe",
            wrapping_key=os.urandom(32),
            wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
        )
    )
    both = MPL.create_multi_keyring(CreateMultiKeyringInput(generator=one(kms, arn), child_keyrings=[raw]))
    message = sealed_by(both)
    assert opened_by(raw, message) == opened_by(one(kms, arn), message) == b"message"


def test_discovery_opens_within_its_account(kms, arn):
    message = sealed_by(one(kms, arn))

    def discovery(account):
        chosen = DiscoveryFilter(account_ids=[account], partition="aws")
        return MPL.create_aws_kms_discovery_keyring(
            CreateAwsKmsDiscoveryKeyringInput(kms_client=kms, discovery_filter=chosen)
        )

    assert opened_by(discovery(arn.split(":")[4]), message) == b"message"
    with pytest.raises(Exception, match="(?i)able to decrypt|no .*data key"):
        opened_by(discovery("999999999999"), message)


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
@covers("Decrypt", params=["KeyId", "EncryptionAlgorithm"])
def test_rsa_key_seals_outside_and_opens_inside(kms, algorithm):
    key = kms.create_key(KeySpec="RSA_3072", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    public = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    keyring = MPL.create_aws_kms_rsa_keyring(
        CreateAwsKmsRsaKeyringInput(kms_key_id=key, encryption_algorithm=algorithm, public_key=pem, kms_client=kms)
    )
    assert opened_by(keyring, sealed_by(keyring, algorithm=UNSIGNED)) == b"message"


@pytest.mark.parametrize("curve", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"])
@covers("DeriveSharedSecret", params=["KeyId", "KeyAgreementAlgorithm", "PublicKey"])
@covers("GetPublicKey", params=["KeyId"])
def test_two_keys_agree_on_what_seals_the_message(kms, curve):
    sender, recipient = (
        kms.create_key(KeySpec=curve, KeyUsage="KEY_AGREEMENT")["KeyMetadata"]["Arn"] for _ in range(2)
    )
    sending = KmsPrivateKeyToStaticPublicKeyInput(
        sender_kms_identifier=sender, recipient_public_key=kms.get_public_key(KeyId=recipient)["PublicKey"]
    )
    seal = MPL.create_aws_kms_ecdh_keyring(
        CreateAwsKmsEcdhKeyringInput(
            key_agreement_scheme=KmsEcdhStaticConfigurationsKmsPrivateKeyToStaticPublicKey(sending),
            curve_spec=curve,
            kms_client=kms,
        )
    )
    receiving = KmsPublicKeyDiscoveryInput(recipient_kms_identifier=recipient)
    open_ = MPL.create_aws_kms_ecdh_keyring(
        CreateAwsKmsEcdhKeyringInput(
            key_agreement_scheme=KmsEcdhStaticConfigurationsKmsPublicKeyDiscovery(receiving),
            curve_spec=curve,
            kms_client=kms,
        )
    )
    assert opened_by(open_, sealed_by(seal, algorithm=UNSIGNED)) == b"message"


def test_required_context_is_bound_and_not_in_the_message(kms, arn):
    plain = MPL.create_default_cryptographic_materials_manager(
        CreateDefaultCryptographicMaterialsManagerInput(keyring=one(kms, arn))
    )
    manager = MPL.create_required_encryption_context_cmm(
        CreateRequiredEncryptionContextCMMInput(required_encryption_context_keys=["shop"], underlying_cmm=plain)
    )
    message, _ = SDK.encrypt(source=b"message", materials_manager=manager, encryption_context=CONTEXT)
    assert b"north" not in message and b"order" in message
    opened, _ = SDK.decrypt(source=message, materials_manager=manager, encryption_context=CONTEXT)
    assert opened == b"message"
    for wrong in (CONTEXT | {"shop": "south"}, {"order": "17"}):
        with pytest.raises(Exception):  # noqa: B017 - the library has one kind of error for all of it
            SDK.decrypt(source=message, materials_manager=manager, encryption_context=wrong)
