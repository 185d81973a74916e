//! `[[security.users]]` in the file.

use super::{printed, refused, served, start_with};

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
