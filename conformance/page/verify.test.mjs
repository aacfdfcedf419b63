// The script of the page, without a browser: packs are made here (`made.mjs`), changed, and each change must be named.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import { changeByte, checkpoint, cut, makeKey, makePack, noteLine, numbers, remake, rootOf, sha256, WIDTH } from "./made.mjs";

const require = createRequire(import.meta.url);
const script = require("../../crates/claviger-evidence/src/page/verify.js");

/** The files as the page sees them. */
const packOf = (files) => script.packOf(new Map([...files].map(([path, data]) => [path, new File([data], path)])));

/** Verifies, and gives the states of checks by their names. */
async function verify(made, { key = made.key.vkey, older = "", upTo = script.ALL_UP_TO, sample = 4 } = {}) {
  let steps = 0;
  const report = { check() {}, progress: async () => void (steps += 1) };
  const checks = await script.verifyPack(packOf(made.files), { key, older, upTo, sample }, report);
  const of = (state) => checks.filter((check) => check.state === state).map((check) => check.id);
  const said = Object.fromEntries(checks.map((check) => [check.id, check.detail]));
  return { verdict: script.verdictOf(checks), fails: of("does not hold"), open: of("not checked"), said, steps };
}

/** The shards at each of some cuts, growing to these sizes. */
const grown = (last, cuts) =>
  Array.from({ length: cuts + 1 }, (_, at) =>
    Object.fromEntries(Object.entries(last).map(([shard, size]) => [shard, Math.floor((size * at) / cuts)])),
  );
const small = (more) => makePack({ sizes: grown({ 1: 700, 4: 512 }, 30), ...more });
const of = (entry) => `log/1/tile/entries/${entry}`;

/** Changes an entry of a bundle that is in place, as long as it was. */
function edit(made, path, at) {
  const bundle = Buffer.from(made.files.get(path));
  bundle[at] ^= 1;
  made.files.set(path, bundle);
}

for (const algorithm of ["ed25519", "p256"]) {
  test(`an honest pack holds, its log signed by ${algorithm}`, async () => {
    const verified = await verify(small({ algorithm }));
    assert.deepEqual([verified.verdict, verified.fails, verified.open], ["holds", [], []]);
    assert.match(verified.said["shard-1"], /^700 of 700 entries hashed; .* at 31 of the 31 sizes/);
    assert.match(verified.said["shard-4"], /^512 of 512 entries/);
    assert.ok(verified.steps > 3);
  });
}

test("logs of every size up to two bundles have the roots of RFC 6962", async () => {
  const sizes = Array.from({ length: 2 * WIDTH + 2 }, (_, size) => ({ 9: size }));
  const verified = await verify(makePack({ sizes }));
  assert.equal(verified.verdict, "holds");
  assert.match(verified.said["shard-9"], /at 514 of the 514 sizes/);
});

test("another key is named, wherever it should be the key", async () => {
  const made = small();
  const other = makeKey(made.key.name);
  const verified = await verify(made, { key: other.vkey });
  assert.equal(verified.verdict, "does not hold");
  assert.deepEqual(verified.fails, ["key-file", "manifest-signature", "checkpoint"]);
  assert.match(verified.said.checkpoint, /not signed by the key that you pasted, but by example\.org\/audit\/root \(key id/);
});

test("what is no key is named", async () => {
  const made = small();
  const [name, id, key] = made.key.vkey.split("+");
  const bad = ["", "key", `${name}+${id}`, `${name}+00000000+${key}`, `x${name}+${id}+${key}`, made.key.vkey.slice(0, -2)];
  for (const vkey of bad) {
    const verified = await verify(made, { key: vkey });
    assert.deepEqual(verified.fails, ["key"], vkey);
  }
});

test("a checkpoint that another key signed is named, its manifest with it", async () => {
  const made = small();
  const other = makeKey(made.key.name);
  made.files.set("log/root/checkpoint", checkpoint(other, made.cuts.length, made.root));
  assert.deepEqual((await verify(remake(made, other))).fails, ["manifest-signature", "checkpoint"]);
});

test("a fork that the right key signed is named", async () => {
  const made = small();
  made.root = sha256("another history");
  made.files.set("log/root/checkpoint", checkpoint(made.key, made.cuts.length, made.root));
  assert.deepEqual((await verify(remake(made, made.key))).fails, ["root-log"]);
});

test("an older checkpoint in place of the newest one is named", async () => {
  const made = small();
  made.files.set("log/root/checkpoint", checkpoint(made.key, 20, rootOf(made.cutLeaves.slice(0, 20))));
  const verified = await verify(made);
  assert.deepEqual(verified.fails, ["files", "root-log", "manifest-log"]);
  assert.match(verified.said.files, /log\/root\/checkpoint/);
  assert.match(verified.said["root-log"], /log\/root\/tile\/entries\/000\.p\/20 is missing/);
});

test("a log that is cut off is named, with and without its manifest", async () => {
  const made = small();
  made.files.delete(of("002.p/188"));
  const verified = await verify(made);
  assert.deepEqual(verified.fails, ["files", "shard-1"]);
  assert.match(verified.said["shard-1"], /^entries 512 to 699: log\/1\/tile\/entries\/002\.p\/188 is missing$/);
  assert.deepEqual((await verify(remake(made))).fails, ["shard-1"]);
});

test("an entry that was edited is named between the cuts around it", async () => {
  const made = small();
  edit(made, of("001"), 5);
  const verified = await verify(remake(made, made.key));
  assert.deepEqual(verified.fails, ["shard-1"]);
  // It is the first of its bundle. Cuts are of 256 entries and of 280.
  assert.match(verified.said["shard-1"], /^entries 256 to 279 are not those that were cut/);
});

test("a hundred changes of one byte are all named", async () => {
  const made = makePack({ sizes: grown({ 1: 40 }, 6) });
  const draw = numbers("one byte");
  for (let round = 0; round < 100; round += 1) {
    const changed = { ...made, files: new Map(made.files) };
    const { path, at } = changeByte(changed.files, draw);
    const verified = await verify(changed);
    assert.equal(verified.verdict, "does not hold", `${path}, byte ${at}`);
    const named = verified.fails.map((id) => verified.said[id]).join("\n");
    const isNamed = ["MANIFEST.json", "MANIFEST.sig"].includes(path) ? /MANIFEST|manifest/.test(named) : named.includes(path);
    assert.ok(isNamed, `${path}, byte ${at}: ${named}`);
  }
});

test("files that are missing, added, longer or of no manifest are named", async () => {
  const made = small();
  made.files.set("report/extra.html", Buffer.from("x"));
  made.files.set("READ-ME-FIRST.md", Buffer.from("Read me, and more.\n"));
  made.files.delete("results/inputs.json");
  const { fails, said } = await verify(made);
  assert.deepEqual(fails, ["files", "manifest-log"]);
  assert.match(said.files, /READ-ME-FIRST\.md has 19 bytes, and not 9; results\/inputs\.json is missing; report\/extra\.html is not of the pack/);
  const without = small();
  without.files.delete("MANIFEST.json");
  assert.deepEqual((await verify(without)).fails, ["manifest"]);
  const spaced = small();
  spaced.files.set("MANIFEST.json", Buffer.concat([spaced.files.get("MANIFEST.json"), Buffer.from("\n")]));
  assert.match((await verify(spaced)).said.manifest, /canonical/);
});

test("a pack that nobody signed is one of which not all was checked", async () => {
  const made = remake(small());
  const verified = await verify(made);
  assert.deepEqual([verified.verdict, verified.fails, verified.open], ["not all checked", [], ["manifest-signature"]]);
});

test("a signature by ML-DSA is named as not checked, one of the key that is false as false", async () => {
  const made = small();
  const signed = made.files.get("MANIFEST.sig");
  const more = noteLine("example.org/audit/root/ml-dsa", Buffer.from([1, 2, 3, 4]), Buffer.alloc(3309, 7));
  made.files.set("MANIFEST.sig", Buffer.concat([signed, Buffer.from(more)]));
  const verified = await verify(made);
  assert.deepEqual([verified.verdict, verified.fails, verified.open], ["not all checked", [], ["other-signature"]]);
  assert.match(verified.said["other-signature"], /key id 01020304: (WebCrypto of this browser has no ML-DSA-65|you pasted no key)/);
  made.files.set("MANIFEST.sig", Buffer.concat([signed, Buffer.from(made.key.line("another text\n"))]));
  assert.deepEqual((await verify(made)).fails, ["manifest-signature"]);
});

test("a checkpoint of before shows growth, a fork and a rollback", async () => {
  const made = small();
  const older = (size, root) => checkpoint(made.key, size, root).toString();
  const at = (size) => rootOf(made.cutLeaves.slice(0, size));
  for (const size of [0, 1, 17, 31]) {
    const grownFrom = await verify(made, { older: older(size, at(size)) });
    assert.deepEqual([grownFrom.verdict, grownFrom.open], ["holds", []], `${size}`);
  }
  const forked = await verify(made, { older: older(17, at(16)) });
  assert.deepEqual(forked.fails, ["consistency"]);
  assert.match(forked.said.consistency, /^forked: at 17 cuts/);
  const back = await verify(made, { older: older(32, at(31)) });
  assert.match(back.said.consistency, /^rolled back/);
  const other = checkpoint(makeKey(made.key.name), 17, at(17)).toString();
  assert.deepEqual((await verify(made, { older: other })).fails, ["older-signature"]);
});

test("cuts that take something back are named", async () => {
  const mending = {
    "went back": (heads, number) => (number === 9 ? heads.map((head) => ({ ...head, incarnation: 1 })) : heads),
    "left out": (heads, number) => (number === 9 ? heads.slice(0, 1) : heads),
    "is forked": (heads, number) => (number === 9 ? heads.map((head) => ({ ...head, size: 0 })) : heads),
  };
  for (const [words, mend] of Object.entries(mending)) {
    const { fails, said, open } = await verify(small({ mend }));
    assert.deepEqual([fails, open], [["cuts"], ["entries"]], words);
    assert.match(said.cuts, new RegExp(`cut (9|10): .*${words}`));
  }
});

test("shards share one sample, and nobody draws a bundle twice", async () => {
  const shards = new Map([[1, { size: 700 }], [4, { size: 5 * WIDTH }], [6, { size: 9 }]]);
  const drawn = await script.drawBundles(sha256("root"), shards, 5);
  assert.equal([...drawn.values()].reduce((sum, bundles) => sum + bundles.size, 0), 5);
  assert.equal(drawn.get(6).size, 0);
  const all = await script.drawBundles(sha256("root"), shards, 200);
  assert.deepEqual([...all.values()].map((bundles) => bundles.size), [2, 5, 0]);
});

test("beyond the limit a sample is checked with the tiles, and it is said", async () => {
  const size = 12 * WIDTH + 40;
  const made = makePack({ sizes: [{ 1: 0 }, { 1: 5 * WIDTH }, { 1: size }], tiles: true });
  const sampled = (await script.drawBundles(made.root, new Map([[1, { size }]]), 4)).get(1);
  assert.equal(sampled.size, 4);
  // The same numbers by hand: the root and a counter of eight bytes.
  const first = sha256(made.root, Buffer.alloc(8)).readUIntBE(0, 6) % 12;
  assert.ok(sampled.has(first));

  const honest = await verify(made, { upTo: 1000 });
  assert.deepEqual([honest.verdict, honest.fails, honest.open], ["not all checked", [], ["all-entries"]]);
  assert.match(honest.said["shard-1"], /^1 064 of 3 112 entries hashed; .* at 3 of the 3 sizes/);
  assert.match(honest.said["all-entries"], /more than 1 000: a sample of 4 bundles of 256/);
  assert.equal((await verify(made, { upTo: Infinity })).verdict, "holds");

  const name = (bundle) => of(String(bundle).padStart(3, "0"));
  const changed = { ...made, files: new Map(made.files) };
  edit(changed, name(first), 4);
  const inSample = await verify(remake(changed, made.key), { upTo: 1000 });
  assert.match(inSample.said["shard-1"], new RegExp(`^${name(first)} has another hash than the tile`));
  // Outside the sample an entry that was edited goes unseen, unless all are asked for: that is what `not all checked` means.
  const outside = { ...made, files: new Map(made.files) };
  edit(outside, name([...Array(12).keys()].find((bundle) => !sampled.has(bundle))), 4);
  remake(outside, made.key);
  assert.equal((await verify(outside, { upTo: 1000 })).verdict, "not all checked");
  assert.deepEqual((await verify(outside, { upTo: Infinity })).fails, ["shard-1"]);
  // A tile that was edited is seen wherever it is.
  const tile = { ...made, files: new Map(made.files) };
  edit(tile, "tiles/1/tile/1/000.p/12", 7);
  assert.deepEqual((await verify(remake(tile, made.key), { upTo: 1000 })).fails, ["shard-1"]);
});

test("beyond the limit and without tiles it is said that entries were not checked", async () => {
  const verified = await verify(small(), { upTo: 1000 });
  assert.deepEqual([verified.verdict, verified.open], ["not all checked", ["shard-1", "shard-4", "all-entries"]]);
  assert.match(verified.said["shard-1"], /keeps no tiles\/1\/tile\/1\/000\.p\/2/);
});

test("paths of tiles are those of the specification", () => {
  assert.equal(script.tilePath("0", 1_234_067, 256), "tile/0/x001/x234/067");
  assert.equal(script.tilePath("0", 273, 112), "tile/0/273.p/112");
  assert.equal(script.tilePath("entries", 0, 256), "tile/entries/000");
});

test("a key of the Go implementation reads", async () => {
  const key = await script.readKey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  assert.deepEqual([key.name, key.id, key.algorithm], ["PeterNeumann", "c74f20a3", "Ed25519"]);
});

test("notes are read as strictly as by the program", () => {
  const key = makeKey("example.org/a");
  const note = key.note("one\n\ntwo\n").toString();
  const read = (text) => script.readNote(Buffer.from(text), "note");
  assert.equal(read(note).text, "one\n\ntwo\n");
  const bad = [
    note.trimEnd(),
    `${note}\n`,
    note.replace("one", "o\tne"),
    note.replace("\u2014", "-"),
    note.replaceAll("\n\n", "\n"),
    note.replace("example.org/a ", "example.org/a  "),
    note.replace("example.org/a", "example+org/a"),
    "one\n\n\u2014 a AAAA\n",
    "one\n\n",
  ];
  for (const text of bad) assert.throws(() => read(text), /no signed note/, JSON.stringify(text));
});

test("cuts are read as strictly as by the program", () => {
  const shards = [{ shard: 1, size: 300, root: sha256("a") }, { shard: 70_000, size: 5, root: sha256("b") }];
  const good = cut({ number: 7, at: 1_790_000_000_000_000, shards });
  const read = script.readCut(good);
  assert.deepEqual([read.number, read.at, read.epoch], [7, 1_790_000_000_000_000, 3]);
  assert.deepEqual([...read.shards.keys()], [1, 70_000]);
  for (let end = 0; end < good.length; end += 1) assert.throws(() => script.readCut(good.subarray(0, end)), `${end}`);
  assert.throws(() => script.readCut(Buffer.concat([good, Buffer.from([0])])), /bytes follow/);
  assert.throws(() => script.readCut(cut({ number: 7, at: 1, shards: [...shards].reverse() })), /ascend/);
  const newer = Buffer.from(good);
  newer[2] = 3;
  assert.throws(() => script.readCut(newer), /a newer release/);
  const longer = Buffer.concat([good.subarray(0, 2), Buffer.from([0x18, 2]), good.subarray(3)]);
  assert.throws(() => script.readCut(longer), /shortest/);
});
