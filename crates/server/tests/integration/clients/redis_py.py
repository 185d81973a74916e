"""What an application does with redis-py, with its defaults. Arguments: port, path of the unix socket."""

import sys
import threading

import redis


def strings(client):
    assert client.set("k", "v") is True
    assert client.get("k") == b"v"
    assert client.get("missing") is None
    assert client.set("k", "w", nx=True) is None
    assert client.set("k", "w", xx=True, get=True) == b"v"
    assert client.set("k", "x", ex=100) is True
    assert 0 < client.ttl("k") <= 100
    assert client.getex("k", persist=True) == b"x"
    assert client.ttl("k") == -1
    assert client.getdel("k") == b"x"
    assert client.mset({"a": 1, "b": b"\x00\xff\r\n"}) is True
    assert client.mget("a", "b", "missing") == [b"1", b"\x00\xff\r\n", None]
    assert client.msetnx({"a": 2, "c": 3}) is False
    assert client.incr("a", 5) == 6
    assert client.decr("a") == 5
    assert client.incrbyfloat("f", 1.5) == 1.5
    assert client.append("s", "abc") == 3
    assert client.setrange("s", 1, "X") == 3
    assert client.getrange("s", 0, -1) == b"aXc"
    assert client.strlen("s") == 3
    assert client.lcs("s", "s") == b"aXc"
    large = b"x" * 5_000_000
    client.set("large", large)
    assert client.get("large") == large


def keys(client):
    client.flushall()
    client.mset({f"key:{number}": number for number in range(1000)})
    assert client.dbsize() == 1000
    assert len(set(client.scan_iter(match="key:*", count=17))) == 1000
    assert len(client.keys("key:99?")) == 10
    assert client.exists("key:1", "key:2", "missing") == 2
    assert client.delete("key:1", "missing") == 1
    assert client.unlink("key:2") == 1
    assert client.rename("key:3", "renamed") is True
    assert client.type("renamed") == b"string"
    assert client.expire("renamed", 100) == 1
    assert client.pexpire("renamed", 200_000, gt=True) == 1
    assert client.expiretime("renamed") > 1_700_000_000
    assert client.persist("renamed") == 1
    assert client.copy("renamed", "copied") == 1
    assert client.touch("copied") == 1
    assert client.object("encoding", "copied") == b"int"
    assert client.randomkey() is not None
    assert client.memory_usage("copied") > 0
    client.flushdb(asynchronous=True)


def pipelines(client):
    with client.pipeline() as pipe:
        replies = pipe.set("p", 1).incr("p").get("p").ttl("p").execute()
    assert replies == [True, 2, b"2", -1]
    with client.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"p:{number}", number)
        assert all(pipe.execute())
    with client.pipeline() as pipe:
        pipe.set("text", "abc").incr("text").set("after", 1)
        replies = pipe.execute(raise_on_error=False)
    assert isinstance(replies[1], redis.ResponseError) and replies[2] is True

    def transfer(pipe):
        value = int(pipe.get("p"))
        pipe.multi()
        pipe.set("p", value + 1)

    assert client.transaction(transfer, "p") == [True]
    with client.pipeline() as pipe:
        pipe.watch("p")
        client.set("p", "changed")
        pipe.multi()
        pipe.set("p", "lost")
        try:
            pipe.execute()
            raise AssertionError("the change was not seen")
        except redis.WatchError:
            pass


def errors(client):
    client.set("text", "abc")
    try:
        client.incr("text")
        raise AssertionError("no error")
    except redis.ResponseError as error:
        assert "not an integer" in str(error)
    try:
        client.execute_command("NOSUCHCOMMAND", "x")
        raise AssertionError("no error")
    except redis.ResponseError as error:
        assert "unknown command" in str(error)


def server(client):
    assert client.ping() is True
    assert client.echo("hi") == b"hi"
    info = client.info()
    assert info["redis_version"] and info["role"] == "master" and info["loading"] == 0
    assert client.info("keyspace") is not None
    assert client.config_get("maxmemory")["maxmemory"] == "0"
    assert client.config_set("timeout", 0) is True
    assert client.client_id() > 0
    assert client.client_setname("py") is True
    assert client.client_getname() in (b"py", "py")
    names = [entry.get("lib-name", "redis-py") for entry in client.client_list()]
    assert any("redis-py" in name for name in names), names
    assert int(client.client_info()["db"]) == client.get_connection_kwargs().get("db", 0)
    assert client.time()[0] > 1_700_000_000
    assert client.role()[0] in (b"master", "master")
    assert client.command_count() > 60
    assert "get" in client.command()
    assert client.command_getkeys("MSET", "a", 1, "b", 2) in ([b"a", b"b"], ["a", "b"])
    client.lolwut()


def locks(client):
    counter = {"value": 0}
    client.delete("lock")

    def work():
        for _ in range(20):
            while not client.set("lock", "mine", nx=True, px=10_000):
                pass
            counter["value"] += 1
            client.delete("lock")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter["value"] == 80


def everything(client):
    for part in (strings, keys, pipelines, errors, server, locks):
        part(client)


def main():
    port, socket = int(sys.argv[1]), sys.argv[2]
    everything(redis.Redis(port=port))
    everything(redis.Redis(port=port, protocol=2))
    everything(redis.Redis(port=port, protocol=3, db=3, client_name="third"))
    everything(redis.Redis(unix_socket_path=socket))
    text = redis.Redis(port=port, decode_responses=True)
    text.set("text", "käse")
    assert text.get("text") == "käse"
    with_password()
    print("redis-py", redis.__version__)


def with_password():
    port = int(sys.argv[1])
    redis.Redis(port=port).config_set("requirepass", "secret")
    try:
        redis.Redis(port=port).get("k")
        raise AssertionError("no error")
    except redis.AuthenticationError:
        pass
    client = redis.Redis(port=port, password="secret")
    client.set("k", 1)
    client = redis.Redis(port=port, username="default", password="secret")
    assert client.get("k") == b"1"
    client.config_set("requirepass", "")


main()
