// The old tool's design as a contender: npm `vectordb`, one commit a store, a hash for an embedding.
// It finds nothing by meaning; it shows what the design cost. Speaks the protocol of ../serve.py.
// Usage: node old_design.cjs FOLDER OPTIONS, with NODE_PATH naming the installed packages.
"use strict";

const { createHash } = require("node:crypto");
const readline = require("node:readline");
const arrow = require("apache-arrow");
const { connect, makeArrowTable } = require("vectordb");

const DIM = 384;
const LIMIT = 10;
const TABLE = "knowledge";
const FILL = 1000;

const string = () => new arrow.Utf8();
const field = (name, type) => new arrow.Field(name, type, false);
const schema = new arrow.Schema([
  field("id", string()),
  field("vector", new arrow.FixedSizeList(DIM, new arrow.Field("item", new arrow.Float32(), true))),
  ...["text", "type", "project_id", "session_id", "agent", "timestamp", "metadata"].map((name) =>
    field(name, string())
  ),
]);

function vectorOf(text) {
  const digest = createHash("sha256").update(text).digest();
  return Array.from({ length: DIM }, (_, i) => digest[i % digest.length] / 128 - 1);
}

function rows(notes) {
  const records = notes.map(([id, text, project_id]) => ({
    id,
    vector: vectorOf(text),
    text,
    type: "general",
    project_id,
    session_id: "unknown",
    agent: "unknown",
    timestamp: new Date().toISOString(),
    metadata: "{}",
  }));
  return makeArrowTable(records, { schema });
}

async function opened(folder) {
  const db = await connect(folder);
  if ((await db.tableNames()).includes(TABLE)) return db.openTable(TABLE);
  return db.createTable({ name: TABLE, data: rows([["init", "Initialization record", "system"]]) });
}

async function fill(table, notes) {
  for (let first = 0; first < notes.length; first += FILL)
    await table.add(rows(notes.slice(first, first + FILL)));
}

async function search(table, { query, project }) {
  let asked = table.search(vectorOf(query)).limit(LIMIT);
  // The old tool filtered what it had found; asked this way the package does it before ranking.
  if (project !== null) asked = asked.prefilter(true).where(`project_id = '${project}'`);
  return (await asked.execute()).map((row) => row.id);
}

async function main() {
  const table = await opened(process.argv[2]);
  const operations = {
    fill: ({ notes }) => fill(table, notes),
    store: ({ notes }) => table.add(rows(notes)),
    batch: ({ notes }) => table.add(rows(notes)),
    search: (command) => search(table, command),
  };
  const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  say({ ready: true, server_pid: null });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    if (command.op === "quit") break;
    Promise.resolve()
      .then(() => operations[command.op](command))
      .then((found) => say({ id: command.id, result: Array.isArray(found) ? found : null }))
      .catch((error) => say({ id: command.id, error: `${error.name}: ${error.message}` }));
  }
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
