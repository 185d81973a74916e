//! What well-known programs ask a server, and what they read out of the answers. The lists are from their sources; when such
//! a program changes, they change with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::client::{Client, Reply, encode};
use crate::server::{Server, Target, for_each_backend};
use crate::waiting::until;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// One program.
struct Program {
    name: &'static str,
    /// What it asks, in its order. `k` is a key.
    calls: &'static [&'static str],
    /// What it asks that redis-server 7.0 does not know, so that there is nothing to compare with.
    newer_calls: &'static [&'static str],
    /// What it asks to find out what a server is, and takes an error for a no.
    refused_calls: &'static [&'static str],
    /// The fields of INFO that it reads, as far as a server without replicas, cluster and modules can have them.
    fields: &'static str,
}

/// In github.com/oliver006/redis_exporter: `scrapeRedisHost` of exporter/exporter.go, and latency.go, slowlog.go,
/// commandlog.go, keys.go, clients.go and modules.go beside it. Fields: `metricMapGauges` and `metricMapCounters` of
/// exporter.go, and what info.go makes labels of.
const REDIS_EXPORTER: Program = Program {
    name: "redis_exporter",
    calls: &[
        "PING",
        "CLIENT SETNAME redis_exporter",
        "CONFIG GET *",
        "INFO ALL",
        "LATENCY LATEST",
        "LATENCY HISTOGRAM",
        "SELECT 0",
        "SCAN 0 MATCH * COUNT 1000",
        "TYPE k",
        "STRLEN k",
        "GET k",
        "SLOWLOG LEN",
        "SLOWLOG GET 1",
        "CONFIG GET commandlog-*",
        "CLIENT LIST",
        "INFO MODULES",
    ],
    newer_calls: &[
        "COMMANDLOG LEN slow",
        "COMMANDLOG LEN large-request",
        "COMMANDLOG LEN large-reply",
    ],
    refused_calls: &["PFCOUNT k"],
    fields: "uptime_in_seconds process_id redis_version redis_build_id redis_mode os tcp_port run_id hz configured_hz
        io_threads_active connected_clients blocked_clients maxclients tracking_clients clients_in_timeout_table
        pubsub_clients watching_clients total_watched_keys total_blocking_keys total_blocking_keys_on_nokey
        client_recent_max_output_buffer client_recent_max_input_buffer allocator_active allocator_allocated
        allocator_resident allocator_frag_ratio allocator_frag_bytes allocator_rss_ratio allocator_rss_bytes used_memory
        used_memory_rss used_memory_peak used_memory_lua used_memory_vm_eval used_memory_scripts_eval used_memory_overhead
        used_memory_startup used_memory_dataset number_of_cached_scripts number_of_functions number_of_libraries
        used_memory_vm_functions used_memory_scripts used_memory_functions used_memory_vm_total maxmemory maxmemory_policy
        mem_fragmentation_ratio mem_fragmentation_bytes mem_clients_slaves mem_clients_normal expired_stale_perc
        mem_not_counted_for_evict mem_total_replication_buffers mem_overhead_db_hashtable_rehashing
        lazyfree_pending_objects active_defrag_running migrate_cached_sockets active_defrag_hits active_defrag_misses
        active_defrag_key_hits active_defrag_key_misses expired_time_cap_reached_count loading async_loading
        rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status
        rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves rdb_last_cow_size rdb_last_load_keys_expired
        rdb_last_load_keys_loaded aof_enabled aof_rewrite_in_progress aof_rewrite_scheduled aof_last_rewrite_time_sec
        aof_current_rewrite_time_sec aof_last_cow_size aof_last_bgrewrite_status aof_last_write_status
        module_fork_in_progress module_fork_last_cow_size current_eviction_exceeded_time pubsub_channels pubsub_patterns
        pubsubshard_channels latest_fork_usec tracking_total_keys tracking_total_items tracking_total_prefixes role
        connected_slaves master_replid repl_backlog_size repl_backlog_active repl_backlog_first_byte_offset
        repl_backlog_histlen master_repl_offset second_repl_offset slave_expires_tracked_keys sync_full sync_partial_ok
        sync_partial_err cluster_enabled total_connections_received total_commands_processed rejected_connections
        total_net_input_bytes total_net_output_bytes total_net_repl_input_bytes total_net_repl_output_bytes
        expired_subkeys expired_keys expire_cycle_cpu_milliseconds evicted_keys evicted_clients evicted_scripts
        total_eviction_exceeded_time keyspace_hits keyspace_misses used_cpu_sys used_cpu_user used_cpu_sys_children
        used_cpu_user_children used_cpu_sys_main_thread used_cpu_user_main_thread unexpected_error_replies
        total_error_replies dump_payload_sanitizations total_reads_processed total_writes_processed
        io_threaded_reads_processed io_threaded_writes_processed client_query_buffer_limit_disconnections
        client_output_buffer_limit_disconnections reply_buffer_shrinks reply_buffer_expands acl_access_denied_auth
        acl_access_denied_cmd acl_access_denied_key acl_access_denied_channel total_system_memory",
};

/// In github.com/RedisInsight/RedisInsight, below redisinsight/api/src/modules: redis/utils/cluster.util.ts, sentinel.util.ts
/// and keys.util.ts, database/providers/database-info.provider.ts and database-overview.provider.ts,
/// browser/keys/scanner/strategies/standalone.scanner.strategy.ts, browser/keys/keys.service.ts,
/// browser/keys/key-info/strategies/string.key-info.strategy.ts, slow-log/slow-log.service.ts,
/// database-analysis/scanner/keys-scanner.ts, recommendation/providers/recommendation.provider.ts,
/// profiler/models/redis.observer.ts (MONITOR). It connects with ioredis or node-redis.
const REDIS_INSIGHT: Program = Program {
    name: "RedisInsight",
    calls: &[
        "CLIENT SETNAME redisinsight-common-00000000",
        "INFO",
        "MODULE LIST",
        "CONFIG GET databases",
        "CLIENT LIST",
        "DBSIZE",
        "SCAN 0 MATCH * COUNT 500",
        "SCAN 0 MATCH * COUNT 500 TYPE string",
        "TYPE k",
        "TTL k",
        "MEMORY USAGE k samples 0",
        "STRLEN k",
        "GET k",
        "EXISTS k",
        "RENAMENX k renamed",
        "RENAMENX renamed k",
        "EXPIRE k 1000",
        "PERSIST k",
        "DEL missing",
        "SLOWLOG GET 50",
        "SLOWLOG RESET",
        "CONFIG GET slowlog*",
        "CONFIG SET slowlog-log-slower-than 0",
        "CONFIG SET slowlog-max-len 128",
        "SCAN 0 COUNT 2000",
        "ACL LIST",
        "CONFIG GET set-max-intset-entries",
        "CONFIG GET hash-max-ziplist-entries",
        "CONFIG GET zset-max-ziplist-entries",
    ],
    newer_calls: &[
        "CLIENT SETINFO LIB-NAME ioredis",
        "CLIENT SETINFO LIB-VER 5.0.0",
    ],
    refused_calls: &["CLUSTER INFO", "SENTINEL MASTERS", "FT._LIST", "TFUNCTION LIST"],
    fields: "redis_version uptime_in_seconds uptime_in_days connected_clients used_memory maxmemory_policy
        number_of_cached_scripts instantaneous_ops_per_sec instantaneous_input_kbps instantaneous_output_kbps
        keyspace_hits keyspace_misses role used_cpu_sys used_cpu_user",
};

/// In github.com/DataDog/integrations-core: redisdb/datadog_checks/redisdb/redisdb.py, and constants.py beside it for the
/// fields (`GAUGE_KEYS`, `RATE_KEYS`). It connects with redis-py.
const DATADOG: Program = Program {
    name: "Datadog",
    calls: &[
        "INFO",
        "CONFIG GET maxclients",
        "CLIENT LIST",
        "INFO keyspace",
        "SCAN 0 MATCH k*",
        "TYPE k",
        "INFO commandstats",
        "CONFIG GET slowlog-max-len",
        "SLOWLOG GET 128",
    ],
    newer_calls: &[
        "CLIENT SETINFO LIB-NAME redis-py",
        "CLIENT SETINFO LIB-VER 5.0.0",
    ],
    refused_calls: &[],
    fields: "redis_version role total_commands_processed instantaneous_ops_per_sec io_threads_active active_defrag_running
        active_defrag_hits active_defrag_misses active_defrag_key_hits active_defrag_key_misses aof_last_rewrite_time_sec
        aof_rewrite_in_progress connected_clients connected_slaves rejected_connections blocked_clients
        client_recent_max_input_buffer client_recent_max_output_buffer evicted_keys expired_keys latest_fork_usec
        instantaneous_input_kbps instantaneous_output_kbps total_connections_received pubsub_channels pubsub_patterns
        rdb_bgsave_in_progress rdb_changes_since_last_save rdb_last_bgsave_time_sec mem_fragmentation_bytes
        mem_fragmentation_ratio mem_total_replication_buffers mem_clients_slaves mem_clients_normal used_memory
        used_memory_lua used_memory_peak used_memory_rss used_memory_startup used_memory_overhead used_memory_dataset
        used_memory_vm_eval used_memory_vm_functions used_memory_vm_total used_memory_functions used_memory_scripts_eval
        used_memory_scripts maxmemory repl_backlog_histlen master_repl_offset total_net_repl_input_bytes
        total_net_repl_output_bytes allocator_active allocator_allocated allocator_muzzy allocator_resident
        allocator_rss_bytes allocator_rss_ratio acl_access_denied_auth acl_access_denied_channel acl_access_denied_cmd
        acl_access_denied_key aof_current_rewrite_time_sec aof_enabled aof_last_cow_size aof_rewrite_scheduled
        aof_rewrites client_output_buffer_limit_disconnections client_query_buffer_limit_disconnections
        clients_in_timeout_table evicted_clients watching_clients pubsub_clients pubsubshard_channels cluster_connections
        cluster_enabled unexpected_error_replies total_error_replies current_active_defrag_time total_active_defrag_time
        current_eviction_exceeded_time total_eviction_exceeded_time current_cow_peak current_cow_size
        current_cow_size_age total_forks rdb_current_bgsave_time_sec rdb_last_cow_size rdb_last_load_keys_expired
        rdb_last_load_keys_loaded rdb_last_save_time rdb_saves second_repl_offset repl_backlog_active
        repl_backlog_first_byte_offset repl_backlog_size slave_expires_tracked_keys sync_full sync_partial_err
        sync_partial_ok instantaneous_input_repl_kbps instantaneous_output_repl_kbps eventloop_cycles
        eventloop_duration_cmd_sum eventloop_duration_sum instantaneous_eventloop_cycles_per_sec
        instantaneous_eventloop_duration_usec expire_cycle_cpu_milliseconds expired_subkeys
        expired_time_cap_reached_count total_blocking_keys total_blocking_keys_on_nokey total_watched_keys
        evicted_scripts number_of_cached_scripts number_of_functions number_of_libraries loading migrate_cached_sockets
        reply_buffer_expands reply_buffer_shrinks total_net_input_bytes total_net_output_bytes rss_overhead_bytes
        rss_overhead_ratio mem_aof_buffer mem_cluster_links mem_not_counted_for_evict
        mem_overhead_db_hashtable_rehashing mem_replication_backlog used_cpu_sys used_cpu_sys_children used_cpu_user
        used_cpu_user_children keyspace_hits keyspace_misses",
};

/// In github.com/redis/redis: src/redis-cli.c, `cliConnect`, `cliInitHelp`, `findBigKeys`, `findHotKeys`, `scanMode`,
/// `statMode`, `latencyMode`. The program itself is run in `clients`.
const REDIS_CLI: Program = Program {
    name: "redis-cli",
    calls: &[
        "SELECT 0",
        "COMMAND DOCS",
        "COMMAND",
        "DBSIZE",
        "SCAN 0",
        "SCAN 0 COUNT 10",
        "TYPE k",
        "STRLEN k",
        "MEMORY USAGE k",
        "INFO",
        "PING",
    ],
    newer_calls: &[],
    refused_calls: &["OBJECT FREQ k", "CLUSTER NODES"],
    fields: "used_memory connected_clients blocked_clients total_commands_processed total_connections_received",
};

const PROGRAMS: [Program; 4] = [REDIS_EXPORTER, REDIS_INSIGHT, DATADOG, REDIS_CLI];

/// Fields that these programs read where they are, and that this server does not have, because it has no such parts or they
/// work in another way (see INFO in differences.toml): the timer, threads for sockets only, Redis's rehashing, its cycles of
/// eviction and defragmentation, and buffers of replies that grow.
const ABSENT: &str = "hz configured_hz redis_build_id io_threads_active mem_overhead_db_hashtable_rehashing allocator_muzzy
    current_eviction_exceeded_time total_eviction_exceeded_time current_active_defrag_time total_active_defrag_time
    dump_payload_sanitizations total_reads_processed total_writes_processed io_threaded_reads_processed
    io_threaded_writes_processed reply_buffer_shrinks reply_buffer_expands";

/// A server with a key, a slow command and an error, and a connection to it.
fn start(target: Target) -> (Server, Client) {
    let server = Server::start(target);
    let mut client = server.connect();
    client.command_words("CONFIG SET slowlog-log-slower-than 0");
    client.command_words("SET k v EX 1000");
    client.command_words("GET");
    (server, client)
}

/// The form of a reply: its type, and for an array those of its first elements.
fn form(reply: &Reply) -> String {
    match reply {
        Reply::Array(elements) => {
            let forms: Vec<String> = elements.iter().take(2).map(form).collect();
            format!("[{}]", forms.join(" "))
        }
        Reply::Simple(_) => "line".to_owned(),
        Reply::Bulk(_) => "text".to_owned(),
        Reply::Integer(_) => "number".to_owned(),
        Reply::NilBulk | Reply::NilArray => "nil".to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn they_are_answered_as_by_redis() {
    for program in PROGRAMS {
        let name = program.name;
        let (_server, mut client) = start(Target::Mio);
        let mut ours = Vec::new();
        for call in program.calls {
            let reply = client.command_words(call);
            assert!(!reply.is_error(), "{name}: {call}: {reply}");
            ours.push(form(&reply));
        }
        for call in program.newer_calls {
            let reply = client.command_words(call);
            assert!(!reply.is_error(), "{name}: {call}: {reply}");
        }
        for call in program.refused_calls {
            let reply = client.command_words(call);
            assert!(reply.is_error(), "{name}: {call}: {reply}");
        }
        if !Target::Redis.is_available() {
            continue;
        }
        let (_server, mut client) = start(Target::Redis);
        for (call, our) in program.calls.iter().zip(ours) {
            let redis = form(&client.command_words(call));
            // Settings that one of them does not have.
            let is_none = (our == "[]" || redis == "[]") && call.starts_with("CONFIG GET");
            assert!(
                our == redis || is_none,
                "{name}: {call}: {our}, redis {redis}"
            );
        }
        for call in program.refused_calls {
            let reply = client.command_words(call);
            assert!(reply.is_error(), "{name}: {call}: redis {reply}");
        }
    }
}

/// The sections of INFO with their fields.
fn sections(client: &mut Client, call: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut sections = BTreeMap::<String, Vec<(String, String)>>::new();
    let mut title = String::new();
    for line in client.command_words(call).text().lines() {
        if let Some(name) = line.strip_prefix("# ") {
            name.clone_into(&mut title);
        } else if let Some((name, value)) = line.split_once(':') {
            let fields = sections.entry(title.clone()).or_default();
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    sections
}

#[test]
fn the_fields_that_they_read_are_there() {
    let (_server, mut client) = start(Target::Mio);
    let absent: BTreeSet<&str> = ABSENT.split_whitespace().collect();
    // RedisInsight, Datadog and redis-cli ask for the usual sections.
    for (program, call) in PROGRAMS.iter().zip(["INFO ALL", "INFO", "INFO", "INFO"]) {
        let sections = sections(&mut client, call);
        let found: BTreeMap<&str, &str> = sections
            .values()
            .flatten()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        for name in program.fields.split_whitespace() {
            let value = found.get(name).copied();
            let is_absent = absent.contains(name);
            let program = program.name;
            assert_eq!(value.is_none(), is_absent, "{program}: {name}: {value:?}");
            assert_ne!(value, Some(""), "{program}: {name}");
        }
    }
}

/// The elements of a reply that is an array.
fn elements(reply: &Reply) -> &[Reply] {
    reply.elements().unwrap_or_else(|| panic!("{reply}"))
}

#[test]
fn redis_exporter_can_read_the_answers() {
    let (_server, mut client) = start(Target::Mio);
    let config = client.command_words("CONFIG GET *");
    let pairs = elements(&config).chunks(2);
    let settings: BTreeMap<String, String> =
        pairs.map(|pair| (pair[0].text(), pair[1].text())).collect();
    for name in ["databases", "maxmemory", "maxclients"] {
        assert!(settings[name].parse::<u64>().is_ok(), "{name}");
    }
    // The titles are compared as they are.
    let sections = sections(&mut client, "INFO ALL");
    let fields = |title: &str| sections[title].iter();
    let commands: BTreeSet<&str> = fields("Commandstats")
        .map(|(name, value)| {
            let values: Vec<&str> = value.split(',').collect();
            assert!(values.len() >= 5 && values[3].starts_with("rejected_calls="));
            assert!(values[1].starts_with("usec=") && values[4].starts_with("failed_calls="));
            name.strip_prefix("cmdstat_").expect("a command")
        })
        .collect();
    for (name, value) in fields("Latencystats") {
        let command = name.strip_prefix("latency_percentiles_usec_");
        assert!(commands.contains(command.expect("a command")), "{name}");
        for part in value.split(',') {
            let (percentile, microseconds) = part.split_once('=').expect("a pair");
            let numbers = [&percentile[1..], microseconds];
            assert!(
                numbers.iter().all(|number| number.parse::<f64>().is_ok()),
                "{part}"
            );
        }
    }
    assert!(fields("Errorstats").any(|(_, value)| value.starts_with("count=")));
    assert!(fields("Keyspace").any(|(name, value)| name == "db0" && value.starts_with("keys=")));
    for title in ["Server", "Replication"] {
        assert!(fields(title).count() > 0);
    }
    let latencies = client.command_words("LATENCY HISTOGRAM");
    for pair in elements(&latencies).chunks(2) {
        assert!(commands.contains(pair[0].text().as_str()) || pair[0].text() == "info");
        let [_, calls, _, buckets] = elements(&pair[1]) else {
            panic!("{}", pair[1]);
        };
        assert!(calls.integer() > Some(0));
        assert!(
            elements(buckets)
                .iter()
                .all(|number| number.integer().is_some())
        );
    }
    let slow = client.command_words("SLOWLOG GET 1");
    let entry = elements(&elements(&slow)[0]);
    assert!(
        entry[..3].iter().all(|number| number.integer().is_some()),
        "{slow}"
    );
    for line in client.command_words("CLIENT LIST").text().lines() {
        assert!(line.starts_with("id="), "{line}");
        let is_pair = |part: &str| part.matches('=').count() == 1;
        assert!(line.split(' ').all(is_pair), "{line}");
        assert!(
            line.split(' ')
                .any(|part| part.starts_with("addr=127.0.0.1:"))
        );
    }
    // RedisInsight looks for users without a password at this place.
    let users = client.command_words("ACL LIST");
    assert_eq!(elements(&users)[0].text().split(' ').nth(3), Some("nopass"));
}

#[test]
fn what_is_not_allowed_is_counted() {
    for_each_backend(&[], |server| {
        let mut control = server.connect();
        control.command_words("ACL SETUSER limited on >secret ~mine:* +get +ping");
        let mut client = server.connect();
        for (line, field) in [
            ("AUTH limited wrong", "acl_access_denied_auth"),
            ("SET mine:k v", "acl_access_denied_cmd"),
            ("GET k", "acl_access_denied_key"),
        ] {
            if line != "AUTH limited wrong" {
                client.command_words("AUTH limited secret");
            }
            assert_eq!(control.info(field), 0);
            assert!(client.command_words(line).is_error(), "{line}");
            assert_eq!(control.info(field), 1);
        }
        control.command_words("ACL LOG RESET");
        assert_eq!(control.info("acl_access_denied_auth"), 1);
    });
}

#[test]
fn closed_clients_and_the_pace_of_the_workers_are_counted() {
    for_each_backend(&["--client-query-buffer-limit", "1mb"], |server| {
        let mut control = server.connect();
        let mut large = server.connect();
        // The server may close it before it has taken all of it.
        let _ = large.send(&encode(&[b"SET", b"k".as_slice(), &vec![b'v'; 4 << 20]]));
        let field = "client_query_buffer_limit_disconnections";
        until(PATIENCE, "it is closed", || control.info(field) == 1);
        for field in [
            "instantaneous_eventloop_cycles_per_sec",
            "instantaneous_eventloop_duration_usec",
        ] {
            until(PATIENCE, field, || control.info(field) > 0);
        }
    });
}
