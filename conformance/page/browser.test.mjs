// The page in Chromium, opened from disk, with a pack that `run` had a real deployment make.

import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

import { changeByte, checkpoint, makeKey, numbers, sha256 } from "./made.mjs";

const { CHROMIUM, PAGE_IMAGES, PAGE_KEY, PAGE_OF_PROGRAM, PAGE_OLDER, PAGE_PACK, UPDATE_SCREENSHOTS } = process.env;
const CHANGES = Number(process.env.CLAVIGER_PAGE_CHANGES ?? 50);
const REPORT = path.join(PAGE_PACK, "report", "report.html");
// What an honest pack may leave open: a signature that no browser can check yet.
const OPEN = new Set(["other-signature"]);

let browser;
let key;
let scratch;

before(async () => {
  // No name leads anywhere, should a page ask.
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--host-resolver-rules=MAP * ~NOTFOUND"] });
  key = (await readFile(PAGE_KEY, "utf8")).trim();
  scratch = await mkdtemp(path.join(tmpdir(), "page-"));
});
after(async () => {
  await browser?.close();
  await rm(scratch, { recursive: true, force: true });
});

/** A copy of the pack, to change. */
async function copied(name) {
  const folder = path.join(scratch, name);
  await cp(PAGE_PACK, folder, { recursive: true });
  return folder;
}

async function filesOf(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
  return new Map(await Promise.all(files.sort().map(async (file) => [file, await readFile(file)])));
}

/** Opens a page from disk. Whatever it asks for, and whatever goes wrong in it, is kept. */
async function open(file, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  const [asked, wrong] = [[], []];
  page.on("request", (request) => asked.push(request.url()));
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  const url = pathToFileURL(file).href;
  await page.goto(url);
  return {
    page,
    hold() {
      assert.deepEqual(wrong, []);
      assert.deepEqual(asked.filter((one) => one !== url), [], "it asks for something");
    },
  };
}

const choose = (page, folder) => page.locator("#verify-folder").setInputFiles(folder);

/** Drops a folder on the page, as a file manager does. */
async function drop(page, folder) {
  const place = page.locator("#verify-drop");
  await place.scrollIntoViewIfNeeded();
  const { x, y } = await place.boundingBox();
  const protocol = await page.context().newCDPSession(page);
  const data = { items: [], files: [folder], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await protocol.send("Input.dispatchDragEvent", { type, x: x + 5, y: y + 5, data });
  }
}

/** Has the page verify a folder, and gives what it says. */
async function said(page, { vkey = key, older = "" } = {}) {
  await page.locator("#verify-key").fill(vkey);
  await page.locator("#verify-older").fill(older);
  await page.locator("#verify-start:enabled").click();
  await page.locator("#verify-verdict[data-state]").waitFor({ timeout: 120_000 });
  const rows = await page.locator("#verify-checks tr").evaluateAll((all) =>
    all.map(({ dataset, cells }) => ({ id: dataset.check, state: dataset.state, detail: cells[2].textContent })),
  );
  const of = (state) => rows.filter((row) => row.state === state).map((row) => row.id);
  return {
    verdict: await page.locator("#verify-verdict").getAttribute("data-state"),
    shown: await page.locator("#verify-verdict").textContent(),
    fails: of("does not hold"),
    open: of("not checked"),
    named: rows.filter((row) => row.state === "does not hold").map((row) => row.detail).join("\n"),
  };
}

async function verify(file, folder, asked) {
  const opened = await open(file);
  await choose(opened.page, folder);
  const result = await said(opened.page, asked);
  opened.hold();
  await opened.page.close();
  return result;
}

function assertHolds({ fails, open: left, verdict, named }) {
  assert.deepEqual(fails, [], named);
  assert.deepEqual(left.filter((id) => !OPEN.has(id)), []);
  assert.equal(verdict, left.length > 0 ? "not all checked" : "holds");
}

test("the page in the pack is the one that the program prints", async () => {
  assert.deepEqual(await readFile(path.join(PAGE_PACK, "verify.html")), await readFile(PAGE_OF_PROGRAM));
});

for (const [where, file] of Object.entries({ program: PAGE_OF_PROGRAM, report: REPORT })) {
  test(`an honest pack holds, by the page of the ${where}`, async () => {
    assertHolds(await verify(file, PAGE_PACK));
  });
}

test("an honest pack holds that is dropped on the page", async () => {
  const opened = await open(PAGE_OF_PROGRAM);
  await drop(opened.page, PAGE_PACK);
  assertHolds(await said(opened.page));
  opened.hold();
  await opened.page.close();
});

test("the log is that of a checkpoint that was kept before, grown", async () => {
  const older = await readFile(PAGE_OLDER, "utf8");
  assertHolds(await verify(PAGE_OF_PROGRAM, PAGE_PACK, { older }));
});

test("another key does not hold", async () => {
  const other = makeKey(key.split("+")[0]);
  const { fails, verdict } = await verify(PAGE_OF_PROGRAM, PAGE_PACK, { vkey: other.vkey });
  assert.equal(verdict, "does not hold");
  assert.deepEqual(fails, ["key-file", "manifest-signature", "checkpoint"]);
});

test("a checkpoint of another history, signed by another key, does not hold", async () => {
  const folder = await copied("forked");
  const name = path.join(folder, "log/root/checkpoint");
  const size = (await readFile(name, "utf8")).split("\n")[1];
  await writeFile(name, checkpoint(makeKey(key.split("+")[0]), size, sha256("another history")));
  const { fails, named } = await verify(PAGE_OF_PROGRAM, folder);
  assert.deepEqual(fails, ["files", "checkpoint"]);
  assert.match(named, /log\/root\/checkpoint is not signed by the key that you pasted/);
});

test("an older checkpoint in place of the newest one does not hold", async () => {
  const folder = await copied("older");
  await cp(PAGE_OLDER, path.join(folder, "log/root/checkpoint"));
  const { fails, named } = await verify(PAGE_OF_PROGRAM, folder);
  assert.ok(fails.includes("files") && fails.includes("manifest-log"), `${fails}`);
  assert.match(named, /log\/root\/checkpoint/);
});

test("a log that is cut off does not hold", async () => {
  const folder = await copied("cut-off");
  const bundles = [...(await filesOf(folder)).keys()].filter((name) => /\/log\/\d+\/tile\/entries\//.test(name));
  const last = bundles.sort().at(-1);
  await rm(last);
  const { fails, named } = await verify(PAGE_OF_PROGRAM, folder);
  assert.ok(fails.includes("files") && fails.some((id) => id.startsWith("shard-")), `${fails}`);
  assert.ok(named.includes(`${path.relative(folder, last)} is missing`), named);
});

test(`${CHANGES} changes of one byte do not hold, each by the name of its file`, async () => {
  const folder = await copied("changed");
  const whole = await filesOf(folder);
  const draw = numbers("a pack in a browser");
  const opened = await open(PAGE_OF_PROGRAM);
  for (let round = 0; round < CHANGES; round += 1) {
    const files = new Map(whole);
    const { path: file, at } = changeByte(files, draw);
    if (isOfMlDsa(path.relative(folder, file), whole.get(file), at)) continue;
    await writeFile(file, files.get(file));
    await opened.page.reload();
    await choose(opened.page, folder);
    const { verdict, named } = await said(opened.page);
    await writeFile(file, whole.get(file));
    const name = path.relative(folder, file);
    assert.equal(verdict, "does not hold", `${name}, byte ${at}`);
    const isNamed = name.startsWith("MANIFEST.") ? /manifest/i.test(named) : named.includes(name);
    assert.ok(isNamed, `${name}, byte ${at}: ${named}`);
  }
  // It held before, and holds again: the changes were what was named.
  await opened.page.reload();
  await choose(opened.page, folder);
  assertHolds(await said(opened.page));
  opened.hold();
  await opened.page.close();
});

/** Is that byte of the second signature of the manifest, which the page names and does not check? `claviger-verify` does. */
function isOfMlDsa(name, data, at) {
  const root = data.indexOf("\u2014 ");
  return name === "MANIFEST.sig" && at >= data.indexOf("\u2014 ", root + 1);
}

test("pictures of the report", { skip: !UPDATE_SCREENSHOTS && "UPDATE_SCREENSHOTS=1 makes them" }, async () => {
  await mkdir(PAGE_IMAGES, { recursive: true });
  const to = (name) => ({ path: path.join(PAGE_IMAGES, name) });
  const { page } = await open(REPORT, { deviceScaleFactor: 1 });
  await page.screenshot(to("report.png"));
  await page.locator("article.control").first().screenshot(to("report-control.png"));
  await choose(page, PAGE_PACK);
  await said(page);
  await page.locator("#verify").screenshot(to("report-verification.png"));
  await page.close();
});
