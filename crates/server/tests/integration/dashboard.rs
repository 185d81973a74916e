//! The dashboard in a browser: every panel shows something, and what clients send is never markup.
//!
//! With REDISTILL_BLESS=1 the test also writes the picture of the README, docs/dashboard.png.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crate::client::{Client, Reply, encode};
use crate::http_client::Site;
use crate::random::Random;
use crate::server::{Launch, Target, skipped};
use crate::waiting::until;

/// How long something may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);
/// The browser.
const BROWSERS: [&str; 2] = ["chromium", "chromium-browser"];
/// Milliseconds that the page believes to have seen: one answer for each second.
const PAGE_MS: u32 = 180_000;
/// The size of the picture.
const WINDOW: &str = "--window-size=1500,1010";
/// The largest picture for a README, in bytes.
const PICTURE_BYTES_MAX: u64 = 200_000;

const FILE: &str = r#"
[memory]
max_memory = "96mb"
eviction_policy = "allkeys-s3fifo"

[[prefix]]
match = "session:"
max_memory = "4mb"

[[prefix]]
match = "product:"
"#;
const KEYS: u64 = 400_000;
const NASTY: &str = "<img src=x onerror=alert(1)>";
/// Panels, each with something that it shows when it works.
const PANELS: [(&str, &str); 13] = [
    ("throughput", "commands/s"),
    ("hits", "never seen"),
    ("latency", "99.9 %"),
    ("memory", "entries"),
    ("evictions", "allkeys-s3fifo"),
    ("curve", "With +"),
    ("workers", "per wake"),
    ("commands", "get"),
    ("hotkeys", "product:"),
    ("bigkeys", "onerror"),
    ("prefixes", "session:"),
    ("clients", "web-1"),
    ("slowlog", ""),
];

#[test]
fn every_panel_shows_something() {
    let Some(browser) = find_browser() else {
        return;
    };
    let launch = Launch::new(Target::Mio);
    fs::write(launch.directory.join("redistill.toml"), FILE).expect("the file is written");
    let site = Site::launch(launch);
    let stops = &AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 1..=3 {
            let client = named(&site, &format!("web-{number}"));
            scope.spawn(move || read_through(client, number, stops));
        }
        let control = named(&site, "control");
        // However it ends, the others end as well.
        let _stop = Stop(stops);
        prepare(control, &site);
        look(&browser, &site);
    });
}

struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn look(browser: &str, site: &Site) {
    let url = format!("http://127.0.0.1:{}/", site.port);
    let directory = site.server.directory();
    let (page, log) = run(browser, directory, &["--dump-dom", &url]);
    for trouble in ["Content Security Policy", "Uncaught", "TypeError"] {
        assert!(!log.contains(trouble), "{log}");
    }
    assert!(!page.contains("<img"), "a key has become markup");
    for (panel, expected) in PANELS {
        let text = panel_text(&page, panel);
        let shows = text.chars().any(|character| character.is_ascii_digit());
        let is_known = panel == "slowlog" || shows;
        assert!(is_known && text.contains(expected), "{panel}: {text}");
    }
    if std::env::var_os("REDISTILL_BLESS").is_some() {
        take_picture(browser, site, &url);
    }
}

fn take_picture(browser: &str, site: &Site, url: &str) {
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/dashboard.png");
    let flag = format!("--screenshot={}", picture.display());
    run(browser, site.server.directory(), &[&flag, url]);
    let bytes = fs::metadata(&picture).expect("the picture").len();
    assert!(bytes < PICTURE_BYTES_MAX, "{bytes}");
}

/// What the browser prints, and its log.
fn run(browser: &str, directory: &Path, arguments: &[&str]) -> (String, String) {
    let profile = format!("--user-data-dir={}", directory.join("browser").display());
    let time = format!("--virtual-time-budget={PAGE_MS}");
    let mut command = Command::new(browser);
    command.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
    ]);
    command.args([
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--enable-logging=stderr",
    ]);
    command.args([&profile, &time, WINDOW]).args(arguments);
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the browser runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let log = text(&output.stderr);
    assert!(output.status.success(), "{log}");
    (text(&output.stdout), log)
}

/// The text of a panel, behind its title.
fn panel_text(page: &str, panel: &str) -> String {
    let start = format!("<section data-panel=\"{panel}\"");
    let (_, rest) = page.split_once(&start).expect(panel);
    let (inside, _) = rest.split_once("</section>").expect(panel);
    let (_, inside) = inside.split_once("</h2>").expect(panel);
    let mut text = String::new();
    for part in inside.split('<') {
        text += part.split_once('>').map_or(part, |(_, after)| after);
        text.push(' ');
    }
    text
}

fn find_browser() -> Option<String> {
    if skipped("REDISTILL_WITHOUT_CHROMIUM", "the dashboard in a browser") {
        return None;
    }
    let is_there = |name: &&&str| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    let found = BROWSERS
        .iter()
        .find(is_there)
        .map(|name| (*name).to_owned());
    if found.is_none() {
        eprintln!(
            "skipped: the dashboard in a browser. Install one (Debian: apt-get install chromium)"
        );
    }
    found
}

fn named(site: &Site, name: &str) -> Client {
    let mut client = site.server.connect();
    client.command_words(&format!("CLIENT SETNAME {name}"));
    client
}

/// Waits until there is something to show.
fn prepare(mut control: Client, site: &Site) {
    until(PATIENCE, "there is something to show", || {
        let numbers = site.get("/dashboard.json").body;
        let has_curve =
            numbers.contains("\"factor\":2,") && !numbers.contains("\"hit_ratio\":null");
        has_curve
            && control.info("evicted_keys") > 1000
            && numbers.contains("\"key\":\"product:")
            && numbers.contains("onerror")
    });
}

/// Reads keys, of which some are wanted much more than others, and stores those that are not there.
fn read_through(mut client: Client, seed: u64, stops: &AtomicBool) {
    let mut random = Random::new(seed);
    let value = [b'v'; 300];
    while !stops.load(Relaxed) {
        if random.once_in(50) {
            store_big(&mut client);
        }
        let keys: Vec<String> = (0..100).map(|_| key(&mut random)).collect();
        let requests: Vec<u8> = keys.iter().flat_map(|key| encode(&["GET", key])).collect();
        client.send(&requests).expect("sent");
        let mut missing = Vec::new();
        for key in &keys {
            if client.read_reply().expect("a reply") == Reply::NilBulk {
                missing.push(key);
            }
        }
        let stores = missing.iter().flat_map(|key| {
            let seconds = if key.starts_with("session:") {
                "2"
            } else {
                "600"
            };
            encode(&[b"SET", key.as_bytes(), &value, b"EX", seconds.as_bytes()])
        });
        client.send(&stores.collect::<Vec<u8>>()).expect("sent");
        for _ in &missing {
            client.read_reply().expect("a reply");
        }
    }
}

/// Stores large values, which would be evicted if nobody did.
fn store_big(client: &mut Client) {
    for (key, bytes) in [
        (NASTY, 300_000),
        ("report:2026-11", 200_000),
        ("report:2026-10", 90_000),
    ] {
        client.command(&[b"SET", key.as_bytes(), &vec![b'v'; bytes]]);
    }
}

fn key(random: &mut Random) -> String {
    let part = random.below(1 << 20) as f64 / f64::from(1 << 20);
    if random.below(10) == 0 {
        return format!("session:{}", random.below(20_000));
    }
    let number = (part.powi(5) * KEYS as f64) as u64;
    format!("product:{number}")
}
