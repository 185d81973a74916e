//! `[[security.users]]` in the file.

use std::fs;

use commands::acl::Acl;

use super::{Directory, printed, refused, served, start_in, start_with};
use crate::access::configured;
use crate::config::Config;

#[test]
fn users_are_read_and_their_rules_not_printed() {
    let file = "
[security]
password = \"secret\"

[[security.users]]
name = \"a\"
rules = \"on >pass  ~cache:* +@read\"

[[security.users]]
name = \"b\"
rules = [\"on\", \">two words\"]
";
    let (config, _) = served(start_with(Some(file), &[], &[]));
    let [a, b] = config.users() else {
        panic!("there are two");
    };
    assert_eq!(a.name, "a");
    assert_eq!(a.rules, ["on", ">pass", "~cache:*", "+@read"]);
    assert_eq!(b.rules, ["on", ">two words"]);
    let shown = printed(start_with(Some(file), &[], &["--check-config"]));
    assert!(shown.contains("name = \"a\"\nrules = \"***\"\n"), "{shown}");
    assert!(!shown.contains("pass\""), "{shown}");
}

#[test]
fn faults_name_their_line() {
    for (file, expected) in [
        (
            "[[security.users]]\nname = \"a\"\nrule = \"on\"\n",
            "redistill.toml:3: unknown key 'rule' in [[security.users]]; did you mean 'rules'?",
        ),
        (
            "[[security.users]]\nrules = \"on\"\n",
            "redistill.toml:1: [[security.users]]: name must be there and not be empty",
        ),
        (
            "[[security.users]]\nname = \"a b\"\n",
            "redistill.toml:1: [[security.users]]: a name must not have spaces",
        ),
        (
            "[[security.users]]\nname = \"a\"\n[[security.users]]\nname = \"a\"\n",
            "redistill.toml:3: [[security.users]]: name \"a\" stands there twice",
        ),
        (
            "[[security.users]]\nname = \"a\"\nrules = \"+nosuch\"\n",
            "redistill.toml:1: [[security.users]]: user \"a\": rule '+nosuch': Unknown command or category name in ACL",
        ),
        (
            "[[security.users]]\nname = \"a\"\nrules = \"<secret\"\n",
            "redistill.toml:1: [[security.users]]: user \"a\": rule of a password: The password you are trying to remove \
             from the user does not exist",
        ),
        (
            "[[security.users]]\nname = \"a\"\nrules = \"(+get\"\n",
            "redistill.toml:1: [[security.users]]: user \"a\": a parenthesis is not closed",
        ),
        (
            "[security]\nusers = 1\n",
            "redistill.toml:2: [[security.users]] is an array of tables",
        ),
        (
            "[security]\nacl_file = \"f\"\n[[security.users]]\nname = \"a\"\n",
            "redistill.toml:3: [[security.users]]: with security.acl_file the users must all stand in that file",
        ),
    ] {
        let errors = refused(start_with(Some(file), &[], &[]));
        assert!(
            errors.iter().any(|error| error == expected),
            "{file}\n{errors:?}"
        );
    }
}

/// The users that a configuration makes.
fn users(config: &Config) -> Acl {
    let acl = configured(&config.settings());
    for user in config.users() {
        let rules = user.rules.iter().map(String::as_bytes);
        acl.define_user(user.name.as_bytes(), rules).expect("rules");
    }
    acl
}

/// What CONFIG REWRITE makes of a file, after these rules were given to users; no rules remove a user.
fn rewritten(file: &str, changes: &[(&str, &[&str])]) -> String {
    let directory = Directory::new();
    let path = directory.0.join("redistill.toml");
    fs::write(&path, file).expect("the file is written");
    let (config, _) = served(start_in(&directory, &[], &[]));
    let acl = users(&config);
    for (name, rules) in changes {
        let name = name.as_bytes();
        if rules.is_empty() {
            acl.remove_users([name].into_iter());
        } else {
            let rules = rules.iter().map(|rule| rule.as_bytes());
            acl.set_user(name, rules).expect("rules");
        }
    }
    let lines = acl.file_text();
    assert_eq!(config.rewrite(&acl), Ok(()));
    let text = fs::read_to_string(&path).expect("the file is there");
    // A start with this file makes the same users.
    let (again, _) = served(start_in(&directory, &[], &[]));
    let acl = configured(&again.settings());
    for user in again.users() {
        let rules = user.rules.iter().map(String::as_bytes);
        acl.define_user(user.name.as_bytes(), rules).expect("rules");
    }
    assert_eq!(acl.file_text(), lines, "{text}");
    assert_eq!(again.rewrite(&acl), Ok(()));
    assert_eq!(fs::read_to_string(&path).expect("the file is there"), text);
    text
}

const HASH_OF_X: &str = "#2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

#[test]
fn rewrite_leaves_users_that_have_not_changed() {
    let file = "# mine\n[security]\npassword = \"secret\"\n\n# reads\n[[security.users]]\nname = \"a\" # first\n\
                rules = \"+get   on >x\"\n";
    assert_eq!(rewritten(file, &[]), file);
    let inline = "security = { users = [{ name = \"a\", rules = [\"on\", \"(+get ~k)\"] }] }\n";
    assert_eq!(rewritten(inline, &[]), inline);
    assert_eq!(rewritten("", &[]), "");
}

#[test]
fn rewrite_changes_adds_and_removes_users() {
    let file = "# mine\n[[security.users]] # the first\nname = \"gone\"\n\n# reads\n[[security.users]]\nname = \"a\"\n\
                rules = \"+get   on >x\" # little\n\n[[security.users]]\nname = \"b\"\n\n[logging]\nlevel = \"warn\"\n";
    let changes: [(&str, &[&str]); 3] = [
        ("gone", &[]),
        ("a", &["+set", "~k:*", "(~r:* +@read)"]),
        ("new", &["on", "nopass", "&*"]),
    ];
    let expected = format!(
        "# mine\n\n# reads\n[[security.users]]\nname = \"a\"\n\
         rules = \"on {HASH_OF_X} ~k:* resetchannels -@all +get +set (~r:* resetchannels -@all +@read)\" # little\n\n\
         [[security.users]]\nname = \"b\"\n\n\
         [[security.users]]\nname = \"new\"\nrules = \"on nopass &* -@all\"\n\n[logging]\nlevel = \"warn\"\n"
    );
    assert_eq!(rewritten(file, &changes), expected);
    let last = "[server]\nport = 1\n\n# about users\n[[security.users]]\nname = \"gone\"\n";
    let expected = "[server]\nport = 1\n\n# about users\n";
    assert_eq!(rewritten(last, &[("gone", &[])]), expected);
}

#[test]
fn rewrite_writes_the_default_user_when_it_is_not_that_of_the_settings() {
    let file = "[security]\npassword = \"x\"\n";
    assert_eq!(rewritten(file, &[("default", &["on", ">x"])]), file);
    let expected = format!(
        "{file}\n[[security.users]]\nname = \"default\"\nrules = \"on {HASH_OF_X} ~* &* +@all -flushall\"\n"
    );
    assert_eq!(rewritten(file, &[("default", &["-flushall"])]), expected);
}

#[test]
fn rewrite_keeps_to_the_form_that_the_file_has() {
    let inline = "[security]\nusers = [{ name = \"a\" }]\n";
    let text = rewritten(inline, &[("a", &["on"]), ("b", &["on"])]);
    let expected = "[security]\n\n[[security.users]]\nname = \"a\"\nrules = \"on resetchannels -@all\"\n\n\
                    [[security.users]]\nname = \"b\"\nrules = \"on resetchannels -@all\"\n";
    assert_eq!(text, expected);
    let text = rewritten(
        "security = { users = [{ name = \"a\" }] }\n",
        &[("a", &["on"])],
    );
    assert!(text.starts_with("security = { users = ["), "{text}");
}

#[test]
fn rewrite_writes_no_users_beside_an_acl_file_and_no_bytes_that_are_not_text() {
    let directory = Directory::new();
    let path = directory.0.join("redistill.toml");
    fs::write(&path, "[security]\nacl_file = \"users.acl\"\n").expect("the file is written");
    let (config, _) = served(start_in(&directory, &[], &[]));
    let acl = Acl::default();
    acl.set_user(b"a", [&b"on"[..], b"~\xff"].into_iter())
        .expect("rules");
    assert_eq!(config.rewrite(&acl), Ok(()));
    fs::write(&path, "").expect("the file is written");
    let (config, _) = served(start_in(&directory, &[], &[]));
    let expected = "ERR Rewriting config file: the name or a rule of the user 'a' is not UTF-8";
    assert_eq!(config.rewrite(&acl), Err(expected.to_owned()));
    assert_eq!(fs::read_to_string(&path).expect("the file is there"), "");
}
