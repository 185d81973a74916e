//! ACL and what it changes, command by command.

use crate::testing::{TestProcess, TestServer, check, check_resp3};

#[test]
fn rules_are_shown_as_redis_shows_them() {
    check(
        "ACL LIST
         ACL SETUSER u
         ACL SETUSER v on >x ~k* %R~r %W~w %RW~b &ch +@all -@dangerous -object +object|help -set (+get ~a %W~b)
         ACL SETUSER w reset +select|0 +select|1 +SELECT|0 allkeys allchannels
         ACL LIST
         ACL GETUSER v
         ACL GETUSER nosuch
         ACL USERS",
        "[user default on nopass ~* &* +@all]
         OK
         OK
         OK
         [user default on nopass ~* &* +@all user u off resetchannels -@all user v on \
         #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 ~k* %R~r %W~w ~b resetchannels &ch +@all \
         -@dangerous -set -object +object|help (~a %W~b resetchannels -@all +get) user w off sanitize-payload ~* &* -@all \
         +select|0 +select|1]
         [flags [on] passwords [2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881] commands +@all \
         -@dangerous -set -object +object|help keys ~k* %R~r %W~w ~b channels &ch selectors [[commands -@all +get keys ~a %W~b \
         channels \"\"]]]
         nil
         [default u v w]",
    );
    check_resp3(
        "ACL SETUSER u nopass on
         ACL GETUSER u
         ACL GETUSER nosuch",
        "OK
         {flags ~[on nopass] passwords [] commands -@all keys \"\" channels \"\" selectors []}
         nil",
    );
}

#[test]
fn single_rules_become_categories_where_that_is_shorter() {
    check(
        "ACL SETUSER u +multi +exec +discard +watch
         ACL SETUSER v +@all -@write -@read
         ACL SETUSER w +@all -@all +get +set -get +@read -@write +config -config|set
         ACL LIST",
        "OK
         OK
         OK
         [user default on nopass ~* &* +@all user u off resetchannels -@all +@transaction -unwatch user v off \
         resetchannels +@all -@write -@read user w off resetchannels -@all +@read +config -config|set]",
    );
}

#[test]
fn wrong_rules_change_nothing() {
    check(
        "ACL SETUSER u on >a ~* &*
         ACL SETUSER u off +@bogus
         ACL SETUSER u +nosuch
         ACL SETUSER u -nosuch
         ACL SETUSER u \" +get\"
         ACL SETUSER u foo
         ACL SETUSER u ~a
         ACL SETUSER u &a
         ACL SETUSER u resetkeys \"~a b\"
         ACL SETUSER u resetkeys %~a
         ACL SETUSER u resetkeys %rR~a
         ACL SETUSER u <b
         ACL SETUSER u #zz
         ACL SETUSER u !zz
         ACL SETUSER u (+get
         ACL SETUSER u (bogus)
         ACL SETUSER u +config|get|x
         ACL SETUSER u +config|nosuch
         ACL SETUSER u +select|
         ACL SETUSER u -select|1
         ACL SETUSER \"a b\"
         ACL SETUSER
         ACL LIST",
        "OK
         -ERR Error in ACL SETUSER modifier '+@bogus': Unknown command or category name in ACL
         -ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL
         -ERR Error in ACL SETUSER modifier '-nosuch': Unknown command or category name in ACL
         -ERR Error in ACL SETUSER modifier ' +get': Syntax error
         -ERR Error in ACL SETUSER modifier 'foo': Syntax error
         -ERR Error in ACL SETUSER modifier '~a': Adding a pattern after the * pattern (or the 'allkeys' flag) is \
         not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns
         -ERR Error in ACL SETUSER modifier '&a': Adding a pattern after the * pattern (or the 'allchannels' flag) is \
         not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels
         -ERR Error in ACL SETUSER modifier '~a b': Syntax error
         -ERR Error in ACL SETUSER modifier '%~a': Syntax error
         -ERR Error in ACL SETUSER modifier '%rR~a': Syntax error
         -ERR Error in ACL SETUSER modifier '<b': The password you are trying to remove from the user does not exist
         -ERR Error in ACL SETUSER modifier '#zz': The password hash must be exactly 64 characters and contain only \
         lowercase hexadecimal characters
         -ERR Error in ACL SETUSER modifier '!zz': The password hash must be exactly 64 characters and contain only \
         lowercase hexadecimal characters
         -ERR Unmatched parenthesis in acl selector starting at '(+get'.
         -ERR Error in ACL SETUSER modifier '(bogus)': Syntax error
         -ERR Error in ACL SETUSER modifier '+config|get|x': Allowing first-arg of a subcommand is not supported
         -ERR Error in ACL SETUSER modifier '+config|nosuch': Unknown command or category name in ACL
         -ERR Error in ACL SETUSER modifier '+select|': Syntax error
         -ERR Error in ACL SETUSER modifier '-select|1': Unknown command or category name in ACL
         -ERR Usernames can't contain spaces or null characters
         -ERR wrong number of arguments for 'acl|setuser' command
         [user default on nopass ~* &* +@all user u on \
         #ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb ~* &* -@all]",
    );
}

#[test]
fn a_user_may_do_what_its_rules_say() {
    check(
        "ACL SETUSER u on nopass +@string +config|get +select|1 ~k* %R~r* (+set %W~w*)
         b> AUTH u x
         b> SET k1 v
         b> GET k1
         b> SET r1 v
         b> GET r1
         b> SET w1 v
         b> GET w1
         b> SET w1 v GET
         b> MSET k1 a r1 b
         b> DEL k1
         b> PING
         b> CONFIG GET a
         b> CONFIG SET a 1
         b> SELECT 1
         b> SELECT 2
         b> NOSUCH
         b> GET
         b> ACL WHOAMI
         b> RESET
         b> ACL WHOAMI",
        "OK
         OK
         OK
         v
         -NOPERM this user has no permissions to access one of the keys used as arguments
         nil
         OK
         -NOPERM this user has no permissions to access one of the keys used as arguments
         -NOPERM this user has no permissions to access one of the keys used as arguments
         -NOPERM this user has no permissions to access one of the keys used as arguments
         -NOPERM this user has no permissions to run the 'del' command
         -NOPERM this user has no permissions to run the 'ping' command
         []
         -NOPERM this user has no permissions to run the 'config|set' command
         OK
         -NOPERM this user has no permissions to run the 'select' command
         -ERR unknown command 'NOSUCH', with args beginning with:
         -ERR wrong number of arguments for 'get' command
         -NOPERM this user has no permissions to run the 'acl|whoami' command
         RESET
         default",
    );
}

#[test]
fn changes_hold_at_once() {
    check(
        "ACL SETUSER u on nopass +@all ~*
         b> AUTH u x
         b> GET k
         ACL SETUSER u -get
         b> GET k
         b> SET k v
         ACL SETUSER u off
         b> SET k v
         c> AUTH u x
         b> ACL SETUSER u -set
         b> SET k v
         ACL SETUSER default -get
         GET k
         SET k v",
        "OK
         OK
         nil
         OK
         -NOPERM this user has no permissions to run the 'get' command
         OK
         OK
         OK
         -WRONGPASS invalid username-password pair or user is disabled.
         OK
         -NOPERM this user has no permissions to run the 'set' command
         OK
         -NOPERM this user has no permissions to run the 'get' command
         OK",
    );
}

#[test]
fn transactions_are_checked_twice() {
    check(
        "ACL SETUSER u on nopass +@all -del ~k*
         b> AUTH u x
         b> MULTI
         b> DEL k
         b> EXEC
         b> MULTI
         b> SET k v
         b> GET k
         b> INCR k2
         ACL SETUSER u -get resetkeys ~k
         b> EXEC
         b> MULTI
         b> SET j v
         b> DISCARD",
        "OK
         OK
         OK
         -NOPERM this user has no permissions to run the 'del' command
         -EXECABORT Transaction discarded because of previous errors.
         OK
         QUEUED
         QUEUED
         QUEUED
         OK
         [OK -NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
         command is no longer allowed for the following reason: no permission to execute the command -NOPERM ACLs rules \
         changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed \
         for the following reason: no permission to touch the specified keys]
         OK
         -NOPERM this user has no permissions to access one of the keys used as arguments
         OK",
    );
}

#[test]
fn denials_are_logged() {
    let mut server = TestServer::new();
    server.run("ACL SETUSER u on nopass +@all -del ~k\nb> AUTH u x\nb> DEL k\nb> DEL k\n+500\nb> GET j\nAUTH u2 x");
    let shown = server.run("ACL LOG");
    let entries: Vec<&str> = shown.split("[count ").skip(1).collect();
    for (entry, start, end) in [
        (
            entries[0],
            ":1 reason auth context toplevel object AUTH username u2 age-seconds 0 client-info id=1 ",
            " entry-id :2 timestamp-created :1700000000500 timestamp-last-updated :1700000000500]]",
        ),
        (
            entries[1],
            ":1 reason key context toplevel object j username u age-seconds 0 client-info id=2 ",
            " entry-id :1 timestamp-created :1700000000500 timestamp-last-updated :1700000000500] ",
        ),
        (
            entries[2],
            ":2 reason command context toplevel object del username u age-seconds 0.5 client-info id=2 ",
            " entry-id :0 timestamp-created :1700000000000 timestamp-last-updated :1700000000000]]",
        ),
    ] {
        assert!(entry.starts_with(start), "{entry}");
        assert!(entry.contains(end.trim_end_matches([']', ' '])), "{entry}");
    }
    assert_eq!(entries.len(), 3);
    assert_eq!(
        server
            .run("b> MULTI\nb> GET j\nb> DISCARD\nACL LOG 1")
            .matches("context multi")
            .count(),
        1
    );
    assert_eq!(
        server.run("ACL LOG RESET\nACL LOG\nACL LOG x\nACL LOG -1\nACL LOG 1 2"),
        "OK\n[]\n-ERR value is not an integer or out of range\n[]\n-ERR unknown subcommand or wrong number of arguments \
         for 'LOG'. Try ACL HELP."
    );
    // Counted whatever becomes of the log, as in Redis.
    let stats = server.run("CONFIG RESETSTAT\nINFO stats");
    for (name, count) in [("auth", 1), ("cmd", 2), ("key", 2), ("channel", 0)] {
        let field = format!("acl_access_denied_{name}:{count}\\r\\n");
        assert!(stats.contains(&field), "{stats}");
    }
}

#[test]
fn removed_users_are_closed() {
    let mut server = TestServer::new();
    server.run("ACL SETUSER u on nopass +@all ~*\nACL SETUSER v\nb> AUTH u x\nb> PING");
    assert_eq!(server.run("ACL DELUSER u nosuch v"), ":2");
    assert_eq!(server.run("b> PING"), "");
    assert!(server.session("b").closes);
    assert_eq!(
        server.run("ACL DELUSER default\nACL DELUSER u"),
        "-ERR The 'default' user cannot be removed\n:0"
    );
    server.run("ACL SETUSER u on nopass +@all ~*\nc> AUTH u x");
    assert_eq!(server.run("c> ACL DELUSER u"), ":1");
    assert!(server.session("c").closes);
    // Another user of the same name is not the one that was removed.
    server.run("ACL SETUSER u on nopass +@all ~*\nd> AUTH u x\nACL DELUSER u\nACL SETUSER u on nopass +@all ~*");
    assert_eq!(server.run("d> PING"), "");
}

#[test]
fn several_passwords_rotate() {
    check(
        "ACL SETUSER u on >a >b
         b> AUTH u a
         b> AUTH u b
         ACL SETUSER u <a
         b> AUTH u a
         b> AUTH u b
         ACL SETUSER u !3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d
         b> AUTH u b
         ACL SETUSER u nopass
         b> AUTH u anything
         ACL SETUSER u resetpass
         b> AUTH u anything",
        "OK
         OK
         OK
         OK
         -WRONGPASS invalid username-password pair or user is disabled.
         OK
         OK
         -WRONGPASS invalid username-password pair or user is disabled.
         OK
         OK
         OK
         -WRONGPASS invalid username-password pair or user is disabled.",
    );
}

#[test]
fn whoever_need_not_log_in_depends_on_the_default_user() {
    check(
        "b> PING
         ACL SETUSER default resetpass >x
         b> PING
         c> PING
         ACL SETUSER default nopass
         c> PING
         ACL SETUSER default off
         d> PING
         d> AUTH default x
         c> PING
         b> PING",
        "PONG
         OK
         PONG
         -NOAUTH Authentication required.
         OK
         PONG
         OK
         -NOAUTH Authentication required.
         -WRONGPASS invalid username-password pair or user is disabled.
         -NOAUTH Authentication required.
         PONG",
    );
}

#[test]
fn categories_and_trials_are_told() {
    check(
        "ACL CAT transaction
         ACL CAT nosuch
         ACL CAT a b
         ACL SETUSER u +get +acl|whoami ~k
         ACL DRYRUN u get k
         ACL DRYRUN u get j
         ACL DRYRUN u set k v
         ACL DRYRUN u acl whoami
         ACL DRYRUN u acl list
         ACL DRYRUN u get
         ACL DRYRUN u nosuch
         ACL DRYRUN u config nosuch
         ACL DRYRUN nosuch get k
         ACL WHOAMI
         ACL GENPASS 5
         ACL GENPASS
         ACL GENPASS 0
         ACL GENPASS 4097
         ACL GENPASS x",
        "[multi exec discard watch unwatch]
         -ERR Unknown category 'nosuch'
         -ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.
         OK
         OK
         This user has no permissions to access the 'j' key
         This user has no permissions to run the 'set' command
         OK
         This user has no permissions to run the 'acl|list' command
         -ERR wrong number of arguments for 'get' command
         -ERR Command 'nosuch' not found
         -ERR Command 'config' not found
         -ERR User 'nosuch' not found
         default
         a5
         a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
         -ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096
         -ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096
         -ERR value is not an integer or out of range",
    );
}

#[test]
fn the_file_is_saved_and_loaded() {
    let mut server = TestServer::new();
    let missing = server.run("ACL LOAD");
    assert!(missing.starts_with("-ERR This Redis instance is not configured to use an ACL file."));
    assert_eq!(server.run("ACL SAVE"), missing);
    let mut server = TestServer::with(TestProcess {
        acl_file: Some(b"user a on nopass ~* +@all\n\nuser b\n".to_vec()).into(),
        ..TestProcess::default()
    });
    server.run(
        "ACL SETUSER b on nopass +@all\nACL SETUSER c on nopass +@all\nb> AUTH b x\nc> AUTH c x",
    );
    assert_eq!(server.run("ACL LOAD"), "OK");
    assert_eq!(server.run("ACL USERS"), "[a b default]");
    assert_eq!(
        server.run("b> PING\nc> PING\nACL SETUSER b +get\nACL SAVE\nACL LOAD\nACL LIST"),
        "-NOPERM this user has no permissions to run the 'ping' command\nOK\nOK\nOK\n[user a on nopass ~* \
         resetchannels +@all user b off resetchannels -@all +get user default on nopass ~* &* +@all]"
    );
}

#[test]
fn a_wrong_file_changes_nothing() {
    let mut server = TestServer::with(TestProcess {
        acl_file: Some(b"user a on bogus\nfoo\nuser b (\nuser c\nuser c".to_vec()).into(),
        ..TestProcess::default()
    });
    assert_eq!(
        server.run("ACL LOAD\nACL USERS"),
        "-ERR users.acl:1: Syntax error. users.acl:2 should start with user keyword followed by the username. \
         users.acl:3: Unmatched parenthesis in selector definition.WARNING: Duplicate user 'c' found on line 5. \
         WARNING: ACL errors detected, no change to the previously active ACL rules was performed\n[default]"
    );
}

#[test]
fn clients_are_found_by_their_user() {
    let mut server = TestServer::new();
    server.run("ACL SETUSER u on nopass +@all\nb> AUTH u x\nc> PING");
    let list = server.run("CLIENT LIST USER u");
    assert!(
        list.starts_with("id=2 ") && list.contains(" user=u "),
        "{list}"
    );
    assert_eq!(server.run("CLIENT KILL USER u"), ":1");
    assert_eq!(
        server.run("CLIENT KILL USER nosuch"),
        "-ERR No such user 'nosuch'"
    );
}

#[test]
fn wrong_passwords_have_to_wait() {
    use crate::limits::{FAILURE_DELAY_MS, FAILURES_FREE_MAX};

    let mut server = TestServer::new();
    server.run("ACL SETUSER u on >x +@all");
    for _ in 0..FAILURES_FREE_MAX {
        assert!(server.run("b> AUTH u wrong").starts_with("-WRONGPASS"));
    }
    // The connections of the harness come from one address, and what has to wait answers nothing there.
    assert_eq!(server.run("c> AUTH u x\nc> HELLO 3 AUTH u x"), "");
    assert_eq!(
        server
            .run("c> PING\nc> HELLO 2\nc> ACL WHOAMI")
            .lines()
            .last(),
        Some("default")
    );
    let resumes_ms = server.session("c").resumes_ms;
    assert_eq!(resumes_ms, server.now_ms + FAILURE_DELAY_MS);
    // In a transaction nothing can wait: it is refused.
    assert!(
        server
            .run("c> MULTI\nc> AUTH u x\nc> EXEC")
            .ends_with("user is disabled.]")
    );
    server.now_ms += 10 * FAILURE_DELAY_MS;
    assert_eq!(server.run("c> AUTH u x\nc> ACL WHOAMI"), "OK\nu");
}
