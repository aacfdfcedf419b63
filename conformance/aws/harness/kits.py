"""Keys with all that the operations need: a valid request for each operation of the model.

A kit is one key per usage, with a ciphertext, a signature and so on made while the keys were usable. Tests of key states,
identifiers, dry runs and malformed requests all start from these requests.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

USAGES = {
    "symmetric": {"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT"},
    "rsa": {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"},
    "sign": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
    "agree": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"},
    "mac": {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
    "kem": {"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE"},
}

MESSAGE = b"attack at dawn"
CONTEXT = {"order": "17", "shop": "north"}

# Which key an operation works on, and what it is told beside it. `kit` is the Kit, `key` its key of that usage.
CRYPTOGRAPHIC = {
    "Decapsulate": ("kem", lambda kit: {"SharedSecretCiphertextBlob": kit.capsule, "EncapsulationAlgorithm": "ML_KEM"}),
    "Decrypt": ("symmetric", lambda kit: {"CiphertextBlob": kit.ciphertext}),
    "DeriveSharedSecret": ("agree", lambda kit: {"KeyAgreementAlgorithm": "ECDH", "PublicKey": PEER}),
    "Encapsulate": ("kem", lambda kit: {"EncapsulationAlgorithm": "ML_KEM"}),
    "Encrypt": ("symmetric", lambda kit: {"Plaintext": MESSAGE}),
    "GenerateDataKey": ("symmetric", lambda kit: {"KeySpec": "AES_256"}),
    "GenerateDataKeyPair": ("symmetric", lambda kit: {"KeyPairSpec": "ECC_NIST_P256"}),
    "GenerateDataKeyPairWithoutPlaintext": ("symmetric", lambda kit: {"KeyPairSpec": "ECC_NIST_P256"}),
    "GenerateDataKeyWithoutPlaintext": ("symmetric", lambda kit: {"KeySpec": "AES_256"}),
    "GenerateMac": ("mac", lambda kit: {"Message": MESSAGE, "MacAlgorithm": "HMAC_SHA_256"}),
    "ReEncrypt": ("symmetric", lambda kit: {"CiphertextBlob": kit.ciphertext, "DestinationKeyId": kit.id("symmetric")}),
    "Sign": ("sign", lambda kit: {"Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}),
    "Verify": (
        "sign",
        lambda kit: {"Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256", "Signature": kit.signature},
    ),
    "VerifyMac": ("mac", lambda kit: {"Message": MESSAGE, "MacAlgorithm": "HMAC_SHA_256", "Mac": kit.mac}),
}

MANAGEMENT = {
    "CancelKeyDeletion": ("symmetric", lambda kit: {}),
    "CreateGrant": ("symmetric", lambda kit: {"GranteePrincipal": kit.myself, "Operations": ["Decrypt"]}),
    "DeleteImportedKeyMaterial": ("symmetric", lambda kit: {}),
    "DescribeKey": ("symmetric", lambda kit: {}),
    "DisableKey": ("symmetric", lambda kit: {}),
    "DisableKeyRotation": ("symmetric", lambda kit: {}),
    "EnableKey": ("symmetric", lambda kit: {}),
    "EnableKeyRotation": ("symmetric", lambda kit: {}),
    "GetKeyLastUsage": ("symmetric", lambda kit: {}),
    "GetKeyPolicy": ("symmetric", lambda kit: {}),
    "GetKeyRotationStatus": ("symmetric", lambda kit: {}),
    "GetParametersForImport": (
        "symmetric",
        lambda kit: {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    ),
    "GetPublicKey": ("sign", lambda kit: {}),
    "ImportKeyMaterial": (
        "symmetric",
        lambda kit: {
            "ImportToken": b"token",
            "EncryptedKeyMaterial": b"material",
            "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        },
    ),
    "ListGrants": ("symmetric", lambda kit: {}),
    "ListKeyPolicies": ("symmetric", lambda kit: {}),
    "ListKeyRotations": ("symmetric", lambda kit: {}),
    "ListResourceTags": ("symmetric", lambda kit: {}),
    "PutKeyPolicy": ("symmetric", lambda kit: {"Policy": kit.policy}),
    "RotateKeyOnDemand": ("symmetric", lambda kit: {}),
    "RevokeGrant": ("symmetric", lambda kit: {"GrantId": kit.grant}),
    "ScheduleKeyDeletion": ("symmetric", lambda kit: {"PendingWindowInDays": 7}),
    "TagResource": ("symmetric", lambda kit: {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    "UntagResource": ("symmetric", lambda kit: {"TagKeys": ["a"]}),
    "UpdateKeyDescription": ("symmetric", lambda kit: {"Description": "changed"}),
}

MULTI_REGION = {
    "ReplicateKey": ("symmetric", lambda kit: {"ReplicaRegion": "eu-west-1"}),
    "UpdatePrimaryRegion": ("symmetric", lambda kit: {"PrimaryRegion": "eu-west-1"}),
}

# Operations that name their key by `KeyId`, with a valid request.
OF_A_KEY = CRYPTOGRAPHIC | MANAGEMENT | MULTI_REGION

# Those that name it by another member, or none.
BESIDE = {
    "CreateAlias": lambda kit: {"AliasName": f"alias/{os.urandom(8).hex()}", "TargetKeyId": kit.id("symmetric")},
    "CreateKey": lambda kit: {"Description": "made by a test"},
    "DeleteAlias": lambda kit: {"AliasName": f"alias/{os.urandom(8).hex()}"},
    "GenerateRandom": lambda kit: {"NumberOfBytes": 16},
    "ListAliases": lambda kit: {},
    "ListKeys": lambda kit: {},
    "ListRetirableGrants": lambda kit: {"RetiringPrincipal": kit.myself},
    "RetireGrant": lambda kit: {"KeyId": kit.arn("symmetric"), "GrantId": kit.grant},
    "UpdateAlias": lambda kit: {"AliasName": f"alias/{os.urandom(8).hex()}", "TargetKeyId": kit.id("symmetric")},
}

CUSTOM_KEY_STORES = {
    "ConnectCustomKeyStore": lambda kit: {"CustomKeyStoreId": "cks-1234567890abcdef0"},
    "CreateCustomKeyStore": lambda kit: {
        "CustomKeyStoreName": "store",
        "CloudHsmClusterId": "cluster-234567abcdef",
        "TrustAnchorCertificate": "certificate",
        "KeyStorePassword": "password",
    },
    "DeleteCustomKeyStore": lambda kit: {"CustomKeyStoreId": "cks-1234567890abcdef0"},
    "DescribeCustomKeyStores": lambda kit: {},
    "DisconnectCustomKeyStore": lambda kit: {"CustomKeyStoreId": "cks-1234567890abcdef0"},
    "UpdateCustomKeyStore": lambda kit: {"CustomKeyStoreId": "cks-1234567890abcdef0"},
}

EVERY_OPERATION = sorted([*OF_A_KEY, *BESIDE, *CUSTOM_KEY_STORES])

# What changes a key that is asked for too much: such a key serves one test only.
CHANGING = {
    "CancelKeyDeletion", "CreateGrant", "DisableKey", "DisableKeyRotation", "EnableKeyRotation", "PutKeyPolicy",
    "RetireGrant", "RevokeGrant", "RotateKeyOnDemand", "ScheduleKeyDeletion", "TagResource", "UpdateKeyDescription",
}  # fmt: skip

# What makes no result when DryRun is set, and takes grant tokens.
DRY = sorted(CRYPTOGRAPHIC)

PEER = (
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)


@dataclass
class Kit:
    """Keys of each usage, made when first asked for."""

    kms: object
    myself: str

    def __post_init__(self) -> None:
        self._keys: dict[str, dict] = {}

    def metadata(self, usage: str) -> dict:
        """KeyMetadata of the key of this usage, as it was made."""
        if usage not in self._keys:
            made = self.kms.create_key(Description=f"kit: {usage}", **USAGES[usage])
            self._keys[usage] = made["KeyMetadata"]
        return self._keys[usage]

    def id(self, usage: str) -> str:
        """Its id."""
        return self.metadata(usage)["KeyId"]

    def arn(self, usage: str) -> str:
        """Its ARN."""
        return self.metadata(usage)["Arn"]

    @cached_property
    def ciphertext(self) -> bytes:
        """A ciphertext of the symmetric key, without a context."""
        return self.kms.encrypt(KeyId=self.id("symmetric"), Plaintext=MESSAGE)["CiphertextBlob"]

    @cached_property
    def signature(self) -> bytes:
        """A signature."""
        made = self.kms.sign(KeyId=self.id("sign"), Message=MESSAGE, SigningAlgorithm="ECDSA_SHA_256")
        return made["Signature"]

    @cached_property
    def mac(self) -> bytes:
        """A MAC."""
        made = self.kms.generate_mac(KeyId=self.id("mac"), Message=MESSAGE, MacAlgorithm="HMAC_SHA_256")
        return made["Mac"]

    @cached_property
    def capsule(self) -> bytes:
        """A shared secret's ciphertext."""
        made = self.kms.encapsulate(KeyId=self.id("kem"), EncapsulationAlgorithm="ML_KEM")
        return made["SharedSecretCiphertextBlob"]

    @cached_property
    def grant(self) -> str:
        """Id of a grant on the symmetric key."""
        made = self.kms.create_grant(
            KeyId=self.id("symmetric"),
            GranteePrincipal=self.myself,
            RetiringPrincipal=self.myself,
            Operations=["DescribeKey"],
        )
        return made["GrantId"]

    @cached_property
    def policy(self) -> str:
        """The policy that the symmetric key came with."""
        return self.kms.get_key_policy(KeyId=self.id("symmetric"))["Policy"]

    def request(self, operation: str, key_id: str | None = None) -> dict:
        """A valid request. `key_id` takes the place of the kit's own key."""
        if operation in OF_A_KEY:
            usage, rest = OF_A_KEY[operation]
            name = "SourceKeyId" if operation == "ReEncrypt" else "KeyId"
            return {name: key_id or self.id(usage)} | rest(self)
        return (BESIDE | CUSTOM_KEY_STORES)[operation](self)
