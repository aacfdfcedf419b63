// Clients for the deployment under test. The surroundings say where it is and who signs, as they do for any application:
// AWS_ENDPOINT_URL_KMS, NODE_EXTRA_CA_CERTS, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
// CONFORMANCE_STRANGER names another application, which nobody gave any right; its access key is beside it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";

/** The client of the access key that administers and uses. It tries once, so that nothing is hidden. */
export const kms = new KMSClient({ maxAttempts: 1 });

/** What a test of strangers says when it is left out. */
export const lonely = process.env.CONFORMANCE_STRANGER ? false : "needs a second application";

/** The client of the application without rights. */
export const stranger = () =>
  new KMSClient({
    maxAttempts: 1,
    credentials: {
      accessKeyId: process.env.CONFORMANCE_STRANGER_ACCESS_KEY_ID,
      secretAccessKey: process.env.CONFORMANCE_STRANGER_SECRET_ACCESS_KEY,
    },
  });

/** A name that nothing else has. */
export const unique = (word) => `${word}-${randomUUID()}`;

/** Metadata of a new key. */
export const newKey = async (wishes = {}) => (await kms.send(new CreateKeyCommand(wishes))).KeyMetadata;

/** The call must end with the error of this class: by its type, its name, and the status and request id beside it. */
export const refused = (call, kind, message = /^/) =>
  assert.rejects(call, (error) => {
    const name = typeof kind === "string" ? kind : kind.name;
    assert.equal(error.name, name, error.message);
    if (typeof kind !== "string") assert.ok(error instanceof kind);
    assert.equal(error.$fault, "client");
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
    assert.match(error.message, message);
    return true;
  });
