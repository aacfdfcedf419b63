// The lives of keys, who may use them, and how refusals are told.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateGrantCommand,
  DecryptCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisabledException,
  DisableKeyCommand,
  DryRunOperationException,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GetKeyRotationStatusCommand,
  InvalidKeyUsageException,
  KMSClient,
  KMSInvalidStateException,
  ListResourceTagsCommand,
  NotFoundException,
  paginateListKeyRotations,
  paginateListKeys,
  RevokeGrantCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  SignCommand,
  TagResourceCommand,
  UpdateAliasCommand,
} from "@aws-sdk/client-kms";
import { kms, lonely, newKey, refused, stranger, unique } from "../deployment.js";

const Plaintext = Buffer.from("4111-1111-1111-1111");
const encrypt = (KeyId, client = kms) => client.send(new EncryptCommand({ KeyId, Plaintext }));
const decrypt = (CiphertextBlob, client = kms) => client.send(new DecryptCommand({ CiphertextBlob }));

test("a key is described as it was made", async () => {
  const made = await newKey({ Description: "from Node", Tags: [{ TagKey: "team", TagValue: "blue" }] });
  const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: made.Arn }));
  assert.equal(KeyMetadata.Description, "from Node");
  assert.equal(KeyMetadata.KeyState, "Enabled");
  assert.ok(Math.abs(KeyMetadata.CreationDate - Date.now()) < 600_000);
  await kms.send(new TagResourceCommand({ KeyId: made.KeyId, Tags: [{ TagKey: "team", TagValue: "green" }] }));
  const { Tags } = await kms.send(new ListResourceTagsCommand({ KeyId: made.KeyId }));
  assert.deepEqual(Tags.find((tag) => tag.TagKey === "team"), { TagKey: "team", TagValue: "green" });
});

test("a disabled key opens nothing from that moment on, and enabled it does again", async () => {
  const { KeyId } = await newKey();
  const { CiphertextBlob } = await encrypt(KeyId);
  await kms.send(new DisableKeyCommand({ KeyId }));
  await refused(decrypt(CiphertextBlob), DisabledException, /is disabled\.$/);
  await kms.send(new EnableKeyCommand({ KeyId }));
  assert.deepEqual(Buffer.from((await decrypt(CiphertextBlob)).Plaintext), Plaintext);
});

test("an alias names the key that it was moved to, and then nothing", async () => {
  const [one, two] = [await newKey(), await newKey()];
  const AliasName = `alias/${unique("node")}`;
  await kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: one.KeyId }));
  assert.equal((await encrypt(AliasName)).KeyId, one.Arn);
  await kms.send(new UpdateAliasCommand({ AliasName, TargetKeyId: two.KeyId }));
  assert.equal((await encrypt(AliasName)).KeyId, two.Arn);
  await kms.send(new DeleteAliasCommand({ AliasName }));
  await refused(encrypt(AliasName), NotFoundException);
});

test("a rotated key opens what it sealed before", async () => {
  const { KeyId } = await newKey();
  await kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 180 }));
  const status = await kms.send(new GetKeyRotationStatusCommand({ KeyId }));
  assert.deepEqual([status.KeyRotationEnabled, status.RotationPeriodInDays], [true, 180]);
  const { CiphertextBlob } = await encrypt(KeyId);
  await kms.send(new RotateKeyOnDemandCommand({ KeyId }));
  assert.deepEqual(Buffer.from((await decrypt(CiphertextBlob)).Plaintext), Plaintext);
  const rotations = [];
  for await (const page of paginateListKeyRotations({ client: kms }, { KeyId })) rotations.push(...page.Rotations);
  assert.deepEqual(rotations.map((rotation) => rotation.RotationType), ["ON_DEMAND"]);
});

test("pages of keys hold each key once", async () => {
  const made = [await newKey(), await newKey(), await newKey()].map((key) => key.KeyId);
  const found = [];
  for await (const page of paginateListKeys({ client: kms, pageSize: 2 }, {})) {
    assert.ok(page.Keys.length <= 2);
    found.push(...page.Keys.map((key) => key.KeyId));
  }
  assert.equal(new Set(found).size, found.length);
  for (const key of made) assert.ok(found.includes(key));
});

test("a key that waits for deletion is of no use until that is called off", async () => {
  const { KeyId } = await newKey();
  const { CiphertextBlob } = await encrypt(KeyId);
  const wait = await kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
  assert.equal(wait.KeyState, "PendingDeletion");
  assert.ok(Math.abs(wait.DeletionDate - Date.now() - 7 * 86_400_000) < 600_000);
  await refused(decrypt(CiphertextBlob), KMSInvalidStateException);
  await kms.send(new CancelKeyDeletionCommand({ KeyId }));
  await refused(decrypt(CiphertextBlob), DisabledException);
  await kms.send(new EnableKeyCommand({ KeyId }));
  assert.deepEqual(Buffer.from((await decrypt(CiphertextBlob)).Plaintext), Plaintext);
});

test("a dry run tells by an error that it would have worked", async () => {
  const { KeyId } = await newKey();
  await refused(kms.send(new EncryptCommand({ KeyId, Plaintext, DryRun: true })), DryRunOperationException);
});

test("errors are told by their classes", async () => {
  const { KeyId } = await newKey();
  const sign = new SignCommand({ KeyId, Message: Plaintext, SigningAlgorithm: "ECDSA_SHA_256" });
  await refused(kms.send(sign), InvalidKeyUsageException, /key usage is ENCRYPT_DECRYPT/);
  await refused(encrypt("00000000-0000-4000-8000-000000000000"), NotFoundException, /does not exist$/);
  await refused(encrypt("alias/nobody-made-this"), NotFoundException);
});

test("a wrong secret and an unknown access key are told apart", async () => {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
  const as = (credentials) => encrypt("alias/any", new KMSClient({ maxAttempts: 1, credentials }));
  await refused(as({ accessKeyId, secretAccessKey: "x".repeat(40) }), "InvalidSignatureException");
  await refused(as({ accessKeyId: "AKIAAAAAAAAAAAAAAAAA", secretAccessKey }), "UnrecognizedClientException");
});

test("a grant lets a stranger in, and its end locks him out", { skip: lonely }, async () => {
  const { KeyId, Arn, AWSAccountId } = await newKey();
  const { CiphertextBlob } = await encrypt(KeyId);
  const other = stranger();
  await refused(decrypt(CiphertextBlob, other), "AccessDeniedException", /is not authorized to perform: kms:Decrypt/);
  const GranteePrincipal = `arn:aws:iam::${AWSAccountId}:user/${process.env.CONFORMANCE_STRANGER}`;
  const wish = { KeyId, GranteePrincipal, Operations: ["Decrypt"] };
  const { GrantId } = await kms.send(new CreateGrantCommand(wish));
  assert.deepEqual(Buffer.from((await decrypt(CiphertextBlob, other)).Plaintext), Plaintext);
  await refused(encrypt(Arn, other), "AccessDeniedException");
  await kms.send(new RevokeGrantCommand({ KeyId, GrantId }));
  await refused(decrypt(CiphertextBlob, other), "AccessDeniedException");
});
