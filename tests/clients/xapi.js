// @xapi/xapi against a running service: node xapi.js GROUP..., with LRS_ENDPOINT, LRS_KEY and LRS_SECRET set.
"use strict";
const assert = require("node:assert/strict");
const { createHash, randomUUID } = require("node:crypto");
const { default: XAPI } = require("@xapi/xapi");

const { LRS_ENDPOINT, LRS_KEY, LRS_SECRET } = process.env;
const connected = (adapter) =>
  new XAPI({ endpoint: LRS_ENDPOINT, auth: XAPI.toBasicAuth(LRS_KEY, LRS_SECRET), version: "1.0.3", adapter });
const client = connected("axios");
const word = randomUUID();
const agent = { objectType: "Agent", name: "Ada", mbox: `mailto:${word}@example.org` };
const activityId = `https://example.org/activities/${word}`;
const statement = (more = {}) => ({
  id: randomUUID(),
  actor: agent,
  verb: XAPI.Verbs.COMPLETED,
  object: { objectType: "Activity", id: activityId, definition: { name: { en: "Course" } } },
  ...more,
});
const status = async (promise) => {
  try {
    return (await promise).status;
  } catch (error) {
    return error.response?.status ?? error.status ?? error;
  }
};

const groups = {
  async statements() {
    const about = await client.getAbout();
    assert.ok(about.data.version.includes("1.0.3"));
    const one = statement();
    assert.deepEqual((await client.sendStatement({ statement: one })).data, [one.id]);
    assert.deepEqual((await client.getStatement({ statementId: one.id })).data.actor, agent);
    const many = [statement(), statement(), statement()];
    assert.deepEqual((await client.sendStatements({ statements: many })).data, many.map(({ id }) => id));
    const page = await client.getStatements({ agent, limit: 2 });
    assert.deepEqual(page.data.statements.map(({ id }) => id), [many[2].id, many[1].id]);
    const rest = await client.getMoreStatements({ more: page.data.more });
    assert.deepEqual(rest.data.statements.map(({ id }) => id), [many[0].id, one.id]);
    await client.voidStatement({ actor: agent, statementId: one.id });
    assert.equal((await client.getVoidedStatement({ voidedStatementId: one.id })).data.id, one.id);
    assert.equal(await status(client.getStatement({ statementId: one.id })), 404);
    assert.equal(await status(client.sendStatement({ statement: { actor: agent } })), 400);
  },

  async resources() {
    await client.sendStatement({ statement: statement() });
    const person = (await client.getAgent({ agent })).data;
    assert.equal(person.objectType, "Person");
    assert.deepEqual(person.mbox, [agent.mbox]);
    assert.deepEqual((await client.getActivity({ activityId })).data.definition.name, { en: "Course" });
  },

  async documents() {
    const state = { agent, activityId, stateId: "bookmark", registration: randomUUID() };
    await client.createState({ ...state, state: { page: 1 } });
    await client.createState({ ...state, state: { note: "ü" } });
    const stored = await client.getState(state);
    assert.deepEqual(stored.data, { page: 1, note: "ü" });
    await client.setState({ ...state, state: { page: 2 }, etag: stored.headers.etag, matchHeader: "If-Match" });
    assert.deepEqual((await client.getState(state)).data, { page: 2 });
    assert.deepEqual((await client.getStates(state)).data, ["bookmark"]);
    await client.deleteState(state);
    assert.equal(await status(client.getState(state)), 404);
    await client.setState({ ...state, stateId: "b", state: "text", contentType: "text/plain" });
    await client.deleteStates(state);
    assert.deepEqual((await client.getStates(state)).data, []);
    for (const [kind, holder] of [["AgentProfile", { agent }], ["ActivityProfile", { activityId }]]) {
      const profile = { ...holder, profileId: "p" };
      await client[`set${kind}`]({ ...profile, profile: { a: 1 }, etag: "*", matchHeader: "If-None-Match" });
      const first = await client[`get${kind}`](profile);
      assert.deepEqual(first.data, { a: 1 });
      await client[`create${kind}`]({ ...profile, profile: { b: 2 }, etag: first.headers.etag, matchHeader: "If-Match" });
      assert.deepEqual((await client[`get${kind}`](profile)).data, { a: 1, b: 2 });
      const late = { ...profile, profile: { c: 3 }, etag: first.headers.etag, matchHeader: "If-Match" };
      assert.equal(await status(client[`set${kind}`](late)), 412);
      assert.deepEqual((await client[`get${kind}s`](holder)).data, ["p"]);
      await client[`delete${kind}`](profile);
      assert.equal(await status(client[`get${kind}`](profile)), 404);
    }
  },

  async attachments() {
    const bytes = new TextEncoder().encode("An essay. ü");
    const attachment = {
      usageType: XAPI.AttachmentUsages.SUPPORTING_MEDIA,
      display: { en: "Essay" },
      contentType: "text/plain",
      length: bytes.length,
      sha2: createHash("sha256").update(bytes).digest("hex"),
    };
    const one = statement({ attachments: [attachment] });
    // By its other way of sending: axios puts another Content-Type on bytes. (What comes back it splits into lines.)
    const fetching = connected("fetch");
    await fetching.sendStatement({ statement: one, attachments: [bytes.buffer] });
    const [found, content] = (await fetching.getStatement({ statementId: one.id, attachments: true })).data;
    assert.deepEqual(found.attachments, [attachment]);
    assert.equal(String(content), "An essay. ü");
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
