// Makes a table with the old tool's package and changes it, a commit for each letter of PLAN:
// a adds three rows, d deletes the newest row, D the three newest, u updates the newest, c compacts,
// o overwrites the table with three rows.
// Usage: node change.cjs FOLDER PLAN, with NODE_PATH naming the installed packages.
"use strict";

const arrow = require("apache-arrow");
const { connect, makeArrowTable, WriteMode } = require("vectordb");

const DIM = 8;
const field = (name, type) => new arrow.Field(name, type, false);
const schema = new arrow.Schema([
  field("id", new arrow.Utf8()),
  field("vector", new arrow.FixedSizeList(DIM, new arrow.Field("item", new arrow.Float32(), true))),
  field("text", new arrow.Utf8()),
]);

let newest = 0;

function threeRows() {
  const rows = [1, 2, 3].map((i) => {
    const id = newest + i;
    return { id: `row-${id}`, vector: new Array(DIM).fill(id), text: `text of ${id}` };
  });
  newest += rows.length;
  return makeArrowTable(rows, { schema });
}

async function main() {
  const [folder, plan] = process.argv.slice(2);
  const db = await connect(folder);
  let table = await db.createTable({ name: "orchestra_knowledge", data: threeRows() });
  const newestId = (back = 0) => `'row-${newest - back}'`;
  const changes = {
    a: () => table.add(threeRows()),
    d: () => table.delete(`id = ${newestId()}`),
    D: () => table.delete(`id IN (${newestId()}, ${newestId(1)}, ${newestId(2)})`),
    u: () => table.update({ where: `id = ${newestId()}`, values: { text: "changed" } }),
    c: () => table.compactFiles(),
    o: async () => {
      const options = { writeMode: WriteMode.Overwrite };
      table = await db.createTable("orchestra_knowledge", threeRows(), options);
    },
  };
  for (const change of plan) await changes[change]();
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
