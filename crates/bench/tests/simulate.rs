//! The simulator: its policies against published miss ratios of two real traces, where these are at hand, and its live
//! comparison where there is a redis-server.
//!
//! The traces are looked for in `REDISTILL_TRACES`, or in `shared/traces` beside the repository.

use std::path::PathBuf;
use std::process::Command;

use bench::simulate::compare::miss_ratio;
use bench::simulate::policies::{Setup, named};
use bench::simulate::size::Size;
use bench::simulate::trace::Trace;

/// How far a policy that samples at random may be off.
const TOLERANCE: f64 = 0.003;

/// The trace of that name, or a line that says why the test is skipped.
fn trace(name: &str) -> Option<Trace> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let directory = std::env::var_os("REDISTILL_TRACES").map_or_else(beside, PathBuf::from);
    let path = directory.join(name);
    if !path.exists() {
        println!("skipped: there is no {}", path.display());
        return None;
    }
    Some(Trace::read(&path).unwrap())
}

fn ratio(trace: &Trace, policy: &str, percent: f64) -> f64 {
    let setup = Setup {
        entries: Size::Percent(percent).entries(trace.keys),
        requests: &trace.requests,
        seed: 1,
        regions_max: 64,
    };
    let mut cache = (named(policy).unwrap().cache)(&setup);
    miss_ratio(cache.as_mut(), &trace.requests)
}

#[track_caller]
fn check(trace: &Trace, policy: &str, expected: [(f64, f64); 3]) {
    for (percent, expected) in expected {
        let found = ratio(trace, policy, percent);
        assert!(
            (found - expected).abs() <= TOLERANCE,
            "{}, {policy}, {percent} %: {found:.4}, expected {expected}",
            trace.name
        );
    }
}

#[test]
fn published_ratios_of_arc_oltp() {
    let Some(trace) = trace("arc-oltp.u32") else {
        return;
    };
    assert_eq!((trace.requests.len(), trace.keys), (914_145, 186_880));
    check(
        &trace,
        "optimal",
        [(0.1, 0.6494), (1.0, 0.4023), (10.0, 0.2379)],
    );
    check(
        &trace,
        "redis-lru",
        [(0.1, 0.8635), (1.0, 0.5865), (10.0, 0.3362)],
    );
    check(
        &trace,
        "redis-lfu",
        [(0.1, 0.8680), (1.0, 0.6176), (10.0, 0.3553)],
    );
}

#[test]
fn published_ratios_of_orm_busy() {
    let Some(trace) = trace("orm-busy-1m.u32") else {
        return;
    };
    assert_eq!((trace.requests.len(), trace.keys), (1_000_000, 44_178));
    check(
        &trace,
        "optimal",
        [(0.1, 0.4707), (1.0, 0.2264), (10.0, 0.0869)],
    );
    check(
        &trace,
        "redis-lru",
        [(0.1, 0.5784), (1.0, 0.3503), (10.0, 0.1430)],
    );
    check(
        &trace,
        "redis-lfu",
        [(0.1, 0.7692), (1.0, 0.4794), (10.0, 0.1528)],
    );
}

/// What the project asks of adaptive S3: of the model, and of the server's policy.
#[test]
fn adaptive_s3_misses_less() {
    let asked = [
        ("arc-oltp.u32", [(1.0, 0.550), (10.0, 0.325)]),
        ("orm-busy-1m.u32", [(1.0, 0.320), (10.0, 0.136)]),
    ];
    for (name, ratios) in asked {
        let Some(trace) = trace(name) else {
            return;
        };
        for policy in ["reference-s3", "allkeys-s3fifo"] {
            for (percent, ratio_max) in ratios {
                let found = ratio(&trace, policy, percent);
                assert!(
                    found <= ratio_max,
                    "{policy}, {name}, {percent} %: {found:.4}"
                );
            }
        }
        for percent in [0.1, 1.0, 5.0, 10.0, 25.0] {
            let lru = ratio(&trace, "redis-lru", percent);
            for policy in ["reference-s3", "allkeys-s3fifo"] {
                let s3 = ratio(&trace, policy, percent);
                assert!(
                    s3 <= lru * 1.05,
                    "{policy}, {name}, {percent} %: {s3:.4}, LRU {lru:.4}"
                );
            }
        }
    }
}

#[test]
fn every_policy_hits_what_fits() {
    let trace: Vec<u32> = (0..100).cycle().take(1000).collect();
    for policy in bench::simulate::policies::POLICIES {
        let setup = Setup {
            entries: 100,
            requests: &trace,
            seed: 1,
            regions_max: 64,
        };
        let ratio = miss_ratio((policy.cache)(&setup).as_mut(), &trace);
        assert!((ratio - 0.1).abs() < 1e-9, "{}: {ratio}", policy.name);
    }
}

#[test]
fn json_has_an_object_for_each_policy_and_size() {
    let output = Command::new(env!("CARGO_BIN_EXE_redistill-simulate"))
        .args(["--json", "--generate", "loop:keys=100,requests=1000"])
        .args(["--policies", "lru,allkeys-lru", "--sizes", "10%,100%"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let records: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let all: Vec<String> = records
        .iter()
        .map(|record| {
            let [policy, size, entries] = ["policy", "size", "entries"].map(|name| &record[name]);
            format!("{policy} {size} {entries} {}", record["miss_ratio"])
        })
        .collect();
    let expected = [
        r#""lru" "10 %" 10 1.0"#,
        r#""lru" "100 %" 100 0.1"#,
        r#""allkeys-lru" "10 %" 10 1.0"#,
        r#""allkeys-lru" "100 %" 100 0.1"#,
    ];
    assert_eq!(all, expected);
}

/// The command itself, with redis-server on both sides.
#[test]
fn live_comparison_of_redis_policies() {
    if Command::new("redis-server")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("skipped: there is no redis-server");
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_redistill-simulate"))
        .args(["--live", "--generate", "zipf:keys=500,requests=2000"])
        .args(["--keys-per-id", "16", "--live-size", "20%"])
        .arg("--server-command")
        .arg(
            "redis-random=redis-server --port {port} --save '' --appendonly no \
             --maxmemory {bytes} --maxmemory-policy allkeys-random",
        )
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let row = |name: &str| {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| {name} ")));
        let row = row.unwrap_or_else(|| panic!("no row for {name}: {text}"));
        let number = |column: usize| -> f64 {
            let cell = row.split('|').nth(column).unwrap().trim();
            cell.parse().unwrap()
        };
        (number(2), number(5))
    };
    let (base, random) = (row("redis-server"), row("redis-random"));
    assert!((base.0 - random.0).abs() < 0.5, "equal limits: {text}");
    for ratio in [base.1, random.1] {
        assert!((0.1..0.9).contains(&ratio), "{text}");
    }
}
