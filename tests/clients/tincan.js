// tincanjs against a running service: node tincan.js GROUP..., with LRS_ENDPOINT, LRS_KEY and LRS_SECRET set.
"use strict";
const assert = require("node:assert/strict");
const { randomUUID } = require("node:crypto");
const { promisify } = require("node:util");
const TinCan = require("tincanjs");

const { LRS_ENDPOINT, LRS_KEY, LRS_SECRET } = process.env;
const lrs = new TinCan.LRS({
  endpoint: LRS_ENDPOINT,
  username: LRS_KEY,
  password: LRS_SECRET,
  version: "1.0.2",
  allowFail: false,
});
const word = randomUUID();
const agent = new TinCan.Agent({ name: "Ada", mbox: `mailto:${word}@example.org` });
const activity = new TinCan.Activity({
  id: `https://example.org/activities/${word}`,
  definition: { name: { en: "Course" } },
});
const statement = (more = {}) =>
  new TinCan.Statement({ actor: agent, verb: { id: "http://adlnet.gov/expapi/verbs/completed" }, target: activity, ...more });

// What the client calls back with: [error, result]. An error is an HTTP status.
const call = (method, ...parts) =>
  new Promise((resolve) => {
    const options = parts.pop() ?? {};
    lrs[method](...parts, { ...options, callback: (error, result) => resolve([error, result]) });
  });
const done = async (...parts) => {
  const [error, result] = await call(...parts);
  assert.equal(error, null, `${parts[0]}: ${error} ${result?.responseText}`);
  return result;
};
const failing = async (expected, ...parts) => assert.equal((await call(...parts))[0], expected);

const groups = {
  async statements() {
    assert.ok((await done("about", {})).version.includes("1.0.3"));
    const one = statement();
    await done("saveStatement", one, {});
    assert.equal((await done("retrieveStatement", one.id, {})).actor.mbox, agent.mbox);
    const many = [statement(), statement(), statement()];
    await done("saveStatements", many, {});
    const page = await done("queryStatements", { params: { agent, limit: 2 } });
    assert.deepEqual(page.statements.map(({ id }) => id), [many[2].id, many[1].id]);
    const rest = await done("moreStatements", { url: page.more });
    assert.deepEqual(rest.statements.map(({ id }) => id), [many[0].id, one.id]);
    const voiding = statement({
      verb: { id: "http://adlnet.gov/expapi/verbs/voided" },
      target: new TinCan.StatementRef({ id: one.id }),
    });
    await done("saveStatement", voiding, {});
    assert.equal((await done("retrieveVoidedStatement", one.id, {})).id, one.id);
    await failing(404, "retrieveStatement", one.id, {});
  },

  async resources() {
    await done("saveStatement", statement(), {});
    assert.equal((await done("retrieveActivity", activity.id, {})).definition.name.en, "Course");
  },

  async documents() {
    const json = "application/json";
    const where = { agent, activity, registration: randomUUID() };
    await done("saveState", "bookmark", { page: 1 }, { ...where, contentType: json });
    await done("saveState", "bookmark", { note: "ü" }, { ...where, contentType: json, method: "POST" });
    assert.deepEqual((await done("retrieveState", "bookmark", { ...where })).contents, { page: 1, note: "ü" });
    assert.deepEqual(await done("retrieveStateIds", { ...where }), ["bookmark"]);
    await done("dropState", "bookmark", { ...where });
    await done("saveState", "b", "text", { ...where, contentType: "text/plain" });
    await done("dropState", null, { ...where });
    assert.deepEqual(await done("retrieveStateIds", { ...where }), []);
    for (const [kind, holder] of [["AgentProfile", { agent }], ["ActivityProfile", { activity }]]) {
      await done(`save${kind}`, "p", { a: 1 }, { ...holder, contentType: json });
      const first = await done(`retrieve${kind}`, "p", { ...holder });
      assert.deepEqual(first.contents, { a: 1 });
      // What it calls the last SHA-1 is the entity tag as it came.
      const held = { ...holder, contentType: json, lastSHA1: first.etag };
      await done(`save${kind}`, "p", { b: 2 }, { ...held });
      await failing(412, `save${kind}`, "p", { c: 3 }, { ...held });
      assert.deepEqual(await done(`retrieve${kind}Ids`, { ...holder }), ["p"]);
      await done(`drop${kind}`, "p", { ...holder });
      assert.equal((await call(`retrieve${kind}`, "p", { ...holder }))[1], null);
    }
  },

  async attachments() {
    const content = TinCan.Utils.stringToArrayBuffer("An essay.\r\n\u0000");
    const attachment = new TinCan.Attachment({
      usageType: "https://example.org/usage",
      display: { en: "Essay" },
      contentType: "application/octet-stream",
      content,
    });
    const one = statement({ attachments: [attachment] });
    await done("saveStatement", one, {});
    const found = await done("retrieveStatement", one.id, { params: { attachments: true } });
    assert.equal(found.attachments[0].getContentAsString(), "An essay.\r\n\u0000");
  },
};

(async () => {
  for (const name of process.argv.slice(2)) {
    await groups[name]();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
