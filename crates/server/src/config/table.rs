//! The table of settings. A setting is declared here and nowhere else: reading the file, the
//! environment and the flags, CONFIG GET, SET and REWRITE, `--help` and docs/configuration.md derive
//! from its row, and the code that acts on it reads the field of [`Settings`] that the row declares.
//!
//! A row's doc comment is its text for users. Limits that are Redis's carry Redis's numbers.

use std::path::PathBuf;

use commands::insight::Percentile;

use super::declare::{Row, declare_settings};
use super::output_limits::OutputLimits;
use super::portion::{Portion, Whole};
use super::value::{BindAddress, CommandNames, FileMode, FromValue, Kind, Secret, Value, words};

/// Redis's largest `int`, the limit of many of its settings.
const INT_MAX: u64 = i32::MAX as u64;
/// Redis's largest `long long`.
const LONG_MAX: u64 = i64::MAX as u64;
const KB: u64 = 1 << 10;
const MB: u64 = 1 << 20;

declare_settings! {
    /// Sockets, connections and workers.
    server: ServerSettings {
        /// Addresses to listen on, separated by commas or spaces, or a TOML array: IPv4 or IPv6
        /// addresses, `localhost`, `*` for all IPv4 and `::*` for all IPv6 addresses. `-` before an
        /// address lets the start go on when the machine does not have it.
        bind: Vec<BindAddress> = {
            kind: Kind::Addresses, default: "127.0.0.1",
            redis: "bind", env: "REDIS_BIND", short: Some('b'),
        }
        /// TCP port to listen on; 0 listens on the unix socket only.
        port: u16 = {
            kind: Kind::Integer { min: 0, max: 65535 }, default: "6379",
            redis: "port", env: "REDIS_PORT", short: Some('p'),
        }
        /// Path of a unix socket to listen on as well; none when empty.
        unix_socket: Option<PathBuf> = {
            kind: Kind::Text, default: "", redis: "unixsocket", short: Some('s'),
        }
        /// Permissions of the unix socket, in octal digits; 0 leaves them to the umask.
        unix_socket_permissions: FileMode = {
            kind: Kind::FileMode, default: "0", redis: "unixsocketperm",
        }
        /// Connections that the kernel may hold before they are accepted. The kernel caps it, on
        /// Linux at net.core.somaxconn.
        tcp_backlog: u32 = {
            kind: Kind::Integer { min: 0, max: INT_MAX }, default: "511", redis: "tcp-backlog",
        }
        /// Worker threads; 0 uses as many as the processor cores that this process may use,
        /// affinity and container quota counted.
        workers: usize = {
            kind: Kind::Integer { min: 0, max: 1024 }, default: "0", short: Some('w'),
        }
        /// How sockets are driven: `io_uring` (Linux), `mio` (epoll or kqueue), or `auto`, which
        /// takes io_uring where the kernel allows it and mio otherwise.
        io_backend: IoBackend = { kind: Kind::Words(IoBackend::WORDS), default: "auto" }
        /// Number of databases. It is fixed.
        databases: u32 = {
            kind: Kind::Integer { min: 16, max: 16 }, default: "16", redis: "databases",
        }
        /// Shards of the keyspace. More shards let more workers write at once.
        num_shards: usize = {
            kind: Kind::PowerOfTwo { min: 1, max: 65536 }, default: "2048",
            env: "REDIS_NUM_SHARDS",
        }
        /// Commands that are executed for one connection before the other ready connections have
        /// their turn.
        batch_size: usize = {
            kind: Kind::Integer { min: 1, max: 65536 }, default: "256",
            env: "REDIS_BATCH_SIZE", runtime: true,
        }
        /// Size of one network buffer.
        buffer_size: usize = {
            kind: Kind::Bytes { min: KB, max: 16 * MB }, default: "16384",
            env: "REDIS_BUFFER_SIZE",
        }
        /// Most network buffers that are kept for reuse, all workers together. Their memory is
        /// touched on first use.
        buffer_pool_size: usize = {
            kind: Kind::Integer { min: 0, max: 1 << 20 }, default: "2048",
            env: "REDIS_BUFFER_POOL_SIZE",
        }
        /// Most clients that are connected at a time. Further ones get an error and are closed.
        max_connections: u32 = {
            kind: Kind::Integer { min: 1, max: u32::MAX as u64 }, default: "10000",
            redis: "maxclients", env: "REDIS_MAX_CONNECTIONS", runtime: true,
        }
        /// Seconds after which a connection that sends nothing is closed; 0 never closes it.
        connection_timeout: u32 = {
            kind: Kind::Integer { min: 0, max: INT_MAX }, default: "0",
            redis: "timeout", runtime: true,
        }
        /// Most new connections in a second, all addresses together; 0 sets no limit. Further ones
        /// are closed at once.
        connection_rate_limit: u32 = {
            kind: Kind::Integer { min: 0, max: u32::MAX as u64 }, default: "0", runtime: true,
        }
        /// Largest bulk string that a client may send.
        proto_max_bulk_bytes: u64 = {
            kind: Kind::Bytes { min: MB, max: LONG_MAX }, default: "512mb",
            redis: "proto-max-bulk-len", runtime: true,
        }
        /// Most memory that the unprocessed requests of one connection may take. A connection
        /// beyond it is closed.
        query_buffer_limit: u64 = {
            kind: Kind::Bytes { min: MB, max: LONG_MAX }, default: "1gb",
            redis: "client-query-buffer-limit", runtime: true,
        }
        /// Bytes of unsent replies at which the server stops reading from that client until it has
        /// read some of them.
        output_buffer_pause_bytes: usize = {
            kind: Kind::Bytes { min: 16 * KB, max: LONG_MAX }, default: "1mb", runtime: true,
        }
        /// How much may wait for a client that does not read its replies, by class of client (`normal`, `replica`,
        /// `pubsub`): hard limit, soft limit, seconds. A client is closed when more than the hard limit waits for it,
        /// or more than the soft limit for longer than so many seconds; 0 sets no limit. Classes that are not named
        /// stay as they are. As in Redis the first 16kb do not count, and a client that watches all commands (MONITOR)
        /// is a normal one. In TOML also an array with one string for each class. Whatever the limits are, a normal
        /// client for which server.output_buffer_pause_bytes wait has no more commands executed until it reads; what
        /// MONITOR shows goes on to come.
        output_buffer_limits: OutputLimits = {
            kind: Kind::OutputLimits,
            default: "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
            redis: "client-output-buffer-limit", runtime: true,
        }
        /// Port of the HTTP endpoint for health checks, metrics and the dashboard; 0 for none. When it is taken already,
        /// the server says so in its log and goes on without.
        health_check_port: u16 = {
            kind: Kind::Integer { min: 0, max: 65535 }, default: "8080",
            env: "REDIS_HEALTH_CHECK_PORT",
        }
        /// Addresses of the HTTP endpoint, in the form of server.bind. Whoever can connect may see health and metrics. What
        /// shows keys or clients needs security.password, or that of a user who may do everything, as HTTP Basic or Bearer; without a password it is shown to
        /// clients on the same machine only.
        health_check_bind: Vec<BindAddress> = {
            kind: Kind::Addresses, default: "127.0.0.1", env: "REDIS_HEALTH_CHECK_BIND",
        }
        /// Shows the dashboard at `/` of the HTTP endpoint.
        dashboard: bool = { kind: Kind::Bool, default: "true", runtime: true }
        /// Seconds that a shutdown may take to finish the commands that were received and to send
        /// their replies.
        shutdown_grace_period_secs: u32 = {
            kind: Kind::Integer { min: 0, max: INT_MAX }, default: "30",
            redis: "shutdown-timeout", env: "REDIS_SHUTDOWN_GRACE_SECS", runtime: true,
        }
    }

    /// Options of the TCP connections.
    performance: PerformanceSettings {
        /// Sends small replies at once, without Nagle's algorithm.
        tcp_nodelay: bool = {
            kind: Kind::Bool, default: "true", env: "REDIS_TCP_NODELAY", runtime: true,
        }
        /// Seconds of silence after which the kernel asks whether a client is still there; 0 never
        /// asks.
        tcp_keepalive: u32 = {
            kind: Kind::Integer { min: 0, max: INT_MAX }, default: "60",
            redis: "tcp-keepalive", env: "REDIS_TCP_KEEPALIVE", runtime: true,
        }
    }

    /// The memory limit and what happens at it.
    memory: MemorySettings {
        /// Most resident memory of the process; 0 sets no limit. A percentage is one of the memory that there is: the
        /// smallest limit of the control groups that the process is in, else the machine's memory. `auto` is 75 % of
        /// it. A control group's limit that changes is followed within about a second. CONFIG GET answers the bytes
        /// under Redis's name, and what was written under the path.
        max_memory: Portion = {
            kind: Kind::Portion(Whole::AvailableMemory), default: "0",
            redis: "maxmemory", env: "REDIS_MAX_MEMORY", short: Some('m'),
            runtime: true,
        }
        /// Most memory that all clients together may take for what they have sent and not yet read, out of
        /// memory.max_memory; 0 reserves 5 % of memory.max_memory, at least 8mb, and sets no limit when there is none
        /// for the process. A limit below 128kb counts as 128kb. The clients that take most are closed until the
        /// others fit; those that have said CLIENT NO-EVICT are not, and do not count. A large value that is sent from where it is
        /// stored counts only when the client has not read it within about a second, and once for several clients.
        max_memory_clients: Portion = {
            kind: Kind::Portion(Whole::MaxMemory), default: "0",
            redis: "maxmemory-clients", runtime: true,
        }
        /// Which keys make room when the memory limit is reached.
        eviction_policy: EvictionPolicy = {
            kind: Kind::Words(EvictionPolicy::WORDS), default: "allkeys-lru",
            redis: "maxmemory-policy", env: "REDIS_EVICTION_POLICY", runtime: true,
        }
        /// Keys that are looked at to find one to evict.
        eviction_sample_size: u32 = {
            kind: Kind::Integer { min: 1, max: INT_MAX }, default: "5",
            redis: "maxmemory-samples", runtime: true,
        }
        /// How slowly the count of accesses of a key grows under the lfu policies: with 0 each access counts, with 10 a
        /// count of 255 takes about a million.
        lfu_log_factor: u32 = {
            kind: Kind::Integer { min: 0, max: INT_MAX }, default: "10",
            redis: "lfu-log-factor", runtime: true,
        }
        /// Minutes after which the count of accesses of a key goes down by one under the lfu policies; 0 keeps it.
        lfu_decay_time: u32 = {
            kind: Kind::Integer { min: 0, max: INT_MAX }, default: "1",
            redis: "lfu-decay-time", runtime: true,
        }
        /// Shortens each relative time to live by a random part of it, at most so many hundredths, so that keys that
        /// were written together do not expire together. It holds for EX and PX of SET, GETEX and MSETEX, for SETEX,
        /// PSETEX, EXPIRE and PEXPIRE, and for default_ttl and max_ttl of a prefix where a key gets them; TTL shows what
        /// is left of the shortened time. Absolute times are kept.
        ttl_jitter_percent: u32 = {
            kind: Kind::Integer { min: 0, max: 100 }, default: "0", runtime: true,
        }
    }

    /// Who may use the server, and encryption.
    security: SecuritySettings {
        /// Password that clients must give by AUTH or HELLO; none when empty.
        password: Secret = {
            kind: Kind::Secret, default: "",
            redis: "requirepass", env: "REDIS_PASSWORD", short: Some('a'), runtime: true,
        }
        /// Path of the file with the users, one line each, which ACL LOAD reads and ACL SAVE writes; none when empty. With
        /// it the configuration itself can have no users. security.password holds for the user `default` unless the file
        /// names that one.
        acl_file: Option<PathBuf> = { kind: Kind::Text, default: "", redis: "aclfile" }
        /// Which channels a new user has: none (`resetchannels`) or all (`allchannels`).
        acl_pubsub_default: PubsubDefault = {
            kind: Kind::Words(PubsubDefault::WORDS), default: "resetchannels",
            redis: "acl-pubsub-default", runtime: true,
        }
        /// Most entries that ACL LOG keeps.
        acl_log_max_len: usize = {
            kind: Kind::Integer { min: 0, max: 1 << 20 }, default: "128",
            redis: "acllog-max-len", runtime: true,
        }
        /// Commands and subcommands (`config|set`) that nobody can run, separated by commas or spaces, or a TOML array. To
        /// clients they do not exist.
        disabled_commands: CommandNames = { kind: Kind::Commands, default: "" }
        /// Longest that a client waits which gives a password after many wrong ones came from its address, in milliseconds; 0
        /// lets none wait. The first ten wrong passwords within a minute are free, the next attempt waits 100 ms, and each
        /// further one twice as long up to this.
        auth_delay_max: u64 = {
            kind: Kind::Integer { min: 0, max: 60_000 }, default: "5000", runtime: true,
        }
        /// Accepts connections from this machine only, for as long as the user `default` needs no password.
        protected_mode: bool = {
            kind: Kind::Bool, default: "true", redis: "protected-mode", runtime: true,
        }
        /// Whether server.port speaks TLS. For TLS beside a port that does not, leave it false and set
        /// security.tls_port.
        tls_enabled: bool = { kind: Kind::Bool, default: "false" }
        /// TCP port that speaks TLS, beside server.port or, where that is 0, instead of it; 0 is none.
        tls_port: u16 = {
            kind: Kind::Integer { min: 0, max: 65535 }, default: "0", redis: "tls-port",
        }
        /// Path of the server's certificate in PEM, followed by those between it and the authority. When a file of
        /// certificates or keys changes, connections from then on use it, within about a second; what cannot be used
        /// is logged, and the old stays.
        tls_cert_path: Option<PathBuf> = {
            kind: Kind::Text, default: "", redis: "tls-cert-file", runtime: true,
        }
        /// Path of the certificate's private key in PEM: PKCS#8, PKCS#1 or SEC1, not encrypted.
        tls_key_path: Option<PathBuf> = {
            kind: Kind::Text, default: "", redis: "tls-key-file", runtime: true,
        }
        /// Path of the certificates, in PEM, of the authorities that clients' certificates come from.
        tls_ca_cert_path: Option<PathBuf> = {
            kind: Kind::Text, default: "", redis: "tls-ca-cert-file", runtime: true,
        }
        /// Directory of files with such certificates; all that have one are read.
        tls_ca_cert_dir: Option<PathBuf> = {
            kind: Kind::Text, default: "", redis: "tls-ca-cert-dir", runtime: true,
        }
        /// Whether TLS clients must show a certificate of one of these authorities: `yes`; `optional`, where one that is
        /// shown must be valid; or `no`, which asks for none.
        tls_auth_clients: TlsClients = {
            kind: Kind::Words(TlsClients::WORDS), default: "yes",
            redis: "tls-auth-clients", runtime: true,
        }
        /// Which part of a client's certificate names the user that it is logged in as, if there is such a user: `CN`,
        /// the common name, or `off`.
        tls_auth_clients_user: TlsUser = {
            kind: Kind::Words(TlsUser::WORDS), default: "off",
            redis: "tls-auth-clients-user", runtime: true,
        }
        /// Versions of TLS that are spoken: `TLSv1.2 TLSv1.3`, or one of them.
        tls_protocols: TlsProtocols = {
            kind: Kind::Words(TlsProtocols::WORDS), default: "TLSv1.2 TLSv1.3",
            redis: "tls-protocols", runtime: true,
        }
        /// Whether clients may resume sessions, which spares them and the server most of a handshake.
        tls_session_caching: bool = {
            kind: Kind::Bool, default: "true", redis: "tls-session-caching", runtime: true,
        }
        /// Most sessions that are kept to be resumed, some hundred bytes each; the oldest makes room. A change of
        /// certificates or of these settings forgets all of them.
        tls_session_cache_size: usize = {
            kind: Kind::Integer { min: 1, max: INT_MAX }, default: "20480",
            redis: "tls-session-cache-size", runtime: true,
        }
        /// Seconds for which a session may be resumed.
        tls_session_cache_timeout: u32 = {
            kind: Kind::Integer { min: 1, max: INT_MAX }, default: "300",
            redis: "tls-session-cache-timeout", runtime: true,
        }
        /// Seconds that a TLS handshake may take before the connection is closed.
        tls_handshake_timeout: u32 = {
            kind: Kind::Integer { min: 1, max: INT_MAX }, default: "10", runtime: true,
        }
        /// Most TLS handshakes that are under way at a time, all workers together. Further ones wait for their turn.
        tls_handshakes_max: usize = {
            kind: Kind::Integer { min: 1, max: INT_MAX }, default: "1024", runtime: true,
        }
    }

    /// What is noted of commands and of what holds the server up.
    monitoring: MonitoringSettings {
        /// Microseconds from which on a command is slow and is kept for SLOWLOG; 0 keeps every command, -1 none. Below
        /// 1000 each command is timed by itself; else short reads and writes of one connection that follow each other
        /// are timed together, and kept as one entry.
        slowlog_slower_than_us: Option<u64> = {
            kind: Kind::Threshold, default: "10000", redis: "slowlog-log-slower-than",
            also: "commandlog-execution-slower-than", runtime: true,
        }
        /// Slow commands that are kept.
        slowlog_max_len: usize = {
            kind: Kind::Integer { min: 0, max: LONG_MAX }, default: "128", redis: "slowlog-max-len",
            also: "commandlog-slow-execution-max-len", runtime: true,
        }
        /// Bytes from which on a request is large and is kept for COMMANDLOG; -1 keeps none.
        large_request_bytes: Option<u64> = {
            kind: Kind::Threshold, default: "1048576",
            redis: "commandlog-request-larger-than", runtime: true,
        }
        /// Commands with large requests that are kept.
        large_request_max_len: usize = {
            kind: Kind::Integer { min: 0, max: LONG_MAX }, default: "128",
            redis: "commandlog-large-request-max-len", runtime: true,
        }
        /// Bytes from which on a reply is large and its command is kept for COMMANDLOG; -1 keeps none.
        large_reply_bytes: Option<u64> = {
            kind: Kind::Threshold, default: "1048576",
            redis: "commandlog-reply-larger-than", runtime: true,
        }
        /// Commands with large replies that are kept.
        large_reply_max_len: usize = {
            kind: Kind::Integer { min: 0, max: LONG_MAX }, default: "128",
            redis: "commandlog-large-reply-max-len", runtime: true,
        }
        /// Counts how long commands take, for LATENCY HISTOGRAM and INFO latencystats.
        latency_tracking: bool = {
            kind: Kind::Bool, default: "true", redis: "latency-tracking", runtime: true,
        }
        /// Which percentiles INFO latencystats tells of.
        latency_tracking_percentiles: Vec<Percentile> = {
            kind: Kind::Percentiles, default: "50 99 99.9",
            redis: "latency-tracking-info-percentiles", runtime: true,
        }
        /// Milliseconds from which on LATENCY notes what held a worker up; 0 notes nothing.
        latency_monitor_threshold_ms: u64 = {
            kind: Kind::Integer { min: 0, max: LONG_MAX }, default: "0",
            redis: "latency-monitor-threshold", runtime: true,
        }
    }

    /// Up to where collections are kept in their small form, which takes less memory and is gone through element by
    /// element. What is larger has the form that OBJECT ENCODING names for large ones, and keeps it.
    encoding: EncodingSettings {
        /// Most fields of a hash that is kept as a `listpack`.
        hash_entries_max: usize = {
            kind: Kind::Integer { min: 0, max: LONG_MAX }, default: "512",
            redis: "hash-max-listpack-entries", also: "hash-max-ziplist-entries", runtime: true,
        }
        /// Longest field or value, in bytes, of a hash that is kept as a `listpack`.
        hash_value_bytes_max: u64 = {
            kind: Kind::Bytes { min: 0, max: LONG_MAX }, default: "64",
            redis: "hash-max-listpack-value", also: "hash-max-ziplist-value", runtime: true,
        }
        /// Most elements of a list that is a `listpack`, or its size: -1 to -5 stand for 4, 8, 16, 32 and 64 KB. A
        /// `quicklist` becomes a `listpack` again when it takes half of that. Only the name depends on it.
        list_listpack_size_max: i32 = {
            kind: Kind::Signed, default: "-2",
            redis: "list-max-listpack-size", also: "list-max-ziplist-size", runtime: true,
        }
        /// Most members of a set of integers that is kept as an `intset`; packs have at most 16383.
        set_intset_entries_max: usize = {
            kind: Kind::Integer { min: 0, max: LONG_MAX }, default: "512",
            redis: "set-max-intset-entries", runtime: true,
        }
        /// Most members of a set that is kept as a `listpack`.
        set_entries_max: usize = {
            kind: Kind::Integer { min: 0, max: LONG_MAX }, default: "128",
            redis: "set-max-listpack-entries", runtime: true,
        }
        /// Longest member, in bytes, of a set that is kept as a `listpack`.
        set_value_bytes_max: usize = {
            kind: Kind::Integer { min: 0, max: LONG_MAX }, default: "64",
            redis: "set-max-listpack-value", runtime: true,
        }
        /// Most members of a sorted set that is kept as a `listpack`; packs have at most 8191.
        sorted_set_entries_max: usize = {
            kind: Kind::Integer { min: 0, max: LONG_MAX }, default: "128",
            redis: "zset-max-listpack-entries", also: "zset-max-ziplist-entries", runtime: true,
        }
        /// Longest member, in bytes, of a sorted set that is kept as a `listpack`.
        sorted_set_value_bytes_max: u64 = {
            kind: Kind::Bytes { min: 0, max: LONG_MAX }, default: "64",
            redis: "zset-max-listpack-value", also: "zset-max-ziplist-value", runtime: true,
        }
        /// Most bytes of a HyperLogLog that is kept sparse; a dense one has 12304.
        sparse_hyperloglog_bytes_max: u64 = {
            kind: Kind::Bytes { min: 0, max: LONG_MAX }, default: "3000",
            redis: "hll-sparse-max-bytes", runtime: true,
        }
    }

    /// The server's log.
    logging: LoggingSettings {
        /// How much is logged. Redis's names `notice` and `warning` mean `info` and `warn`.
        level: LogLevel = {
            kind: Kind::Words(LogLevel::WORDS), default: "info",
            redis: "loglevel", short: Some('l'), runtime: true,
        }
        /// Form of the lines: `text` for people, `json` for log collectors.
        format: LogFormat = { kind: Kind::Words(LogFormat::WORDS), default: "text" }
        /// Path of a file that the log is appended to; standard error when empty. SIGHUP and SIGUSR1 open it anew, for
        /// programs that have moved it away.
        file: Option<PathBuf> = { kind: Kind::Text, default: "", redis: "logfile" }
    }
}

/// A name of Redis whose value here is always the same.
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    /// Its name.
    pub name: &'static str,
    /// Its only value.
    pub value: &'static str,
    /// Whether CONFIG SET accepts that value, as Redis lets it change the setting at run time.
    pub settable: bool,
}

/// What CONFIG GET answers besides the settings: names that clients and monitors ask of every
/// server. Each value is what this server does.
pub static CONSTANTS: &[Constant] = &[
    settable("save", ""),
    settable("appendonly", "no"),
    settable("notify-keyspace-events", ""),
    fixed("cluster-enabled", "no"),
    fixed("daemonize", "no"),
    fixed("supervised", "no"),
    fixed("syslog-enabled", "no"),
    fixed("pidfile", ""),
    fixed("replicaof", ""),
];

const fn settable(name: &'static str, value: &'static str) -> Constant {
    Constant {
        name,
        value,
        settable: true,
    }
}

const fn fixed(name: &'static str, value: &'static str) -> Constant {
    Constant {
        name,
        value,
        settable: false,
    }
}

words! {
    /// How sockets are driven.
    IoBackend {
        /// io_uring where it works, else mio.
        Auto = "auto",
        /// io_uring, or no start.
        IoUring = "io_uring",
        /// epoll or kqueue.
        Mio = "mio",
    }
}

words! {
    /// Which keys are evicted at the memory limit.
    EvictionPolicy {
        /// The least recently used of the keys with a deadline.
        VolatileLru = "volatile-lru",
        /// The least frequently used of the keys with a deadline.
        VolatileLfu = "volatile-lfu",
        /// Any of the keys with a deadline.
        VolatileRandom = "volatile-random",
        /// The key that is nearest to its deadline.
        VolatileTtl = "volatile-ttl",
        /// The least recently used.
        AllkeysLru = "allkeys-lru",
        /// The least frequently used.
        AllkeysLfu = "allkeys-lfu",
        /// Any.
        AllkeysRandom = "allkeys-random",
        /// None: writes that need memory fail.
        NoEviction = "noeviction",
        /// What came and was not used again soon, by adaptive S3, which keeps the right keys more often than the others.
        AllkeysS3Fifo = "allkeys-s3fifo" / "",
        /// The same, of the keys with a deadline.
        VolatileS3Fifo = "volatile-s3fifo" / "",
    }
}

words! {
    /// Whether TLS clients must show a certificate.
    TlsClients {
        /// They are not asked for one.
        No = "no",
        /// They may; it must be valid then.
        Optional = "optional",
        /// They must.
        Yes = "yes",
    }
}

words! {
    /// What of a client's certificate names its user.
    TlsUser {
        /// Nothing.
        Off = "off",
        /// The common name.
        Cn = "CN",
    }
}

words! {
    /// Versions of TLS.
    TlsProtocols {
        /// All that there are.
        All = "TLSv1.2 TLSv1.3",
        /// TLS 1.2 only.
        Tls12 = "TLSv1.2",
        /// TLS 1.3 only.
        Tls13 = "TLSv1.3",
    }
}

words! {
    /// How much is logged, most first.
    LogLevel {
        /// Everything.
        Trace = "trace" / "debug",
        /// What a developer needs.
        Debug = "debug",
        /// Redis's level between debug and notice; here the same lines as debug.
        Verbose = "verbose",
        /// What an operator wants to know.
        Info = "info" / "notice",
        /// What an operator should look at.
        Warn = "warn" / "warning",
        /// What failed.
        Error = "error" / "warning",
        /// Nothing.
        Off = "off" / "nothing",
    }
}

words! {
    /// Which channels a new user has.
    PubsubDefault {
        /// None.
        ResetChannels = "resetchannels",
        /// All.
        AllChannels = "allchannels",
    }
}

words! {
    /// The form of log lines.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// The row with this name, a TOML path or a Redis name, in any case, and its place in [`ROWS`].
pub fn find(name: &str) -> Option<(usize, &'static Row)> {
    ROWS.iter().enumerate().find(|(_, row)| row.is_named(name))
}

/// The constant with this name, in any case.
pub fn constant(name: &str) -> Option<&'static Constant> {
    CONSTANTS
        .iter()
        .find(|constant| constant.name.eq_ignore_ascii_case(name))
}

/// The next of the values, as the type of a field.
fn next_field<T: FromValue>(values: &mut std::slice::Iter<'_, Value>) -> T {
    T::from_value(values.next().expect("one value for each row"))
}
