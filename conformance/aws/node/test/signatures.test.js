// Asymmetric keys: what Node's own cryptography makes of them.

import assert from "node:assert/strict";
import { constants, createPublicKey, diffieHellman, generateKeyPairSync, publicEncrypt, sign, verify } from "node:crypto";
import { test } from "node:test";
import {
  DecryptCommand,
  DeriveSharedSecretCommand,
  GenerateDataKeyPairCommand,
  GetPublicKeyCommand,
  KMSInvalidSignatureException,
  SignCommand,
  VerifyCommand,
} from "@aws-sdk/client-kms";
import { kms, newKey, refused } from "../deployment.js";

const Message = Buffer.from("attack at dawn");
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };

const publicKey = async (KeyId) => {
  const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId }));
  return createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
};

for (const [KeySpec, SigningAlgorithm, digest, options] of [
  ["RSA_2048", "RSASSA_PSS_SHA_256", "sha256", PSS],
  ["RSA_2048", "RSASSA_PKCS1_V1_5_SHA_512", "sha512", {}],
  ["ECC_NIST_P256", "ECDSA_SHA_256", "sha256", {}],
  ["ECC_NIST_P384", "ECDSA_SHA_384", "sha384", {}],
  ["ECC_SECG_P256K1", "ECDSA_SHA_256", "sha256", {}],
  ["ECC_NIST_EDWARDS25519", "ED25519_SHA_512", null, {}],
])
  test(`${SigningAlgorithm} by ${KeySpec} is verified by node:crypto with the public key`, async () => {
    const { KeyId } = await newKey({ KeySpec, KeyUsage: "SIGN_VERIFY" });
    const wish = { KeyId, Message, SigningAlgorithm };
    const { Signature } = await kms.send(new SignCommand(wish));
    const key = { key: await publicKey(KeyId), ...options };
    assert.ok(verify(digest, Message, key, Signature));
    assert.ok(!verify(digest, Buffer.from("attack at dusk"), key, Signature));
    assert.equal((await kms.send(new VerifyCommand({ ...wish, Signature }))).SignatureValid, true);
    const other = { ...wish, Message: Buffer.from("attack at dusk"), Signature };
    await refused(kms.send(new VerifyCommand(other)), KMSInvalidSignatureException);
  });

test("what node:crypto encrypts with the public key opens here only", async () => {
  const { KeyId } = await newKey({ KeySpec: "RSA_3072", KeyUsage: "ENCRYPT_DECRYPT" });
  const key = { key: await publicKey(KeyId), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
  const wish = { KeyId, CiphertextBlob: publicEncrypt(key, Message), EncryptionAlgorithm: "RSAES_OAEP_SHA_256" };
  assert.deepEqual(Buffer.from((await kms.send(new DecryptCommand(wish))).Plaintext), Message);
});

test("both sides of an agreement have the same secret", async () => {
  const { KeyId } = await newKey({ KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT" });
  const mine = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const PublicKey = mine.publicKey.export({ format: "der", type: "spki" });
  const wish = { KeyId, KeyAgreementAlgorithm: "ECDH", PublicKey };
  const { SharedSecret } = await kms.send(new DeriveSharedSecretCommand(wish));
  const expected = diffieHellman({ privateKey: mine.privateKey, publicKey: await publicKey(KeyId) });
  assert.deepEqual(Buffer.from(SharedSecret), expected);
});

test("a data key pair signs at home, and its private half opens here", async () => {
  const { KeyId } = await newKey();
  const pair = await kms.send(new GenerateDataKeyPairCommand({ KeyId, KeyPairSpec: "ECC_NIST_P256" }));
  const wish = { CiphertextBlob: pair.PrivateKeyCiphertextBlob };
  const opened = (await kms.send(new DecryptCommand(wish))).Plaintext;
  assert.deepEqual(opened, pair.PrivateKeyPlaintext);
  const signature = sign("sha256", Message, { key: Buffer.from(opened), format: "der", type: "pkcs8" });
  const half = createPublicKey({ key: Buffer.from(pair.PublicKey), format: "der", type: "spki" });
  assert.ok(verify("sha256", Message, half, signature));
});
