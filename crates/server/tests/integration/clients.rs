//! Real clients with their defaults: redis-rs from here, redis-py, ioredis and node-redis by scripts
//! in `clients/`, and redis-cli and redis-benchmark.
//!
//! The libraries are installed once into cargo's directory for temporary files. Where Python, npm
//! or the network are missing, the short run says so and goes on; the long run fails.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use redis::{Commands, ErrorKind, ServerErrorKind};

use crate::server::{Server, Target, is_long_run};

const REDIS_PY: &str = "redis>=8,<9";
const NODE_PACKAGES: &[&str] = &["ioredis@6", "redis@6"];

/// Both backends; redis-server shows that the scripts are right.
fn targets() -> impl Iterator<Item = Target> {
    let all = [Target::Mio, Target::IoUring, Target::Redis];
    all.into_iter().filter(|target| target.is_available())
}

#[test]
fn redis_py() {
    let Some(python) = python() else { return };
    for target in targets() {
        run_script(target, Command::new(&python), "redis_py.py");
    }
}

#[test]
fn ioredis() {
    let Some(modules) = node_modules() else {
        return;
    };
    for target in targets() {
        run_script(target, node(&modules), "ioredis.js");
    }
}

#[test]
fn node_redis() {
    let Some(modules) = node_modules() else {
        return;
    };
    for target in targets() {
        run_script(target, node(&modules), "node_redis.js");
    }
}

fn node(modules: &Path) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", modules);
    command
}

fn run_script(target: Target, mut command: Command, script: &str) {
    let server = Server::start(target);
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/integration/clients");
    command.arg(scripts.join(script));
    command.arg(server.port.to_string()).arg(server.socket());
    let output = command.output().expect("the script runs");
    assert!(
        output.status.success(),
        "{script} against {target:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{target:?}: {}", String::from_utf8_lossy(&output.stdout));
}

/// The interpreter of an environment that has redis-py, or `None` with a line that says why not.
fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let install = || {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("redis-py");
        let python = directory.join("bin/python");
        if runs(Command::new(&python).args(["-c", "import redis"])) {
            return Some(python);
        }
        let made =
            runs(
                Command::new("python3")
                    .arg("-m")
                    .arg("venv")
                    .arg(&directory),
            ) && runs(Command::new(&python).args(["-m", "pip", "install", "--quiet", REDIS_PY]));
        made.then_some(python)
    };
    installed("redis-py (python3 with venv and pip)", &PYTHON, install)
}

/// The directory of the node modules, or `None` with a line that says why not.
fn node_modules() -> Option<PathBuf> {
    static MODULES: OnceLock<Option<PathBuf>> = OnceLock::new();
    let install = || {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("node");
        let modules = directory.join("node_modules");
        if modules.join("ioredis").is_dir() && modules.join("redis").is_dir() {
            return Some(modules);
        }
        std::fs::create_dir_all(&directory).ok()?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]);
        npm.arg(&directory).args(NODE_PACKAGES);
        runs(&mut npm).then_some(modules)
    };
    installed("ioredis and node-redis (node with npm)", &MODULES, install)
}

fn installed(
    what: &str,
    cell: &'static OnceLock<Option<PathBuf>>,
    install: impl FnOnce() -> Option<PathBuf>,
) -> Option<PathBuf> {
    let path = cell.get_or_init(install).clone();
    if path.is_none() {
        assert!(!is_long_run(), "{what} cannot be installed here");
        eprintln!("skipped: {what} cannot be installed here");
    }
    path
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The command line client of Redis, with its defaults and in RESP3.
#[test]
fn redis_cli() {
    if !Target::Redis.is_available() {
        return;
    }
    for target in targets() {
        let server = Server::start(target);
        let run = |arguments: &[&str]| cli(&server, arguments, "");
        assert_eq!(run(&["SET", "k", "v"]), "OK\n");
        assert_eq!(run(&["-3", "GET", "k"]), "v\n");
        assert_eq!(run(&["-n", "3", "GET", "k"]), "\n");
        assert_eq!(run(&["-r", "3", "INCR", "n"]), "1\n2\n3\n");
        assert_eq!(run(&["--no-raw", "-3", "GET", "missing"]), "(nil)\n");
        assert!(run(&["NOSUCH"]).starts_with("ERR unknown command"));
        assert_eq!(
            cli(&server, &["-x", "SET", "stdin"], "from standard input"),
            "OK\n"
        );
        assert_eq!(run(&["GET", "stdin"]), "from standard input\n");
        let mut keys: Vec<String> = run(&["--scan"]).lines().map(str::to_owned).collect();
        keys.sort();
        assert_eq!(keys, ["k", "n", "stdin"]);
        let big = run(&["--bigkeys"]);
        assert!(big.contains("Biggest string found"), "{big}");
        let memory = run(&["--memkeys"]);
        assert!(memory.contains("Sampled 3 keys"), "{memory}");
        let mass: String = (0..10_000)
            .map(|n| format!("SET mass:{n} {n}\r\n"))
            .collect();
        let piped = cli(&server, &["--pipe"], &mass);
        assert!(piped.contains("errors: 0, replies: 10000"), "{piped}");
        assert_eq!(run(&["DBSIZE"]), "10003\n");
        let transaction = cli(&server, &[], "MULTI\nSET t 1\nINCR t\nEXEC\n");
        assert_eq!(transaction, "OK\nQUEUED\nQUEUED\nOK\n2\n");
    }
}

fn cli(server: &Server, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("redis-cli");
    command
        .args(["-p", &server.port.to_string()])
        .args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    let mut child = command.spawn().expect("redis-cli (redis-tools) runs");
    let mut stdin = child.stdin.take().expect("its standard input");
    stdin
        .write_all(input.as_bytes())
        .expect("the input is taken");
    drop(stdin);
    let output = child.wait_with_output().expect("redis-cli ends");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// The load generator of Redis ends without an error.
#[test]
fn redis_benchmark() {
    if !Target::Redis.is_available() {
        return;
    }
    let (clients, requests) = match is_long_run() {
        true => ("500", "2000000"),
        false => ("100", "100000"),
    };
    for target in targets().filter(|target| target.is_ours()) {
        let server = Server::start(target);
        let mut command = Command::new("redis-benchmark");
        command.args([
            "-p",
            &server.port.to_string(),
            "-t",
            "ping,set,get,incr,mset",
        ]);
        command.args([
            "-c", clients, "-P", "128", "-n", requests, "-r", "1000000", "-q",
        ]);
        let output = command
            .output()
            .expect("redis-benchmark (redis-tools) runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{text}");
        assert!(!text.to_lowercase().contains("error"), "{text}");
        assert_eq!(text.matches("requests per second").count(), 6, "{text}");
    }
}

#[test]
fn redis_rs() {
    for target in targets() {
        let server = Server::start(target);
        for parameters in ["", "?protocol=resp3"] {
            let url = format!("redis://127.0.0.1:{}/{parameters}", server.port);
            redis_rs_over(&url);
        }
        redis_rs_over(&format!("unix://{}", server.socket().display()));
    }
}

fn redis_rs_over(url: &str) {
    let client = redis::Client::open(url).expect(url);
    let mut connection = client.get_connection().expect(url);
    let limit = Some(std::time::Duration::from_secs(20));
    connection.set_read_timeout(limit).expect("a time limit");
    let () = connection.set("k", "v").expect("SET");
    assert_eq!(connection.get::<_, String>("k").expect("GET"), "v");
    let missing: Option<String> = connection.get("missing").expect("GET");
    assert_eq!(missing, None);
    let () = connection.set_ex("k", b"\x00\xff\r\n", 100).expect("SETEX");
    let bytes: Vec<u8> = connection.get("k").expect("GET");
    assert_eq!(bytes, b"\x00\xff\r\n");
    let () = connection.mset(&[("a", 1), ("b", 2)]).expect("MSET");
    let values: (i64, i64) = connection.mget(&["a", "b"]).expect("MGET");
    assert_eq!(values, (1, 2));

    let (one, two): (i64, i64) = redis::pipe()
        .atomic()
        .incr("a", 10)
        .incr("b", 10)
        .query(&mut connection)
        .expect("MULTI");
    assert_eq!((one, two), (11, 12));
    let doubled: (String,) = redis::transaction(&mut connection, &["a"], |connection, pipe| {
        let value: i64 = connection.get("a")?;
        pipe.set("a", value * 2).query(connection)
    })
    .expect("WATCH");
    assert_eq!(doubled.0, "OK");
    assert_eq!(connection.get::<_, i64>("a").expect("GET"), 22);

    let () = connection.set("text", "abc").expect("SET");
    let error = connection.incr::<_, _, i64>("text", 1).expect_err("INCR");
    assert_eq!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ResponseError)
    );

    let mut pipe = redis::pipe();
    for number in 0..1000 {
        pipe.set(format!("many:{number}"), number).ignore();
    }
    let () = pipe.query(&mut connection).expect("a pipeline");
    let found: Result<Vec<String>, _> = connection.scan_match("many:*").expect("SCAN").collect();
    let mut found = found.expect("keys");
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 1000);
    let () = redis::cmd("FLUSHALL")
        .query(&mut connection)
        .expect("FLUSHALL");
}
