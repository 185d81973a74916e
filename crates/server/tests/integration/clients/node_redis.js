// What an application does with node-redis, with its defaults. Arguments: port, path of the unix socket.
const assert = require("node:assert");
const { createClient } = require("redis");

async function everything(client) {
  assert.equal(await client.set("k", "v"), "OK");
  assert.equal(await client.get("k"), "v");
  assert.equal(await client.get("missing"), null);
  assert.equal(await client.set("k", "w", { condition: "NX" }), null);
  assert.equal(await client.setEx("k", 100, "x"), "OK");
  assert.ok((await client.ttl("k")) <= 100);
  assert.equal(await client.mSet({ a: "1", b: "two" }), "OK");
  assert.deepEqual(await client.mGet(["a", "b", "missing"]), ["1", "two", null]);
  assert.equal(await client.incrBy("a", 5), 6);

  const replies = await client.multi().set("t", "1").incr("t").get("t").exec();
  assert.deepEqual(replies, ["OK", 2, "2"]);
  await assert.rejects(client.incr("b"), /not an integer/);
  await assert.rejects(client.sendCommand(["NOSUCHCOMMAND"]), /unknown command/);

  await client.flushDb();
  await Promise.all(
    Array.from({ length: 1000 }, (_, number) => client.set(`key:${number}`, String(number))),
  );
  const seen = new Set();
  for await (const keys of client.scanIterator({ MATCH: "key:*", COUNT: 50 })) {
    [keys].flat().forEach((key) => seen.add(key));
  }
  assert.equal(seen.size, 1000);
  assert.match(await client.info("server"), /redis_version:/);
  assert.equal((await client.configGet("maxmemory")).maxmemory, "0");
  assert.ok((await client.clientList()).length >= 1);
  assert.equal(await client.dbSize(), 1000);
}

async function main() {
  const [port, path] = [Number(process.argv[2]), process.argv[3]];
  const choices = [
    { socket: { port } },
    { socket: { port }, RESP: 2 },
    { socket: { port }, RESP: 3, database: 2, name: "node" },
    { socket: { path } },
  ];
  for (const options of choices) {
    const client = createClient(options);
    client.on("error", (error) => {
      throw error;
    });
    await client.connect();
    await everything(client);
    await client.close();
  }
  console.log("node-redis", require("redis/package.json").version);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
