// What an application does with ioredis, with its defaults. Arguments: port, path of the unix socket.
const assert = require("node:assert");
const { Redis } = require("ioredis");

async function everything(client) {
  assert.equal(await client.set("k", "v"), "OK");
  assert.equal(await client.get("k"), "v");
  assert.equal(await client.get("missing"), null);
  assert.equal(await client.set("k", "w", "EX", 100, "NX"), null);
  assert.equal(await client.setex("k", 100, "x"), "OK");
  assert.ok((await client.ttl("k")) <= 100);
  assert.equal(await client.mset({ a: 1, b: "two" }), "OK");
  assert.deepEqual(await client.mget("a", "b", "missing"), ["1", "two", null]);
  assert.equal(await client.incrby("a", 5), 6);
  const bytes = Buffer.from([0, 255, 13, 10]);
  await client.set("bytes", bytes);
  assert.deepEqual(await client.getBuffer("bytes"), bytes);

  const replies = await client.pipeline().set("p", 1).incr("p").get("p").exec();
  assert.deepEqual(replies, [[null, "OK"], [null, 2], [null, "2"]]);
  const transaction = await client.multi().set("t", 1).incr("t").exec();
  assert.deepEqual(transaction, [[null, "OK"], [null, 2]]);
  await client.watch("t");
  await client.set("t", 5);
  assert.equal(await client.multi().set("t", 6).exec(), null);
  await assert.rejects(client.incr("b"), /not an integer/);
  await assert.rejects(client.call("NOSUCHCOMMAND"), /unknown command/);

  await client.flushdb();
  const many = client.pipeline();
  for (let number = 0; number < 1000; number++) many.set(`key:${number}`, number);
  await many.exec();
  const seen = new Set();
  for await (const keys of client.scanStream({ match: "key:*", count: 50 })) {
    keys.forEach((key) => seen.add(key));
  }
  assert.equal(seen.size, 1000);
  const values = await Promise.all([...seen].map((key) => client.get(key)));
  assert.equal(values.length, 1000);
  assert.match(await client.info("server"), /redis_version:/);
  assert.equal((await client.config("GET", "maxmemory"))[1], "0");
  assert.match(await client.client("LIST"), /db=/);
}

async function main() {
  const [port, path] = [Number(process.argv[2]), process.argv[3]];
  for (const options of [{ port }, { path }, { port, db: 2, connectionName: "io" }]) {
    const client = new Redis({ ...options, maxRetriesPerRequest: 1 });
    await everything(client);
    await client.quit();
  }
  const automatic = new Redis({ port, enableAutoPipelining: true });
  const replies = await Promise.all(
    Array.from({ length: 500 }, (_, number) => automatic.set(`auto:${number}`, number)),
  );
  assert.ok(replies.every((reply) => reply === "OK"));
  await automatic.quit();
  console.log("ioredis", require("ioredis/package.json").version);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
