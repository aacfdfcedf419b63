// Verifies an evidence pack of Claviger in a browser, from the files of its folder and one public key. It asks nobody: the policy of
// the page forbids every connection. Hashes and signatures are those of WebCrypto. Read it from the top: first what bytes mean, then
// what is checked (`verifyPack`), last the page.
//
// SHA-256: FIPS 180-4. Tree: RFC 6962, 2.1. Signed notes, checkpoints, tiles: C2SP signed-note, tlog-checkpoint, tlog-tiles.
(() => {
  "use strict";

  const FORMAT = "claviger-evidence-pack/1";
  const MANIFEST = "MANIFEST.json";
  const SIGNATURE = "MANIFEST.sig";
  // Hashes of a tile, entries of a bundle.
  const WIDTH = 256;
  // Up to so many entries all are hashed. Beyond, a sample is, unless the reader asks for all.
  const ALL_UP_TO = 200000;
  // So many bundles are in a sample.
  const SAMPLED_BUNDLES = 200;

  // What was held against something, and does not hold.
  class Fault extends Error {}
  // What could not be checked, and why.
  class NotChecked extends Error {}

  // ---- bytes

  const utf8 = (text) => new TextEncoder().encode(text);
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

  function concat(...parts) {
    const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  // Text that is UTF-8, or null.
  function text(bytes) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return null;
    }
  }

  // The bytes of canonical base64 (padding there, unused bits zero), or null.
  function fromBase64(encoded) {
    try {
      const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
      return base64(bytes) === encoded ? bytes : null;
    } catch {
      return null;
    }
  }

  // A decimal number without sign or leading zeros, or null.
  function fromDecimal(digits) {
    const number = /^(0|[1-9][0-9]*)$/.test(digits) ? Number(digits) : NaN;
    return Number.isSafeInteger(number) ? number : null;
  }

  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

  // ---- the tree

  const leafHash = (entry) => sha256(concat([0], entry));
  const nodeHash = (left, right) => sha256(concat([1], left, right));

  // The right edge of a tree: the roots of the perfect subtrees that make it up, by their height.
  class Edge {
    constructor() {
      this.nodes = [];
    }

    // Appends a subtree, which may be no higher than the lowest that is there.
    async push(hash) {
      let height = 0;
      for (; this.nodes[height]; height += 1) {
        hash = await nodeHash(this.nodes[height], hash);
        this.nodes[height] = null;
      }
      this.nodes[height] = hash;
    }

    // The root, with `right` standing at the right of all; null for no tree at all.
    async root(right = null) {
      for (const node of this.nodes) {
        if (node) right = right ? await nodeHash(node, right) : node;
      }
      return right;
    }
  }

  // The hashes over the leaves of a bundle, by height: perfect subtrees alone.
  async function heightsOf(leaves) {
    const heights = [leaves];
    for (let row = leaves; row.length > 1; heights.push(row)) {
      const pairs = Array.from({ length: Math.floor(row.length / 2) }, (_, at) => [row[2 * at], row[2 * at + 1]]);
      row = await Promise.all(pairs.map(([left, right]) => nodeHash(left, right)));
    }
    return heights;
  }

  // The root over the first `count` leaves of a bundle.
  async function rootOfFirst(count, heights) {
    let right = null;
    for (const [height, row] of heights.entries()) {
      if ((count >> height) & 1) {
        const left = row[(count >> height) - 1];
        right = right ? await nodeHash(left, right) : left;
      }
    }
    return right;
  }

  // ---- tiles and bundles

  // `tile/<level>/<index>`, as C2SP tlog-tiles writes it: groups of three digits, all but the last behind an `x`.
  function tilePath(level, index, width) {
    let path = String(index % 1000).padStart(3, "0");
    for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
      path = `x${String(rest % 1000).padStart(3, "0")}/${path}`;
    }
    return `tile/${level}/${path}${width === WIDTH ? "" : `.p/${width}`}`;
  }

  // The entries of a bundle: each has its length before it, in two bytes.
  function entriesOf(bundle, name) {
    const entries = [];
    for (let at = 0; at < bundle.length; ) {
      const end = at + 2 + bundle[at] * 256 + bundle[at + 1];
      if (!(end <= bundle.length)) throw new Fault(`${name} ends inside an entry`);
      entries.push(bundle.subarray(at + 2, end));
      at = end;
    }
    return entries;
  }

  // ---- keys, notes and checkpoints

  const P256_SPKI = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
  ];
  // Lengths of signatures of ML-DSA (FIPS 204, table 2).
  const ML_DSA = new Map([
    [2420, "ML-DSA-44"],
    [3309, "ML-DSA-65"],
    [4627, "ML-DSA-87"],
  ]);

  const isName = (name) => name.length > 0 && utf8(name).length <= 255 && !/[\s\p{Cc}+]/u.test(name);

  // A verifying key: `<name>+<key id>+<base64 of type byte and public key>`.
  async function readKey(vkey) {
    const parts = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/s.exec(vkey);
    const bytes = parts && fromBase64(parts[3]);
    if (!bytes || !isName(parts[1])) throw new Fault("what was pasted is no verifying key: NAME+8 HEX DIGITS+BASE64");
    const [, name, id] = parts;
    const key = bytes.subarray(1);
    let read;
    if (bytes[0] === 1 && key.length === 32) {
      read = { name, id, algorithm: "Ed25519", key, digest: await sha256(concat(utf8(name), utf8("\n"), bytes)) };
    } else if (bytes[0] === 2 && key.length === 91 && same(key.subarray(0, 26), P256_SPKI) && key[26] === 4) {
      read = { name, id, algorithm: "ECDSA on P-256", key, digest: await sha256(key) };
    } else {
      throw new Fault("the key is neither of Ed25519 nor of ECDSA on P-256");
    }
    if (hex(read.digest.subarray(0, 4)) !== id) throw new Fault("name, key id and key do not belong together: is it whole?");
    return read;
  }

  // The 64 bytes of r and s, from their DER (RFC 3279, 2.2.3), or null. Nothing but the one encoding of each number is taken.
  function fromDer(der) {
    if (der[0] !== 0x30 || der[1] !== der.length - 2 || der.length > 72) return null;
    const numbers = [];
    let rest = der.subarray(2);
    while (rest.length > 2 && numbers.length < 2) {
      const digits = rest.subarray(2, 2 + rest[1]);
      const isShortest = digits[0] !== 0 || digits[1] >= 0x80;
      if (rest[0] !== 2 || digits.length === 0 || digits.length !== rest[1] || digits[0] >= 0x80 || !isShortest) return null;
      const number = digits[0] === 0 ? digits.subarray(1) : digits;
      if (number.length > 32) return null;
      numbers.push(concat(new Uint8Array(32 - number.length), number));
      rest = rest.subarray(2 + rest[1]);
    }
    return numbers.length === 2 && rest.length === 0 ? concat(...numbers) : null;
  }

  async function isSignedBy(key, message, signature) {
    if (key.algorithm === "Ed25519") {
      let imported;
      try {
        imported = await crypto.subtle.importKey("raw", key.key, { name: "Ed25519" }, false, ["verify"]);
      } catch (error) {
        if (error.name === "NotSupportedError") throw new NotChecked("WebCrypto of this browser has no Ed25519");
        throw new Fault("the key is no key of Ed25519");
      }
      return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
    }
    const raw = fromDer(signature);
    const curve = { name: "ECDSA", namedCurve: "P-256" };
    const imported = await crypto.subtle.importKey("spki", key.key, curve, false, ["verify"]).catch(() => {
      throw new Fault("the key is no point of P-256");
    });
    return raw !== null && crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, imported, raw, message);
  }

  // A signed note: a text, an empty line, and lines with signatures.
  function readNote(bytes, name) {
    const malformed = new Fault(`${name} is no signed note`);
    const note = bytes.length <= 131072 ? text(bytes) : null;
    if (note === null || bytes.some((byte) => byte < 0x20 && byte !== 0x0a)) throw malformed;
    const at = note.lastIndexOf("\n\n");
    if (at < 0 || !note.endsWith("\n") || note.length < at + 3) throw malformed;
    const lines = note.slice(at + 2, -1).split("\n");
    const signatures = lines.map((line) => {
      const parts = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line);
      const signed = parts && fromBase64(parts[2]);
      if (!signed || signed.length < 5 || !isName(parts[1])) throw malformed;
      return { name: parts[1], id: hex(signed.subarray(0, 4)), signature: signed.subarray(4) };
    });
    if (signatures.length > 64) throw malformed;
    return { text: note.slice(0, at + 1), signatures };
  }

  // The text of a note that the key signed. Lines of other keys are ignored; each of this one must be its own.
  async function signedText(note, key, name) {
    const own = note.signatures.filter((line) => line.name === key.name && line.id === key.id);
    if (own.length === 0) {
      const signers = note.signatures.map((line) => `${line.name} (key id ${line.id})`).join(", ");
      throw new Fault(`${name} is not signed by the key that you pasted, but by ${signers}`);
    }
    for (const line of own) {
      if (!(await isSignedBy(key, utf8(note.text), line.signature))) {
        throw new Fault(`the signature of ${name} is not that of the key that you pasted`);
      }
    }
    return note.text;
  }

  // The head of a log: its name, its size and the root of its tree.
  async function readCheckpoint(bytes, key, name) {
    const lines = (await signedText(readNote(bytes, name), key, name)).split("\n");
    const [origin, size, root] = [lines[0], fromDecimal(lines[1] ?? ""), fromBase64(lines[2] ?? "")];
    if (lines.length !== 4 || lines[3] !== "" || size === null || root?.length !== 32) {
      throw new Fault(`${name} is no checkpoint`);
    }
    if (origin !== key.name) throw new Fault(`${name} is of the log ${origin}, and the key of ${key.name}`);
    return { origin, size, root };
  }

  // ---- cuts

  // Reads deterministic CBOR (RFC 8949, 4.2.1), of the kinds that a cut has.
  class Reader {
    constructor(bytes) {
      this.bytes = bytes;
      this.at = 0;
    }

    take(length) {
      const end = this.at + length;
      if (end > this.bytes.length) throw new Fault("it ends too soon");
      const taken = this.bytes.subarray(this.at, end);
      this.at = end;
      return taken;
    }

    head(major) {
      const [first] = this.take(1);
      const short = first & 31;
      if (first >> 5 !== major || short > 27) throw new Fault("it holds what no cut holds");
      if (short < 24) return short;
      const value = this.take(1 << (short - 24)).reduce((sum, byte) => sum * 256 + byte, 0);
      if (value < [24, 2 ** 8, 2 ** 16, 2 ** 32][short - 24]) throw new Fault("a number is not in its shortest form");
      if (!Number.isSafeInteger(value)) throw new Fault("a number is beyond 2^53");
      return value;
    }

    number() {
      return this.head(0);
    }

    hash() {
      const length = this.head(2);
      if (length !== 32) throw new Fault("a hash does not have 32 bytes");
      return this.take(length);
    }
  }

  // A cut: the heads of all shards at one instant.
  function readCut(bytes) {
    const reader = new Reader(bytes);
    const fields = reader.head(5);
    const cut = { shards: new Map() };
    let last = -1;
    for (let left = fields; left > 0; left -= 1) {
      const field = reader.number();
      if (field <= last || field > 8 || (last < 4 && field !== last + 1)) throw new Fault(`field ${field} is out of order`);
      last = field;
      if (field === 4) {
        readShards(reader, cut.shards);
      } else if (field === 6 || field === 8) {
        cut[field] = reader.hash();
      } else {
        cut[field] = reader.number();
      }
      if (field === 0 && cut[0] !== 1 && cut[0] !== 2) throw new NotChecked(`a newer release wrote it: version ${cut[0]}`);
    }
    if (last < 4 || reader.at !== bytes.length) throw new Fault("fields are missing, or bytes follow it");
    if ((cut[0] === 2) !== (7 in cut || 8 in cut)) throw new Fault("its version is not that of its fields");
    return { at: cut[1], number: cut[2], epoch: cut[3], shards: cut.shards };
  }

  function readShards(reader, shards) {
    let last = -1;
    for (let left = reader.head(4); left > 0; left -= 1) {
      if (reader.head(4) !== 6) throw new Fault("a shard does not have six members");
      const [shard, state] = [reader.number(), reader.number()];
      const [incarnation, size, root, epoch] = [reader.number(), reader.number(), reader.hash(), reader.number()];
      if (shard <= last || shards.size >= 1024) throw new Fault("shards do not ascend, or there are more than 1 024");
      if (state < 1 || state > 3) throw new Fault(`state ${state} of a shard is not known`);
      shards.set(shard, { isRetired: state === 3, incarnation, size, root, epoch });
      last = shard;
    }
  }

  // What a cut takes back of the cut before it.
  function takenBack(before, cut) {
    if (cut.epoch < before.epoch) return ["the epoch went back"];
    return [...before.shards].flatMap(([shard, old]) => {
      const now = cut.shards.get(shard);
      if (!now) return old.isRetired ? [] : [`shard ${shard} is left out`];
      const wentBack = now.size < old.size || now.epoch < old.epoch || now.incarnation < old.incarnation;
      return wentBack ? [`shard ${shard} went back`] : [];
    });
  }

  // ---- a log

  // Walks over the bundles of a log and gives its roots at the sizes in `wanted`. Where `kept` has the hash of a bundle, it stands for
  // the bundle, unless that is in the sample; then both must be the same.
  async function walk({ pack, log, size, wanted, kept, sampled, entry, progress }) {
    const [edge, roots] = [new Edge(), new Map()];
    if (wanted(0)) roots.set(0, await sha256(new Uint8Array()));
    for (let first = 0; first < size; first += WIDTH) {
      const [index, width] = [first / WIDTH, Math.min(WIDTH, size - first)];
      const known = kept?.[index];
      let root = known;
      if (!known || sampled.has(index)) {
        const name = `log/${log}/${tilePath("entries", index, width)}`;
        const bundle = await pack.read(name).catch((error) => {
          throw error instanceof Fault ? new Fault(`entries ${first} to ${first + width - 1}: ${error.message}`) : error;
        });
        const entries = entriesOf(bundle, name);
        if (entries.length !== width) throw new Fault(`${name} holds ${entries.length} entries, and not ${width}`);
        entries.forEach((bytes, at) => entry?.(first + at, bytes));
        const heights = await heightsOf(await Promise.all(entries.map(leafHash)));
        root = heights[8]?.[0];
        if (known && !same(known, root)) throw new Fault(`${name} has another hash than the tile that was kept of it`);
        const sizes = Array.from({ length: width }, (_, at) => at + 1).filter((count) => wanted(first + count));
        const inside = sizes.filter((count) => count < WIDTH);
        const found = await Promise.all(inside.map(async (count) => edge.root(await rootOfFirst(count, heights))));
        inside.forEach((count, at) => roots.set(first + count, found[at]));
        await progress(width);
      }
      if (width === WIDTH) {
        await edge.push(root);
        if (wanted(first + WIDTH)) roots.set(first + WIDTH, await edge.root());
      }
    }
    return roots;
  }

  // The root log, which the checkpoint commits to. Gives its cuts, as they follow each other, and what is wrong with them.
  async function walkRootLog(pack, head, older, progress) {
    const [cuts, wrong, unknown] = [[], [], []];
    const entry = (index, bytes) => {
      try {
        cuts.push(readCut(bytes));
        if (cuts.at(-1).number !== index) wrong.push(`cut ${index}: it says that it is cut ${cuts.at(-1).number}`);
      } catch (error) {
        (error instanceof NotChecked ? unknown : wrong).push(`cut ${index}: ${error.message}`);
      }
    };
    const wanted = (size) => size === head.size || size === older?.size;
    const roots = await walk({ pack, log: "root", size: head.size, wanted, sampled: new Set(), entry, progress });
    return { cuts, wrong, unknown, roots };
  }

  // What the cuts say of the shards: the roots of each, by the sizes that cuts name.
  function shardsOf(cuts, wrong) {
    const shards = new Map();
    cuts.forEach((cut, at) => {
      if (at > 0) wrong.push(...takenBack(cuts[at - 1], cut).map((what) => `cut ${cut.number}: ${what}`));
      for (const [shard, { size, root }] of cut.shards) {
        const roots = shards.get(shard) ?? shards.set(shard, new Map()).get(shard);
        if (roots.has(size) && !same(roots.get(size), root)) wrong.push(`cut ${cut.number}: shard ${shard} is forked`);
        roots.set(size, root);
      }
    });
    const greatest = (sizes) => [...sizes].reduce((most, size) => Math.max(most, size), 0);
    return new Map([...shards].map(([shard, roots]) => [shard, { roots, size: greatest(roots.keys()) }]));
  }

  // ---- the sample

  // Which bundles are looked at: numbers over the full bundles of all shards, drawn by SHA-256 over the root of the log and a counter
  // of 8 bytes. The first 6 bytes of the digest are the number, modulo how many there are. Neither side chooses.
  async function drawBundles(root, shards, most) {
    const places = [...shards].flatMap(([shard, { size }]) =>
      Array.from({ length: Math.floor(size / WIDTH) }, (_, bundle) => [shard, bundle]),
    );
    const drawn = new Map([...shards.keys()].map((shard) => [shard, new Set()]));
    const wanted = Math.min(most, places.length);
    const numbers = new Set();
    for (let counter = 0; numbers.size < wanted; counter += 1) {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(counter));
      const digest = await sha256(concat(root, bytes));
      numbers.add(digest.subarray(0, 6).reduce((sum, byte) => sum * 256 + byte, 0) % places.length);
    }
    for (const number of numbers) drawn.get(places[number][0]).add(places[number][1]);
    return drawn;
  }

  // The hashes of the full bundles of a shard, which the pack keeps for a sample (level 1 of C2SP tlog-tiles).
  async function readKept(pack, shard, size) {
    const hashes = [];
    const full = Math.floor(size / WIDTH);
    for (let index = 0; index * WIDTH < full; index += 1) {
      const width = Math.min(WIDTH, full - index * WIDTH);
      const name = `tiles/${shard}/${tilePath(1, index, width)}`;
      if (!pack.has(name)) throw new NotChecked(`the pack keeps no ${name}, without which no sample can be checked`);
      const tile = await pack.read(name);
      if (tile.length !== width * 32) throw new Fault(`${name} does not hold ${width} hashes`);
      for (let at = 0; at < tile.length; at += 32) hashes.push(tile.subarray(at, at + 32));
    }
    return hashes;
  }

  // ---- what is checked

  // The first of many, and how many more there are.
  const listed = (all) => all.slice(0, 20).join("; ") + (all.length > 20 ? `; and ${all.length - 20} more` : "");
  const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, " ");

  // Canonical JSON (RFC 8785), for the values that a manifest has.
  function canonical(value) {
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    const members = Object.keys(value).sort();
    return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
  }

  async function readManifest(pack) {
    const bytes = await pack.read(MANIFEST);
    let manifest;
    try {
      manifest = JSON.parse(text(bytes) ?? "");
    } catch {
      throw new Fault(`${MANIFEST} is no JSON`);
    }
    if (manifest?.format !== FORMAT) throw new Fault(`${MANIFEST} is not of the format ${FORMAT}`);
    if (!same(utf8(canonical(manifest)), bytes)) throw new Fault(`${MANIFEST} is not in canonical JSON (RFC 8785)`);
    const isFile = ({ path, size, sha256 }) => typeof path === "string" && Number.isSafeInteger(size) && /^[0-9a-f]{64}$/.test(sha256);
    const files = manifest.files;
    if (!Array.isArray(files) || !files.every(isFile)) throw new Fault(`${MANIFEST} does not say which files there are`);
    if (new Set(files.map((file) => file.path)).size !== files.length) throw new Fault(`${MANIFEST} names a file twice`);
    return { ...manifest, digest: await sha256(bytes) };
  }

  // Each file is there, is what the manifest says, and there is no other.
  async function holdFiles(pack, files, progress) {
    const wrong = [];
    const named = new Set(files.map((file) => file.path));
    for (const { path, size, sha256: expected } of files) {
      if (!pack.has(path)) {
        wrong.push(`${path} is missing`);
      } else if (pack.size(path) !== size) {
        wrong.push(`${path} has ${pack.size(path)} bytes, and not ${size}`);
      } else if (hex(await sha256(await pack.read(path))) !== expected) {
        wrong.push(`${path} was changed: it has another digest`);
      }
      await progress(1);
    }
    const others = pack.paths().filter((path) => !named.has(path) && path !== MANIFEST && path !== SIGNATURE);
    wrong.push(...others.map((path) => `${path} is not of the pack`));
    if (wrong.length > 0) throw new Fault(listed(wrong));
  }

  // What the manifest says of the pack is what the pack says.
  async function holdManifest(pack, manifest, head, entries) {
    const inputs = hex(await sha256(await pack.read("results/inputs.json"))).slice(0, 32);
    if (manifest.pack !== inputs) throw new Fault(`the pack's id is ${manifest.pack}, and results/inputs.json yields ${inputs}`);
    const { origin, size, root, entries: counted } = manifest.log ?? {};
    if (origin !== head.origin || size !== head.size || root !== hex(head.root)) {
      throw new Fault("the manifest is of another head of the log than log/root/checkpoint");
    }
    if (entries !== null && counted !== entries) {
      throw new Fault(`the manifest counts ${counted} entries, and the newest cut ${entries}`);
    }
  }

  async function holdShard({ pack, shard, roots, size, kept, sampled, progress }) {
    const found = await walk({ pack, log: shard, size, wanted: (at) => roots.has(at), kept, sampled, progress });
    let before = 0;
    // Roots were found in the order of sizes: the first that differs says where to look.
    for (const [at, root] of found) {
      if (!same(root, roots.get(at))) {
        throw new Fault(`entries ${before} to ${at - 1} are not those that were cut: the tree of ${at} has another root`);
      }
      before = at;
    }
    return found.size;
  }

  // Verifies a pack. `pack` gives its files, `asked` has `key` (text), `older` (text of a checkpoint, or nothing), `upTo` (hash all
  // of so many entries) and `sample` (else so many bundles). `report.check` is told of each check, `report.progress` how far the work
  // is. Gives what was checked.
  async function verifyPack(pack, asked, report) {
    const checks = [];
    const check = async (id, name, work) => {
      const done = { id, name, state: "holds", detail: "", value: undefined };
      try {
        const [detail, value] = await work();
        Object.assign(done, { detail, value });
      } catch (error) {
        const isOpen = error instanceof NotChecked;
        Object.assign(done, { state: isOpen ? "not checked" : "does not hold", detail: error.message || String(error) });
      }
      checks.push(done);
      report.check(done);
      return done.value;
    };
    const stages = (label, total) => {
      let done = 0;
      return (more) => report.progress((done += more), total, label);
    };
    const needed = (value, what) => {
      if (value === undefined) throw new NotChecked(`${what} was not shown to hold`);
      return value;
    };

    const key = await check("key", "The verifying key", async () => {
      const read = await readKey(asked.key.trim());
      const fingerprint = hex(await sha256(utf8(asked.key.trim())));
      return [`${read.algorithm}, of ${read.name}, key id ${read.id}; SHA-256 of its text ${fingerprint}`, read];
    });
    await check("key-file", "The key in the pack is that key", async () => {
      const written = text(await pack.read("log/root.vkey"));
      needed(key, "the verifying key");
      if (written !== `${asked.key.trim()}\n`) throw new Fault("log/root.vkey holds another key than the one that you pasted");
      return ["log/root.vkey"];
    });
    const manifest = await check("manifest", "The manifest reads", async () => {
      const read = await readManifest(pack);
      return [`${read.files.length} files, pack ${read.pack}`, read];
    });
    await check("manifest-signature", "The manifest is signed", async () => {
      if (!pack.has(SIGNATURE)) throw new NotChecked(`there is no ${SIGNATURE}: nobody signed the pack as a whole`);
      const note = readNote(await pack.read(SIGNATURE), SIGNATURE);
      const of = needed(key, "the verifying key");
      const digest = needed(manifest, "the manifest").digest;
      if ((await signedText(note, of, SIGNATURE)) !== `${of.name} evidence pack\n${base64(digest)}\n`) {
        throw new Fault(`${SIGNATURE} is of another ${MANIFEST} than this one`);
      }
      return [`by the key that you pasted, key id ${of.id}`];
    });
    for (const line of await otherSignatures(pack, key)) {
      await check("other-signature", `A signature by ${line.kind}`, async () => {
        throw new NotChecked(`${SIGNATURE}, ${line.name}, key id ${line.id}: ${line.why}`);
      });
    }
    await check("files", "Each file is the one that the manifest names", async () => {
      const { files } = needed(manifest, "the manifest");
      await holdFiles(pack, files, stages("files", files.length));
      return [`${files.length} files by size and SHA-256; none is missing, and there is no other`];
    });

    const head = await check("checkpoint", "The checkpoint is signed", async () => {
      const bytes = await pack.read("log/root/checkpoint");
      const read = await readCheckpoint(bytes, needed(key, "the verifying key"), "log/root/checkpoint");
      return [`${read.origin}, ${grouped(read.size)} cuts, root ${base64(read.root)}`, read];
    });
    const older = !asked.older?.trim()
      ? null
      : await check("older-signature", "The checkpoint of before is signed", async () => {
          const bytes = utf8(`${asked.older.trim()}\n`);
          const read = await readCheckpoint(bytes, needed(key, "the verifying key"), "the checkpoint of before");
          return [`${grouped(read.size)} cuts, root ${base64(read.root)}`, read];
        });
    const rootLog = await check("root-log", "The cuts are those of the checkpoint", async () => {
      const { size, root } = needed(head, "the checkpoint");
      const walked = await walkRootLog(pack, head, older, stages("cuts", size));
      if (!same(walked.roots.get(size), root)) throw new Fault("the tree of the cuts has another root than the checkpoint");
      return [`${grouped(size)} cuts hash to the root of the checkpoint`, walked];
    });
    if (older) {
      await check("consistency", "The log is that of before, grown", async () => {
        const { roots } = needed(rootLog, "the log of the cuts");
        if (older.size > head.size) throw new Fault(`rolled back: it had ${older.size} cuts then, and has ${head.size}`);
        if (!same(roots.get(older.size), older.root)) throw new Fault(`forked: at ${older.size} cuts it has another root`);
        return [`at ${grouped(older.size)} cuts it has the root of that checkpoint`];
      });
    }
    const shards = await check("cuts", "The cuts follow each other", async () => {
      const { cuts, wrong, unknown } = needed(rootLog, "the log of the cuts");
      const read = shardsOf(cuts, wrong);
      if (wrong.length > 0) throw new Fault(listed(wrong));
      if (unknown.length > 0) throw new NotChecked(listed(unknown));
      const newest = cuts.length > 0 ? new Date(cuts.at(-1).at / 1000).toISOString() : "none";
      return [`no shard shrinks, goes back or is left out; the newest cut is of ${newest} by the clock that wrote it`, read];
    });
    const entries = shards && [...shards.values()].reduce((sum, { size }) => sum + size, 0);
    await check("manifest-log", "The manifest is of this log", async () => {
      await holdManifest(pack, needed(manifest, "the manifest"), needed(head, "the checkpoint"), entries ?? null);
      return ["its id, and origin, size and root of its log"];
    });
    if (shards === undefined) {
      await check("entries", "The entries are those that were cut", async () => needed(shards, "what the cuts say"));
      return checks;
    }
    const hasAll = entries <= asked.upTo;
    const drawn = hasAll ? new Map() : await drawBundles(head.root, shards, asked.sample);
    for (const [shard, { roots, size }] of shards) {
      await check(`shard-${shard}`, `The entries of shard ${shard} are those that were cut`, async () => {
        const sampled = drawn.get(shard) ?? new Set();
        const kept = hasAll ? null : await readKept(pack, shard, size);
        const hashed = hasAll ? size : sampled.size * WIDTH + (size % WIDTH);
        const progress = stages(`entries of shard ${shard}`, hashed);
        const held = await holdShard({ pack, shard, roots, size, kept, sampled, progress });
        const sizes = `the tree has the root of the cut at ${grouped(held)} of the ${grouped(roots.size)} sizes that cuts name`;
        return [`${grouped(hashed)} of ${grouped(size)} entries hashed; ${sizes}`];
      });
    }
    if (!hasAll) {
      await check("all-entries", "All entries are looked at", async () => {
        const sample = `a sample of ${asked.sample} bundles of ${WIDTH} was drawn by the root of the log`;
        throw new NotChecked(`more than ${grouped(asked.upTo)}: ${sample}; of the others the hashes in tiles/ were taken`);
      });
    }
    return checks;
  }

  // Signatures under the manifest that are not of the pasted key.
  async function otherSignatures(pack, key) {
    if (!key || !pack.has(SIGNATURE)) return [];
    let signatures;
    try {
      ({ signatures } = readNote(await pack.read(SIGNATURE), SIGNATURE));
    } catch {
      return [];
    }
    const others = signatures.filter((line) => line.name !== key.name || line.id !== key.id);
    return others.map((line) => {
      const kind = ML_DSA.get(line.signature.length);
      const lacks = kind && !globalThis.SubtleCrypto?.supports?.("verify", kind);
      const why = lacks ? `WebCrypto of this browser has no ${kind}` : "you pasted no key for it";
      return { ...line, kind: kind ?? "another key", why };
    });
  }

  // One word for all of it.
  function verdictOf(checks) {
    const having = (state) => checks.filter((check) => check.state === state);
    if (having("does not hold").length > 0) return "does not hold";
    return having("not checked").length > 0 ? "not all checked" : "holds";
  }

  // ---- the page

  // The files of a folder, by their paths in it.
  function packOf(files) {
    return {
      paths: () => [...files.keys()],
      has: (path) => files.has(path),
      size: (path) => files.get(path).size,
      read: async (path) => {
        const file = files.get(path);
        if (!file) throw new Fault(`${path} is missing`);
        try {
          return new Uint8Array(await file.arrayBuffer());
        } catch (error) {
          throw new NotChecked(`${path} cannot be read: ${error.message}`);
        }
      },
    };
  }

  const SAID = {
    holds: "Everything that this page checks holds. It does not check that results follow from the log: claviger-verify does.",
    "not all checked": "What was checked holds. Not all was checked.",
    "does not hold": "This pack does not hold.",
  };

  function startPage() {
    const at = (name) => document.getElementById(`verify-${name}`);
    let files = null;

    const say = (words) => {
      at("status").textContent = words;
    };
    const take = (taken) => {
      files = taken.has(MANIFEST) ? taken : null;
      at("start").disabled = files === null;
      const ready = () => `${grouped(files.size)} files. Paste the key, and press Verify.`;
      say(files ? ready() : `No ${MANIFEST} lies in that folder: choose the folder of the pack.`);
    };
    const show = ({ id, name, state, detail }) => {
      const row = at("checks").insertRow();
      row.dataset.check = id;
      row.dataset.state = state;
      for (const words of [name, state, detail]) row.insertCell().textContent = words;
    };
    const report = {
      check: show,
      shownAt: 0,
      // The page is drawn while nothing runs: now and then it waits for that.
      async progress(done, total, label) {
        if (done < total && Date.now() < this.shownAt + 100) return;
        this.shownAt = Date.now();
        Object.assign(at("progress"), { max: Math.max(total, 1), value: done });
        say(`${label}: ${grouped(done)} of ${grouped(total)}`);
        await new Promise((resolve) => setTimeout(resolve));
      },
    };

    at("folder").addEventListener("change", ({ target }) => {
      const inFolder = (file) => file.webkitRelativePath.slice(file.webkitRelativePath.indexOf("/") + 1);
      take(new Map(Array.from(target.files, (file) => [inFolder(file), file])));
    });
    at("drop").addEventListener("dragover", (event) => event.preventDefault());
    at("drop").addEventListener("drop", async (event) => {
      event.preventDefault();
      try {
        take(await filesOfDrop(event.dataTransfer.items));
      } catch (error) {
        say(`This browser does not give what was dropped: ${error.message}. Choose the folder by the button.`);
      }
    });
    at("start").addEventListener("click", async () => {
      at("start").disabled = true;
      at("checks").replaceChildren();
      delete at("verdict").dataset.state;
      at("verdict").textContent = "";
      const asked = {
        key: at("key").value,
        older: at("older").value,
        upTo: at("all").checked ? Infinity : ALL_UP_TO,
        sample: SAMPLED_BUNDLES,
      };
      try {
        const checks = await verifyPack(packOf(files), asked, report);
        const verdict = verdictOf(checks);
        const open = checks.filter((check) => check.state !== "holds").map((check) => `${check.name}: ${check.state}`);
        say("");
        at("verdict").dataset.state = verdict;
        at("verdict").textContent = [SAID[verdict], ...open].join("\n");
      } catch (error) {
        say(`It broke off: ${error.message}. Nothing is said of the pack.`);
      }
      at("start").disabled = false;
    });

    if (!globalThis.crypto?.subtle) {
      for (const name of ["folder", "key", "older", "all"]) at(name).disabled = true;
      say("This browser gives WebCrypto to no page that was opened like this: nothing can be checked here. Use claviger-verify.");
    }
  }

  // The files of a folder that was dropped. Chromium reads what is dropped on a page from disk by handles alone, Firefox by entries
  // alone. All items must be taken before the first wait.
  async function filesOfDrop(items) {
    const taken = Array.from(items, (item) => item.getAsFileSystemHandle?.() ?? item.webkitGetAsEntry());
    const [folder, ...others] = await Promise.all(taken);
    if (!folder || others.length > 0) throw new Error("one folder is wanted");
    const files = new Map();
    const handles = async (handle, path) => {
      if (handle.kind === "file") return void files.set(path, await handle.getFile());
      for await (const [name, inside] of handle.entries()) await handles(inside, path ? `${path}/${name}` : name);
    };
    const entries = async (entry, path) => {
      if (entry.isFile) return void files.set(path, await new Promise((resolve, reject) => entry.file(resolve, reject)));
      const reader = entry.createReader();
      const some = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      for (let more = await some(); more.length > 0; more = await some()) {
        for (const inside of more) await entries(inside, path ? `${path}/${inside.name}` : inside.name);
      }
    };
    await (folder.kind ? handles : entries)(folder, "");
    return files;
  }

  if (globalThis.document) {
    startPage();
  } else {
    // The tests, where there is no page.
    module.exports = { ALL_UP_TO, FORMAT, drawBundles, packOf, readCut, readKey, readNote, tilePath, verdictOf, verifyPack };
  }
})();
