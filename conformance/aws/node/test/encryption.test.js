// Data under keys, and data keys.

import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { before, test } from "node:test";
import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  GenerateMacCommand,
  GenerateRandomCommand,
  InvalidCiphertextException,
  KMSInvalidMacException,
  ReEncryptCommand,
  VerifyMacCommand,
} from "@aws-sdk/client-kms";
import { kms, newKey, refused } from "../deployment.js";

const EncryptionContext = { order: "17", shop: "north" };
const Plaintext = Buffer.from("4111-1111-1111-1111");
let KeyId;

before(async () => {
  KeyId = (await newKey()).KeyId;
});

test("what was encrypted comes back under the same context", async () => {
  const sealed = await kms.send(new EncryptCommand({ KeyId, Plaintext, EncryptionContext }));
  const opened = await kms.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob, EncryptionContext }));
  assert.deepEqual(Buffer.from(opened.Plaintext), Plaintext);
  assert.equal(opened.KeyId, sealed.KeyId);
  assert.equal(opened.EncryptionAlgorithm, "SYMMETRIC_DEFAULT");
});

test("another context, none, and a changed ciphertext are the same refusal", async () => {
  const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext, EncryptionContext }));
  const changed = Uint8Array.from(CiphertextBlob);
  changed[changed.length - 1] ^= 1;
  for (const wish of [
    { CiphertextBlob, EncryptionContext: { ...EncryptionContext, order: "18" } },
    { CiphertextBlob },
    { CiphertextBlob: changed, EncryptionContext },
  ])
    await refused(kms.send(new DecryptCommand(wish)), InvalidCiphertextException);
});

test("a data key seals a file, and the file opens by the sealed key alone", async () => {
  const made = await kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256", EncryptionContext }));
  assert.equal(made.Plaintext.length, 32);
  const [file, nonce] = [randomBytes(100_000), randomBytes(12)];
  const cipher = createCipheriv("aes-256-gcm", made.Plaintext, nonce);
  const body = Buffer.concat([cipher.update(file), cipher.final()]);

  const { CiphertextBlob } = made;
  const opened = await kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }));
  const decipher = createDecipheriv("aes-256-gcm", opened.Plaintext, nonce).setAuthTag(cipher.getAuthTag());
  assert.deepEqual(Buffer.concat([decipher.update(body), decipher.final()]), file);
});

test("a data key without its plaintext opens later", async () => {
  const made = await kms.send(new GenerateDataKeyWithoutPlaintextCommand({ KeyId, NumberOfBytes: 24 }));
  assert.equal(made.Plaintext, undefined);
  const opened = await kms.send(new DecryptCommand({ CiphertextBlob: made.CiphertextBlob }));
  assert.equal(opened.Plaintext.length, 24);
});

test("re-encryption brings a ciphertext to another key and another context", async () => {
  const other = await newKey();
  const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext, EncryptionContext }));
  const moved = await kms.send(
    new ReEncryptCommand({
      CiphertextBlob,
      SourceEncryptionContext: EncryptionContext,
      DestinationKeyId: other.KeyId,
      DestinationEncryptionContext: { order: "18" },
    }),
  );
  assert.equal(moved.KeyId, other.Arn);
  const wish = { CiphertextBlob: moved.CiphertextBlob, EncryptionContext: { order: "18" } };
  assert.deepEqual(Buffer.from((await kms.send(new DecryptCommand(wish))).Plaintext), Plaintext);
});

test("a MAC verifies, and a changed one does not", async () => {
  const { KeyId: mac } = await newKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
  const wish = { KeyId: mac, Message: Buffer.from("message"), MacAlgorithm: "HMAC_SHA_256" };
  const { Mac } = await kms.send(new GenerateMacCommand(wish));
  assert.equal((await kms.send(new VerifyMacCommand({ ...wish, Mac }))).MacValid, true);
  await refused(kms.send(new VerifyMacCommand({ ...wish, Mac: randomBytes(32) })), KMSInvalidMacException);
});

test("random bytes are as many as were asked for, and others each time", async () => {
  const draw = async () => (await kms.send(new GenerateRandomCommand({ NumberOfBytes: 64 }))).Plaintext;
  const [one, two] = [await draw(), await draw()];
  assert.equal(one.length, 64);
  assert.notDeepEqual(one, two);
});
