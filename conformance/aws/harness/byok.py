"""Bring your own key: wraps material as GetParametersForImport asks, with `cryptography` alone."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

DIGESTS = {"1": hashes.SHA1, "256": hashes.SHA256}


def wrap(public_key: bytes, algorithm: str, material: bytes) -> bytes:
    """The material under the wrapping key."""
    key = load_der_public_key(public_key)
    if algorithm == "RSAES_PKCS1_V1_5":
        return key.encrypt(material, padding.PKCS1v15())
    oaep = _oaep(DIGESTS[algorithm.rpartition("_")[2]]())
    if algorithm.startswith("RSAES_OAEP"):
        return key.encrypt(material, oaep)
    if algorithm.startswith("RSA_AES_KEY_WRAP"):
        # A fresh AES key under the RSA key, then the material under it (RFC 5649).
        transport = os.urandom(32)
        return key.encrypt(transport, oaep) + aes_key_wrap_with_padding(transport, material)
    raise ValueError(algorithm)


def _oaep(digest) -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(algorithm=digest), algorithm=digest, label=None)


def bring(kms, key_id: str, material: bytes, algorithm="RSAES_OAEP_SHA_256", spec="RSA_2048", **more) -> dict:
    """The whole way: parameters, wrapping, import. Without another wish the material does not expire."""
    parameters = kms.get_parameters_for_import(KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec=spec)
    more.setdefault("ExpirationModel", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    return kms.import_key_material(
        KeyId=key_id,
        ImportToken=parameters["ImportToken"],
        EncryptedKeyMaterial=wrap(parameters["PublicKey"], algorithm, material),
        **more,
    )
