// Whom a client trusts, and what it tries again.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { DisabledException, DisableKeyCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { kms, newKey } from "../deployment.js";

const Plaintext = Buffer.from("4111-1111-1111-1111");

test("a client that does not know the authority does not talk", { skip: !process.env.NODE_EXTRA_CA_CERTS }, async () => {
  const { NODE_EXTRA_CA_CERTS, ...env } = process.env;
  const url = new URL("../deployment.js", import.meta.url).href;
  const program = `const { newKey } = await import(${JSON.stringify(url)}); await newKey();`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], { env });
  await assert.rejects(run, /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY/);
});

test("broken connections are tried again", async (t) => {
  const { KeyId } = await newKey();
  const { hostname, port } = new URL(process.env.AWS_ENDPOINT_URL_KMS);
  let connections = 0;
  const way = createServer((from) => {
    connections += 1;
    from.on("error", () => {});
    if (connections <= 2) return from.destroy();
    const to = connect(port || 443, hostname).on("error", () => from.destroy());
    from.pipe(to).pipe(from);
  });
  await new Promise((ready) => way.listen(0, "127.0.0.1", ready));
  const patient = new KMSClient({ endpoint: `https://127.0.0.1:${way.address().port}` });
  t.after(() => (patient.destroy(), way.close()));
  const sealed = await patient.send(new EncryptCommand({ KeyId, Plaintext }));
  assert.equal(sealed.$metadata.attempts, 3);
  assert.equal(connections, 3);
});

test("refusals are told once", async () => {
  const { KeyId } = await newKey();
  await kms.send(new DisableKeyCommand({ KeyId }));
  await assert.rejects(new KMSClient({}).send(new EncryptCommand({ KeyId, Plaintext })), (error) => {
    assert.ok(error instanceof DisabledException);
    assert.equal(error.$metadata.attempts, 1);
    return true;
  });
});
