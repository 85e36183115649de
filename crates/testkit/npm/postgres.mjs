// What node-postgres gets of a database, as JSON: `postgres.mjs PORT USER PASSWORD DATABASE`, run where `pg` is installed.
import { createRequire } from "node:module";

const { Client } = createRequire(process.cwd() + "/")("pg");
const [port, user, password, database] = process.argv.slice(2);

const client = new Client({ host: "127.0.0.1", port: Number(port), user, password, database });
await client.connect();
const told = {};
told.simple = (await client.query("select id, email from people order by id")).rows;
const values = { name: "by-id", text: "select email, age from people where id = $1", values: [1] };
told.prepared = [(await client.query(values)).rows[0], (await client.query({ ...values, values: [2] })).rows[0]];
told.binary = (await client.query({ text: "select age, email from people where id = $1", values: [1], binary: true })).rows[0];
try {
  await client.query("drop table people");
} catch (error) {
  told.refused = [error.code, error.message];
}
told.after = (await client.query("select $1::int + 1 as sum", [1])).rows[0].sum;
await client.end();
console.log(JSON.stringify(told));
