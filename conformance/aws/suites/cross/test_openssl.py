"""OpenSSL's command line on the other side: what it verifies, encrypts, agrees on and wraps."""

import os
import subprocess

import pytest

MESSAGE = b"attack at dawn"
PSS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]


@pytest.fixture
def openssl(tmp_path):
    """Runs `openssl` in a directory of its own, with these files in it, and gives what it printed."""

    def run(*arguments, good=True, **files):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        done = subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, timeout=60)
        assert (done.returncode == 0) == good, (done.stdout + done.stderr).decode(errors="replace")
        return done.stdout

    return run


@pytest.fixture
def public_pem(kms, openssl):
    """The public half of a key as PEM."""

    def read(key):
        der = kms.get_public_key(KeyId=key)["PublicKey"]
        return openssl("pkey", "-pubin", "-inform", "DER", "-in", "public.der", **{"public.der": der})

    return read


@pytest.mark.parametrize(
    ("spec", "algorithm", "digest", "options"),
    [
        ("RSA_2048", "RSASSA_PSS_SHA_256", "-sha256", PSS),
        ("RSA_3072", "RSASSA_PKCS1_V1_5_SHA_384", "-sha384", []),
        ("ECC_NIST_P256", "ECDSA_SHA_256", "-sha256", []),
        ("ECC_NIST_P521", "ECDSA_SHA_512", "-sha512", []),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256", "-sha256", []),
    ],
)
def test_signature_is_verified_by_openssl(kms, new_key, openssl, public_pem, spec, algorithm, digest, options):
    key = new_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyId"]
    signature = kms.sign(KeyId=key, Message=MESSAGE, SigningAlgorithm=algorithm)["Signature"]
    verify = ["dgst", digest, "-verify", "public", "-signature", "signature", *options, "message"]
    files = {"public": public_pem(key), "signature": signature}
    assert openssl(*verify, **files, message=MESSAGE) == b"Verified OK\n"
    assert openssl(*verify, message=b"attack at dusk", good=False) == b"Verification failure\n"


def test_signature_of_ed25519_is_verified_by_openssl(kms, new_key, openssl, public_pem):
    key = new_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")["KeyId"]
    signature = kms.sign(KeyId=key, Message=MESSAGE, SigningAlgorithm="ED25519_SHA_512")["Signature"]
    verify = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "public", "-sigfile", "signature", "-in", "message"]
    openssl(*verify, public=public_pem(key), signature=signature, message=MESSAGE)
    openssl(*verify, message=b"attack at dusk", good=False)


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_what_openssl_encrypts_opens_here(kms, new_key, openssl, public_pem, digest):
    key = new_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyId"]
    padding = ["rsa_padding_mode:oaep", f"rsa_oaep_md:{digest}", f"rsa_mgf1_md:{digest}"]
    options = [word for option in padding for word in ("-pkeyopt", option)]
    encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", "public", "-in", "message", *options]
    sealed = openssl(*encrypt, public=public_pem(key), message=MESSAGE)
    algorithm = {"sha1": "RSAES_OAEP_SHA_1", "sha256": "RSAES_OAEP_SHA_256"}[digest]
    assert kms.decrypt(KeyId=key, CiphertextBlob=sealed, EncryptionAlgorithm=algorithm)["Plaintext"] == MESSAGE


def test_openssl_agrees_on_the_same_secret(kms, new_key, openssl, public_pem):
    key = new_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")["KeyId"]
    mine = openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout")
    public = openssl("pkey", "-in", "mine", "-pubout", "-outform", "DER", mine=mine)
    derived = openssl("pkeyutl", "-derive", "-inkey", "mine", "-peerkey", "public", public=public_pem(key))
    agreed = kms.derive_shared_secret(KeyId=key, KeyAgreementAlgorithm="ECDH", PublicKey=public)
    assert agreed["SharedSecret"] == derived


def test_private_half_of_a_data_key_pair_signs_in_openssl(kms, new_key, openssl):
    pair = kms.generate_data_key_pair(KeyId=new_key()["KeyId"], KeyPairSpec="RSA_2048")
    private = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"]
    sign = ["dgst", "-sha256", "-sign", "private", "-keyform", "DER", "-out", "signature", "message"]
    openssl(*sign, private=private, message=MESSAGE)
    verify = ["dgst", "-sha256", "-verify", "public", "-keyform", "DER", "-signature", "signature", "message"]
    assert openssl(*verify, public=pair["PublicKey"]) == b"Verified OK\n"


def test_material_that_openssl_wrapped_works_here_as_it_does_there(kms, new_key, openssl):
    material = os.urandom(32)
    key = new_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC", Origin="EXTERNAL")["KeyId"]
    wish = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_4096"}
    told = kms.get_parameters_for_import(KeyId=key, **wish)
    wrap = ["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "public", "-in", "material"]
    wrap += ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"]
    kms.import_key_material(
        KeyId=key,
        ImportToken=told["ImportToken"],
        EncryptedKeyMaterial=openssl(*wrap, public=told["PublicKey"], material=material),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )
    mac = kms.generate_mac(KeyId=key, Message=MESSAGE, MacAlgorithm="HMAC_SHA_256")["Mac"]
    options = ["-mac", "HMAC", "-macopt", f"hexkey:{material.hex()}"]
    assert mac == openssl("dgst", "-sha256", "-binary", *options, "message", message=MESSAGE)
