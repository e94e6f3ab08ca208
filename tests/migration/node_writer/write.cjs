// Writes a table as the old knowledge manager did: one commit for each row, the initialisation
// record first. Prints the rows, without vectors, as a JSON array.
// Usage: node write.cjs FOLDER N_ROWS, with NODE_PATH naming the installed packages.
"use strict";

const { createHash } = require("node:crypto");
const arrow = require("apache-arrow");
const { connect, makeArrowTable } = require("vectordb");

const DIM = 384;
const TABLE = "orchestra_knowledge";
const TEXTS = [
  "We use LanceDB for vectors",
  "\ufeffA text that starts with a byte order mark",
  "Zeilen\nund\u2028Trenner \u0085 und \ud83d\ude80 \u65e5\u672c\u8a9e",
  "It's \"quoted\" \\ and 100 % odd",
];

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

const initialisation = {
  id: "init-1762761600000",
  vector: new Array(DIM).fill(0),
  text: "Initialization record",
  type: "system",
  project_id: "system",
  session_id: "init",
  agent: "system",
  timestamp: "2025-11-10T08:00:00.000Z",
  metadata: "{}",
};

function row(i) {
  const text = `${TEXTS[i % TEXTS.length]} (${i})`;
  const time = Date.UTC(2025, 10, 10, 9, 0, i);
  return {
    id: `decision-${time}-${i.toString(36).padStart(6, "0")}`,
    vector: vectorOf(text),
    text,
    type: i % 3 === 0 ? "--type" : "decision",
    project_id: "my-app",
    session_id: "unknown",
    agent: "cli",
    timestamp: new Date(time).toISOString(),
    metadata: i % 2 === 0 ? "{}" : JSON.stringify({ tags: ["a", i], ratio: 0.5 }),
  };
}

async function main() {
  const [folder, count] = process.argv.slice(2);
  const db = await connect(folder);
  const table = await db.createTable({
    name: TABLE,
    data: makeArrowTable([initialisation], { schema }),
  });
  const rows = [initialisation];
  for (let i = 0; i < Number(count); i += 1) {
    rows.push(row(i));
    await table.add(makeArrowTable([rows[rows.length - 1]], { schema }));
  }
  process.stdout.write(JSON.stringify(rows.map(({ vector, ...rest }) => rest)));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
