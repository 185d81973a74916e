//! HOTKEYS: the keys that most commands name, in Valkey's form (9.2, `src/hotkey.c` and `src/commands/hotkeys*.json`).

use resp::Args;

use super::listed_keys::{GET, RESET, answer, count};
use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;

pub const HOTKEYS: Command = Command {
    name: "hotkeys",
    arity: -2,
    since: "9.2.0",
    summary: "A container for hot key commands",
    complexity: "Depends on subcommand",
    syntax: "<subcommand>",
    run: HELP.run,
    subcommands: &[
        Command {
            since: "9.2.0",
            summary: "Returns the keys that most commands name, with estimated accesses per second",
            complexity: "O(N) where N is the number of keys that workers list, 64 for each",
            run: get,
            ..GET
        },
        Command {
            since: "9.2.0",
            summary: "Starts to count hot keys anew",
            run: reset,
            ..RESET
        },
        Command {
            since: "9.2.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

fn get(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let hot_keys = context
        .keys
        .keyspace()
        .hot_keys(count(args)?, context.now_ms());
    let rows = hot_keys
        .iter()
        .map(|hot| (&*hot.key, hot.database, hot.accesses_per_second));
    answer(context, "qps", rows);
    Ok(())
}

fn reset(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.keys.keyspace().reset_hot_keys();
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use resp::Reply;

    use crate::registry::registry;
    use crate::testing::{TestServer, check, check_resp3, show};

    #[test]
    fn options_are_checked() {
        check(
            "HOTKEYS GET
             HOTKEYS GET COUNT 3
             HOTKEYS GET COUNT
             HOTKEYS GET LIMIT 3
             HOTKEYS GET COUNT 3 4
             HOTKEYS GET COUNT x
             HOTKEYS GET COUNT 0
             HOTKEYS GET COUNT -1
             HOTKEYS RESET
             HOTKEYS RESET now
             HOTKEYS START METRICS 1 CPU
             HOTKEYS",
            "[]
             []
             -ERR syntax error
             -ERR syntax error
             -ERR syntax error
             -ERR value is not an integer or out of range
             -ERR count should be greater than 0
             -ERR count should be greater than 0
             OK
             -ERR wrong number of arguments for 'hotkeys|reset' command
             -ERR unknown subcommand 'START'. Try HOTKEYS HELP.
             -ERR wrong number of arguments for 'hotkeys' command",
        );
    }

    /// The databases and keys of a reply in RESP2, in order.
    fn names(server: &mut TestServer) -> Vec<String> {
        let Some(Reply::Array(hot)) = server.line("HOTKEYS GET") else {
            panic!("HOTKEYS GET answers an array");
        };
        let name = |hot: &Reply| match hot {
            Reply::Array(fields) => format!("{} {}", show(&fields[3]), show(&fields[1])),
            other => panic!("a key is {other:?}"),
        };
        hot.iter().map(name).collect()
    }

    fn repeat(server: &mut TestServer, script: &str, times: usize) {
        for _ in 0..times {
            server.run(script);
        }
    }

    #[test]
    fn every_way_to_name_a_key_counts() {
        for (script, expected) in [
            ("GET k", "k"),
            ("SET k v", "k"),
            ("INCR k", "k"),
            ("MGET k", "k"),
            ("DEL k", "k"),
            ("SET k v NX", "k"),
            ("COPY k k DB 2", "k"),
            ("MULTI\nGET k\nEXEC", "k"),
        ] {
            let mut server = TestServer::new();
            repeat(&mut server, script, 2000);
            let names = names(&mut server);
            assert!(
                names.contains(&format!(":0 {expected}")),
                "{script}: {names:?}"
            );
        }
        let mut server = TestServer::new();
        repeat(&mut server, "PING\nSCAN 0\nGET", 2000);
        assert!(names(&mut server).is_empty());
    }

    #[test]
    fn the_hottest_come_first_and_databases_are_apart() {
        let mut server = TestServer::new();
        repeat(&mut server, "b> SELECT 3", 1);
        repeat(
            &mut server,
            "GET cold\nGET hot\nGET hot\nGET hot\nb> GET hot\nb> GET hot",
            3000,
        );
        assert_eq!(names(&mut server), [":0 hot", ":3 hot", ":0 cold"]);
        server.run("b> FLUSHDB");
        assert_eq!(names(&mut server), [":0 hot", ":0 cold"]);
        server.run("HOTKEYS RESET");
        assert!(names(&mut server).is_empty());
        repeat(&mut server, "GET hot", 1000);
        server.run("FLUSHALL");
        assert!(names(&mut server).is_empty());
    }

    #[test]
    fn rates_are_those_of_the_time() {
        let mut server = TestServer::new();
        for _ in 0..2000 {
            server.run("GET k\nGET k\nGET k\nGET k\n+10");
        }
        let Some(Reply::Array(hot)) = server.line("HOTKEYS GET COUNT 1") else {
            panic!("HOTKEYS GET answers an array");
        };
        let [Reply::Array(fields)] = hot.as_slice() else {
            panic!("one key is asked for: {hot:?}");
        };
        let Reply::Integer(qps) = fields[5] else {
            panic!("qps is an integer: {fields:?}");
        };
        assert!((350..=450).contains(&qps), "400 a second, estimated {qps}");
        server.run("+600000");
        assert_eq!(server.run("HOTKEYS GET"), "[]");
    }

    #[test]
    fn resp3_has_maps() {
        check_resp3("HOTKEYS GET", "[]");
        let mut server = TestServer::new();
        server.protocol = resp::Protocol::Resp3;
        repeat(&mut server, "GET k", 2000);
        let reply = server.run("HOTKEYS GET");
        assert!(reply.starts_with("[{key k db :0 qps :"), "{reply}");
    }

    #[test]
    fn commands_without_all_arguments_name_no_keys() {
        let mut server = TestServer::new();
        for registered in registry().all() {
            let name = registered.full_name.replace('|', " ");
            for line in [name.clone(), format!("{name} k")] {
                if registered.takes(line.split(' ').count()) {
                    continue;
                }
                let request = format!("{line}\r\n");
                for _ in 0..8 {
                    // One in 128 is sampled.
                    let replies = server.send("a", request.repeat(64).as_bytes());
                    assert_eq!(replies.len(), 64, "{line}");
                }
            }
        }
        assert_eq!(server.run("HOTKEYS GET"), "[]");
    }
}
