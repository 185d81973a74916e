//! CACHE: what is known of how well the cache does.

use keyspace::CurvePoint;
use resp::{Args, ReplyWriter};

use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;

const ALL_SHARDS: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
];

pub const CACHE: Command = Command {
    name: "cache",
    arity: -2,
    since: "0.1.0",
    summary: "A container for commands about how well the cache does",
    complexity: "Depends on subcommand",
    syntax: "<subcommand>",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "curve",
            arity: 2,
            tips: ALL_SHARDS,
            since: "0.1.0",
            summary: "Returns what the hit ratio would be with less and with more memory",
            run: curve,
            ..Command::BASE
        },
        Command {
            since: "0.1.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

fn curve(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let points = context.keys.curve();
    context.reply.array(points.len());
    for point in points {
        write_point(&mut context.reply, point);
    }
    Ok(())
}

fn write_point(reply: &mut ReplyWriter<'_>, point: CurvePoint) {
    reply.map(5);
    reply.bulk(b"factor");
    reply.double(point.factor);
    reply.bulk(b"bytes");
    reply.integer(point.bytes.cast_signed());
    reply.bulk(b"keys");
    reply.integer(point.keys.cast_signed());
    reply.bulk(b"hit_ratio");
    match point.hit_ratio {
        Some(hit_ratio) => reply.double((hit_ratio * 1e4).round() / 1e4),
        None => reply.null(),
    }
    reply.bulk(b"sampled_reads");
    reply.integer(point.sampled_reads.cast_signed());
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check, check_resp3};

    #[test]
    fn the_curve_has_six_sizes() {
        let mut server = TestServer::new();
        let empty = server.run("CACHE CURVE");
        assert_eq!(empty.matches("factor ").count(), 6, "{empty}");
        assert!(empty.contains("factor 0.25 bytes :0 keys :0 hit_ratio nil sampled_reads :0"));
        let text =
            server.run("SET a 12345678\nSET b 12345678\nGET a\nGET b\nGET b\nGET c\nCACHE CURVE");
        for row in [
            "factor 1 bytes :48 keys :2 hit_ratio 0.75 sampled_reads :4",
            "factor 8 bytes :384 keys :16 hit_ratio 0.75 sampled_reads :4",
        ] {
            assert!(text.contains(row), "{row}: {text}");
        }
    }

    #[test]
    fn a_flush_empties_every_size() {
        let mut server = TestServer::new();
        let text =
            server.run("SET a 12345678\nGET a\nFLUSHALL\nGET a\nSET b 12345678\nCACHE CURVE");
        let row = "factor 8 bytes :192 keys :8 hit_ratio 0.5 sampled_reads :2";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn wrong_arguments_and_help() {
        check(
            "CACHE
             CACHE CURVE x
             CACHE NOSUCH",
            "-ERR wrong number of arguments for 'cache' command
             -ERR wrong number of arguments for 'cache|curve' command
             -ERR unknown subcommand 'NOSUCH'. Try CACHE HELP.",
        );
        check_resp3(
            "CACHE HELP",
            "[CACHE <subcommand> [<arg> [value] [opt] ...]. Subcommands are: CURVE     \
             Returns what the hit ratio would be with less and with more memory. HELP     Prints this help.]",
        );
    }
}
