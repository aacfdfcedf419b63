// Packs made from nothing, for tests of the page's script: a log of entries that mean nothing, cut now and then, with checkpoint,
// manifest and signature. Hashes, trees and signatures are made by other code than the script's: `node:crypto`, and RFC 6962 by its
// own definition.

import { createHash, generateKeyPairSync, sign } from "node:crypto";

export const WIDTH = 256;

const hash = (...parts) => createHash("sha256").update(Buffer.concat(parts.map((part) => Buffer.from(part)))).digest();
export const sha256 = hash;
const leaf = (entry) => hash([0], entry);

/** The root of a tree (RFC 6962, 2.1), by its definition. */
export function rootOf(leaves) {
  if (leaves.length === 0) return hash();
  if (leaves.length === 1) return leaves[0];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return hash([1], rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

// ---- CBOR

function head(major, value) {
  const number = BigInt(value);
  const bytes = Buffer.alloc(9);
  bytes.writeBigUInt64BE(number, 1);
  const lead = (short) => (major << 5) | short;
  if (number < 24n) return Buffer.from([lead(Number(number))]);
  if (number < 1n << 8n) return Buffer.from([lead(24), bytes[8]]);
  if (number < 1n << 16n) return Buffer.concat([[lead(25)], bytes.subarray(7)].map((part) => Buffer.from(part)));
  if (number < 1n << 32n) return Buffer.concat([[lead(26)], bytes.subarray(5)].map((part) => Buffer.from(part)));
  bytes[0] = lead(27);
  return bytes;
}

const uint = (value) => head(0, value);
const bytes = (value) => Buffer.concat([head(2, value.length), value]);

/** A cut as a leaf of the root log; a list of shards `{shard, size, root}`. */
export function cut({ number, at, shards, epoch = 3 }) {
  const rows = shards.map(({ shard, size, root, state = 1, incarnation = 2 }) =>
    Buffer.concat([head(4, 6), ...[shard, state, incarnation, size].map(uint), bytes(root), uint(epoch)]),
  );
  const fields = [[0, 2], [1, at], [2, number], [3, epoch]].flatMap(([field, value]) => [uint(field), uint(value)]);
  const rest = [uint(4), head(4, rows.length), ...rows, uint(7), uint(1), uint(8), bytes(hash("rows"))];
  return Buffer.concat([head(5, 7), ...fields, ...rest]);
}

// ---- keys and notes

/** A key that signs notes, with its vkey. */
export function makeKey(name, algorithm = "ed25519") {
  const isEd25519 = algorithm === "ed25519";
  const pair = isEd25519 ? generateKeyPairSync("ed25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = pair.publicKey.export({ format: "der", type: "spki" });
  const typed = isEd25519 ? Buffer.concat([Buffer.from([1]), spki.subarray(-32)]) : Buffer.concat([Buffer.from([2]), spki]);
  const id = (isEd25519 ? hash(`${name}\n`, typed) : hash(spki)).subarray(0, 4);
  const vkey = `${name}+${id.toString("hex")}+${typed.toString("base64")}`;
  const line = (text) => noteLine(name, id, sign(isEd25519 ? null : "sha256", Buffer.from(text), pair.privateKey));
  return { name, vkey, line, note: (text) => Buffer.from(`${text}\n${line(text)}`) };
}

export function noteLine(name, id, signature) {
  return `\u2014 ${name} ${Buffer.concat([id, signature]).toString("base64")}\n`;
}

export const checkpoint = (key, size, root) => key.note(`${key.name}\n${size}\n${root.toString("base64")}\n`);

// ---- files

function place(index, width) {
  const digits = (number) => String(number).padStart(3, "0");
  const high = index >= 1000 ? `x${digits(Math.floor(index / 1000))}/` : "";
  return `${high}${digits(index % 1000)}${width === WIDTH ? "" : `.p/${width}`}`;
}

function bundlesOf(folder, entries) {
  const files = [];
  for (let first = 0; first < entries.length; first += WIDTH) {
    const some = entries.slice(first, first + WIDTH);
    const framed = some.flatMap((entry) => [Buffer.from([entry.length >> 8, entry.length & 255]), entry]);
    files.push([`${folder}/tile/entries/${place(first / WIDTH, some.length)}`, Buffer.concat(framed)]);
  }
  return files;
}

/** The hashes of full bundles, as tiles of level 1. */
function tilesOf(shard, leaves) {
  const full = Math.floor(leaves.length / WIDTH);
  const hashes = Array.from({ length: full }, (_, at) => rootOf(leaves.slice(at * WIDTH, (at + 1) * WIDTH)));
  const files = [];
  for (let first = 0; first < full; first += WIDTH) {
    const some = hashes.slice(first, first + WIDTH);
    files.push([`tiles/${shard}/tile/1/${place(first / WIDTH, some.length)}`, Buffer.concat(some)]);
  }
  return files;
}

/** JSON with its members sorted: RFC 8785 for what a manifest holds. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${pairs.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

/** Writes the manifest of a pack anew, over the files that are there, and signs it where there is a key. */
export function remake(made, key) {
  const { files } = made;
  for (const name of ["MANIFEST.json", "MANIFEST.sig"]) files.delete(name);
  const listed = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  const manifest = Buffer.from(
    canonical({
      format: "claviger-evidence-pack/1",
      pack: hash(files.get("results/inputs.json")).toString("hex").slice(0, 32),
      program: "claviger",
      version: "1",
      log: { origin: made.key.name, size: made.cuts.length, root: made.root.toString("hex"), entries: made.entries },
      files: listed.map(([path, data]) => ({ path, size: data.length, sha256: hash(data).toString("hex") })),
    }),
  );
  files.set("MANIFEST.json", manifest);
  if (key) files.set("MANIFEST.sig", key.note(`${key.name} evidence pack\n${hash(manifest).toString("base64")}\n`));
  return made;
}

/** A pack: `sizes` are the sizes of the shards at each cut, as `[{shard: size}, ...]`. */
export function makePack({ sizes, algorithm = "ed25519", tiles = false, mend = (heads) => heads }) {
  const key = makeKey("example.org/audit/root", algorithm);
  const last = sizes.at(-1);
  const logs = new Map(
    Object.entries(last).map(([shard, size]) => {
      const entries = Array.from({ length: size }, (_, at) => Buffer.from(`entry ${at} of shard ${shard}`));
      return [Number(shard), { entries, leaves: entries.map(leaf) }];
    }),
  );
  const cuts = sizes.map((at, number) => {
    const of = ([shard, size]) => ({ shard: Number(shard), size, root: rootOf(logs.get(Number(shard)).leaves.slice(0, size)) });
    return cut({ number, at: 1_790_000_000_000_000 + number, shards: mend(Object.entries(at).map(of), number) });
  });
  const cutLeaves = cuts.map(leaf);
  const root = rootOf(cutLeaves);
  const files = new Map([
    ["READ-ME-FIRST.md", Buffer.from("Read me.\n")],
    ["results/inputs.json", Buffer.from('{"format":"claviger-evidence-inputs/1"}')],
    ["log/root.vkey", Buffer.from(`${key.vkey}\n`)],
    ["log/root/checkpoint", checkpoint(key, cuts.length, root)],
    ...bundlesOf("log/root", cuts),
    ...[...logs].flatMap(([shard, { entries }]) => bundlesOf(`log/${shard}`, entries)),
    ...(tiles ? [...logs].flatMap(([shard, { leaves }]) => tilesOf(shard, leaves)) : []),
  ]);
  const entries = Object.values(last).reduce((sum, size) => sum + size, 0);
  return remake({ key, cuts, cutLeaves, root, files, entries }, key);
}

/** Numbers from a seed: the same on every run. */
export function* numbers(seed) {
  for (let counter = 0; ; counter += 1) yield hash(`${seed} ${counter}`).readUIntBE(0, 6);
}

/** Changes one byte somewhere in the files, each byte as likely as the others. Gives what it changed. */
export function changeByte(files, draw) {
  const total = [...files.values()].reduce((sum, data) => sum + data.length, 0);
  let at = draw.next().value % total;
  const flip = 1 + (draw.next().value % 255);
  for (const [path, data] of files) {
    if (at < data.length) {
      const changed = Buffer.from(data);
      changed[at] ^= flip;
      files.set(path, changed);
      return { path, at };
    }
    at -= data.length;
  }
  throw new Error("no byte to change");
}
