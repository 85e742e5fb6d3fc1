// Rows of the hub's database as SQL counts them; run in the hub's namespace with its state directory.
import pg from "pg";
import { openServer } from "../../app/cli/server.ts";

const server = await openServer(process.argv[2]!);
const client = new pg.Client({ connectionString: server.url });
await client.connect();
const { rows } = await client.query(
  `select (select count(*) from trade)::int as trades,
          (select count(*) from book)::int as books,
          (select count(*) from status)::int as statuses,
          (select count(*) from quarantine)::int as quarantined`,
);
console.log(JSON.stringify(rows[0]));
await client.end();
await server.stop();
