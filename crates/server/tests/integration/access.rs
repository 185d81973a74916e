//! Who may use the server: passwords, users of the configuration and of the ACL file, protected mode, commands that are
//! taken away, wrong passwords that have to wait.

use std::fs;
use std::io::Read;
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use crate::client::{Client, Reply};
use crate::server::{Launch, Server, Target, for_each_backend, make_directory};
use crate::waiting::until;

const PATIENCE: Duration = Duration::from_secs(20);
/// Wrong passwords from one address before the next attempt has to wait.
const FREE_ATTEMPTS: usize = 10;

fn text(client: &mut Client, line: &str) -> String {
    client.command_words(line).to_string()
}

/// Every command and subcommand of the table but four is refused to a client that has not authenticated.
#[test]
fn before_authentication_four_commands_work() {
    for_each_backend(&["--requirepass", "secret"], |server| {
        let mut admin = server.connect();
        assert_eq!(text(&mut admin, "AUTH secret"), "OK");
        let listed = admin.command_words("COMMAND LIST FILTERBY PATTERN *");
        let names: Vec<String> = listed
            .elements()
            .expect("an array")
            .iter()
            .map(Reply::text)
            .collect();
        assert!(names.len() > 100, "{}", names.len());
        for name in &names {
            let info = admin.command(&["COMMAND", "INFO", name]);
            let arity = info.elements().expect("an array")[0]
                .elements()
                .and_then(|fields| fields[1].integer())
                .expect("an arity");
            let mut words: Vec<&str> = name.split('|').collect();
            words.resize((arity.unsigned_abs() as usize).max(words.len()), "x");
            let is_container = names
                .iter()
                .any(|other| other.starts_with(&format!("{name}|")));
            if is_container && words.len() > 1 {
                words[1] = "help";
            }
            let mut client = server.connect();
            let reply = client.command(&words).to_string();
            let expected = match name.as_str() {
                "auth" => "(error) WRONGPASS invalid username-password pair or user is disabled.",
                "hello" => "(error) NOAUTH HELLO must be called",
                "quit" => "OK",
                "reset" => "RESET",
                // As in Redis, which says so of every EXEC that it refuses.
                "exec" => {
                    "(error) EXECABORT Transaction discarded because of: NOAUTH Authentication required."
                }
                _ => "(error) NOAUTH Authentication required.",
            };
            assert!(reply.starts_with(expected), "{words:?}: {reply}");
        }
        assert_eq!(text(&mut server.connect(), "NOSUCH").split(',').count(), 2);
    });
}

/// Shows settings: security.password
#[test]
fn the_password_can_change_while_clients_are_connected() {
    for_each_backend(&[], |server| {
        let (mut before, mut admin) = (server.connect(), server.connect());
        assert_eq!(text(&mut before, "PING"), "PONG");
        assert_eq!(text(&mut admin, "CONFIG SET requirepass one"), "OK");
        assert_eq!(text(&mut before, "PING"), "PONG");
        let mut client = server.connect();
        assert_eq!(
            text(&mut client, "PING"),
            "(error) NOAUTH Authentication required."
        );
        assert_eq!(text(&mut client, "AUTH one"), "OK");
        assert_eq!(text(&mut client, "PING"), "PONG");
        assert_eq!(text(&mut admin, "CONFIG SET timeout 0"), "OK");
        // Another setting does not undo what ACL SETUSER says.
        assert_eq!(text(&mut admin, "ACL SETUSER default >two"), "OK");
        assert_eq!(text(&mut admin, "CONFIG SET timeout 1000"), "OK");
        assert_eq!(text(&mut server.connect(), "AUTH two"), "OK");
        assert_eq!(text(&mut admin, "CONFIG SET requirepass \"\""), "OK");
        assert_eq!(text(&mut server.connect(), "PING"), "PONG");
    });
}

#[test]
fn changes_of_a_user_reach_every_worker_at_once() {
    for_each_backend(&[], |server| {
        let mut admin = server.connect();
        assert_eq!(text(&mut admin, "ACL SETUSER u on >x ~* +@all"), "OK");
        let mut clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
        for client in &mut clients {
            assert_eq!(text(client, "AUTH u x"), "OK");
            assert_eq!(text(client, "GET k"), "(nil)");
        }
        for round in 0..50 {
            let (rule, expected) = match round % 2 {
                0 => (
                    "-get",
                    "(error) NOPERM this user has no permissions to run the 'get' command",
                ),
                _ => ("+get", "(nil)"),
            };
            assert_eq!(text(&mut admin, &format!("ACL SETUSER u {rule}")), "OK");
            for client in &mut clients {
                assert_eq!(text(client, "GET k"), expected);
            }
        }
        assert_eq!(text(&mut admin, "ACL DELUSER u"), "1");
        for client in &mut clients {
            assert!(client.is_closed().expect("an end"));
        }
    });
}

/// Shows settings: security.auth_delay_max
#[test]
fn wrong_passwords_have_to_wait_and_are_logged() {
    for_each_backend(&["--requirepass", "secret"], |server| {
        let (mut attacker, mut other) = (server.connect(), server.connect());
        assert_eq!(text(&mut other, "AUTH secret"), "OK");
        let wrong = "(error) WRONGPASS invalid username-password pair or user is disabled.";
        for _ in 0..FREE_ATTEMPTS {
            assert_eq!(text(&mut attacker, "AUTH wrong"), wrong);
        }
        for _ in 0..3 {
            attacker.send_words("AUTH wrong");
            // Nobody else waits.
            assert_eq!(text(&mut other, "PING"), "PONG");
            let reply = attacker.read_reply().expect("a reply");
            assert_eq!(reply.to_string(), wrong);
        }
        assert_eq!(
            text(&mut other, "CONFIG SET security.auth_delay_max 0"),
            "OK"
        );
        for _ in 0..100 {
            assert_eq!(text(&mut attacker, "AUTH wrong"), wrong);
        }
        assert_eq!(text(&mut attacker, "AUTH secret"), "OK");
        until(PATIENCE, "the log has it", || {
            server
                .log()
                .contains("wrong passwords keep coming from this address")
        });
        assert!(text(&mut other, "ACL LOG 1").contains("\"reason\", \"auth\""));
    });
}

/// An address of this machine that is no loopback address.
fn outer_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: it only finds the way there. The address is one for documentation.
    socket.connect("198.51.100.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// Shows settings: security.protected_mode
#[test]
fn protected_mode_refuses_other_machines() {
    let Some(address) = outer_address() else {
        eprintln!("skipped: this machine has no address but the loopback one");
        return;
    };
    for_each_backend(&["--bind", "0.0.0.0"], |server| {
        let connect = || TcpStream::connect((address, server.port)).expect("a connection");
        let mut refused = String::new();
        connect()
            .read_to_string(&mut refused)
            .expect("the reason, then the end");
        let expected = "-DENIED Redis is running in protected mode because protected mode is enabled and no password";
        assert!(refused.starts_with(expected), "{refused}");
        assert!(refused.ends_with("from the outside.\r\n"), "{refused}");
        let mut local = server.connect();
        assert_eq!(text(&mut local, "CONFIG SET protected-mode no"), "OK");
        let mut far = Client::from_tcp(connect()).expect("a client");
        assert_eq!(text(&mut far, "PING"), "PONG");
        assert_eq!(text(&mut local, "CONFIG SET protected-mode yes"), "OK");
        assert_eq!(text(&mut local, "ACL SETUSER default >x"), "OK");
        let mut far = Client::from_tcp(connect()).expect("a client");
        assert_eq!(text(&mut far, "AUTH x"), "OK");
        assert!(local.info("rejected_connections") > 0);
    });
}

/// Shows settings: security.disabled_commands
#[test]
fn disabled_commands_do_not_exist() {
    let flags = ["--security.disabled_commands", "FLUSHALL, config|set get"];
    for_each_backend(&flags, |server| {
        let mut client = server.connect();
        for (line, expected) in [
            ("FLUSHALL", "(error) ERR unknown command 'FLUSHALL'"),
            ("GET k", "(error) ERR unknown command 'GET'"),
            (
                "CONFIG SET timeout 1",
                "(error) ERR unknown subcommand 'SET'",
            ),
            ("CONFIG GET timeout", "[\"timeout\", \"0\"]"),
            ("COMMAND INFO flushall", "[(nil"),
            ("COMMAND LIST FILTERBY PATTERN flushall", "[]"),
            ("ACL SETUSER u +@all -flushall", "OK"),
            ("SET k v", "OK"),
        ] {
            let reply = text(&mut client, line);
            assert!(reply.starts_with(expected), "{line}: {reply}");
        }
    });
    let mut server = Server::spawn(Target::Mio, &["--security.disabled_commands", "nosuch"]);
    assert!(!server.wait_for_end(PATIENCE).success());
    let expected = "security.disabled_commands must be names of commands, which 'nosuch' is not";
    assert!(server.log().contains(expected), "{}", server.log());
}

/// Shows settings: security.acl_file
#[test]
fn the_acl_file_is_read_and_written() {
    for target in [Target::Mio, Target::IoUring] {
        if !target.is_available() {
            continue;
        }
        let directory = make_directory();
        let path = directory.join("users.acl");
        fs::write(&path, "user a on >x ~* +@all\nuser b on nopass +get ~b*\n").expect("written");
        let flags = ["--aclfile", "users.acl", "--requirepass", "secret"];
        let server = Launch {
            flags: &flags,
            directory,
            ..Launch::new(target)
        }
        .start();
        let mut client = server.connect();
        // The file does not name the default user, so the password of the configuration holds.
        assert!(text(&mut client, "PING").contains("NOAUTH"));
        assert_eq!(text(&mut client, "AUTH a x"), "OK");
        assert_eq!(text(&mut client, "ACL USERS"), r#"["a", "b", "default"]"#);
        assert_eq!(text(&mut client, "ACL SETUSER c on >y +@read ~*"), "OK");
        assert_eq!(text(&mut client, "ACL DELUSER b"), "1");
        assert_eq!(text(&mut client, "ACL SAVE"), "OK");
        let saved = fs::read_to_string(&path).expect("the file");
        let lines: Vec<&str> = saved.lines().collect();
        assert_eq!(lines.len(), 3, "{saved}");
        assert!(lines[0].starts_with("user a on #") && lines[1].starts_with("user c on #"));
        fs::write(&path, "user a on bogus\n").expect("written");
        let refused = text(&mut client, "ACL LOAD");
        assert!(refused.contains("users.acl:1: Syntax error. WARNING: ACL errors detected"));
        assert_eq!(text(&mut client, "ACL USERS"), r#"["a", "c", "default"]"#);
        let mut reader = server.connect();
        assert_eq!(text(&mut reader, "AUTH c y"), "OK");
        fs::write(&path, saved.lines().take(1).collect::<String>()).expect("written");
        assert_eq!(text(&mut client, "ACL LOAD"), "OK");
        assert!(reader.is_closed().expect("an end"));
        assert_eq!(text(&mut client, "ACL USERS"), r#"["a", "default"]"#);
    }
}

#[test]
fn a_start_without_the_acl_file_fails() {
    let mut server = Server::spawn(Target::Mio, &["--aclfile", "missing.acl"]);
    assert!(!server.wait_for_end(PATIENCE).success());
    let expected = "Error loading ACLs, opening file 'missing.acl': No such file or directory";
    assert!(server.log().contains(expected), "{}", server.log());
}

/// Shows settings: security.users.name, security.users.rules
#[test]
fn users_of_the_configuration_are_there_at_once() {
    let file = r#"
[[security.users]]
name = "reader"
rules = "on >x ~cache:* +@read"

[[security.users]]
name = "writer"
rules = ["on", ">pass word", "~*", "+@all", "-@dangerous"]

[[security.users]]
name = "default"
rules = "on nopass +ping"
"#;
    for target in [Target::Mio, Target::IoUring] {
        if !target.is_available() {
            continue;
        }
        let launch = Launch::new(target);
        fs::write(launch.directory.join("redistill.toml"), file).expect("written");
        let server = launch.start();
        let mut client = server.connect();
        assert_eq!(text(&mut client, "PING"), "PONG");
        assert!(text(&mut client, "GET k").contains("NOPERM"));
        assert_eq!(text(&mut client, "AUTH reader x"), "OK");
        assert_eq!(text(&mut client, "GET cache:k"), "(nil)");
        assert!(text(&mut client, "GET k").contains("one of the keys"));
        assert_eq!(text(&mut client, "AUTH writer \"pass word\""), "OK");
        assert_eq!(text(&mut client, "SET k v"), "OK");
        assert!(text(&mut client, "FLUSHALL").contains("NOPERM"));
    }
}

#[test]
fn changed_users_are_written_into_the_configuration() {
    let file = "# ours\n[[security.users]]\nname = \"reader\"\nrules = \"on >x ~cache:* +@read\" # for reports\n";
    for target in [Target::Mio, Target::IoUring] {
        if !target.is_available() {
            continue;
        }
        let launch = Launch::new(target);
        fs::write(launch.directory.join("redistill.toml"), file).expect("written");
        let mut server = launch.start();
        let mut client = server.connect();
        let path = server.directory().join("redistill.toml");
        assert_eq!(text(&mut client, "CONFIG REWRITE"), "OK");
        // What flags set is written as well.
        let same = fs::read_to_string(&path).expect("the file");
        assert!(
            same.starts_with(file) && !same[file.len()..].contains("user"),
            "{same}"
        );
        assert_eq!(text(&mut client, "ACL SETUSER reader +set"), "OK");
        assert_eq!(
            text(&mut client, "ACL SETUSER writer on >y ~* +@write"),
            "OK"
        );
        let users = text(&mut client, "ACL LIST");
        assert_eq!(text(&mut client, "CONFIG REWRITE"), "OK");
        let written = fs::read_to_string(&path).expect("the file");
        assert!(written.starts_with("# ours\n") && written.contains(" # for reports\n"));
        assert!(
            !written.contains(">x") && !written.contains(">y"),
            "{written}"
        );
        server.signal(rustix::process::Signal::TERM);
        server.wait_for_end(PATIENCE);
        let launch = Launch::new(target);
        fs::write(launch.directory.join("redistill.toml"), written).expect("written");
        let server = launch.start();
        assert_eq!(text(&mut server.connect(), "ACL LIST"), users);
    }
}

/// Shows settings: security.acl_pubsub_default, security.acl_log_max_len
#[test]
fn the_settings_of_users_can_change() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        assert_eq!(
            text(&mut client, "CONFIG SET acl-pubsub-default allchannels"),
            "OK"
        );
        assert_eq!(text(&mut client, "ACL SETUSER u +get"), "OK");
        assert!(text(&mut client, "ACL LIST").contains("user u off &* -@all +get"));
        assert_eq!(text(&mut client, "CONFIG SET acllog-max-len 2"), "OK");
        for user in ["a", "b", "c"] {
            assert!(text(&mut client, &format!("AUTH {user} x")).contains("WRONGPASS"));
        }
        let log = client.command_words("ACL LOG 10");
        assert_eq!(log.elements().map(<[Reply]>::len), Some(2));
        assert_eq!(text(&mut client, "ACL LOG RESET"), "OK");
        assert_eq!(text(&mut client, "ACL LOG"), "[]");
    });
}
