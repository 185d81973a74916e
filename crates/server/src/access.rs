//! Who may use the server: what the settings say of users, the ACL file, protected mode.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use commands::acl::{Acl, ChannelsDefault, Fault};
use commands::registry::registry;
use commands::shared::Shared;
use net::{Peer, Socket};
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::config::{Config, PubsubDefault, Settings, UserSettings, replace};

/// What a client reads that protected mode refuses.
pub const PROTECTED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password \
    is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to \
    connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode \
    sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the \
    same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use \
    CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the \
    Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If \
    you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a \
    an authentication password for the default user. NOTE: You only need to do one of the above things in order for the \
    server to start accepting connections from the outside.\r\n";

/// Makes the users that the settings name, takes commands away, and follows changes of the settings.
///
/// # Errors
/// When the ACL file cannot be read or is not right.
pub fn begin(config: &Config, shared: &Arc<Shared>) -> io::Result<()> {
    let settings = config.settings();
    apply(&shared.acl, None, &settings);
    for name in &settings.security.disabled_commands {
        registry().disable(name.as_bytes());
    }
    for user in config.users() {
        define(&shared.acl, user)?;
    }
    if let Some(path) = &settings.security.acl_file {
        let loaded = shared.acl.load(&path.display().to_string(), &read(path)?);
        loaded.map_err(|errors| {
            let errors = String::from_utf8_lossy(&errors).into_owned();
            io::Error::other(format!("the ACL file is not right: {errors}"))
        })?;
    }
    for user in shared.acl.users().iter().filter(|user| !user.is_enabled()) {
        let user = String::from_utf8_lossy(&user.name);
        info!(%user, "this user is disabled: no rule of it is 'on'");
    }
    let shared = Arc::clone(shared);
    config.on_change(move |before, settings| {
        apply(&shared.acl, Some(before), settings);
        Ok(())
    });
    Ok(())
}

/// The users that there are when the settings alone say so, without those of a file.
pub fn configured(settings: &Settings) -> Acl {
    let acl = Acl::default();
    apply(&acl, None, settings);
    acl
}

/// Takes over settings, those that have changed.
fn apply(acl: &Acl, before: Option<&Settings>, settings: &Settings) {
    let security = &settings.security;
    let before = before.map(|before| &before.security);
    if before.is_none_or(|before| before.password != security.password) {
        let password = security.password.as_bytes();
        acl.set_default_password(Some(password).filter(|password| !password.is_empty()));
    }
    if before.is_none_or(|before| before.acl_pubsub_default != security.acl_pubsub_default) {
        acl.set_channels_default(match security.acl_pubsub_default {
            PubsubDefault::ResetChannels => ChannelsDefault::Reset,
            PubsubDefault::AllChannels => ChannelsDefault::All,
        });
    }
    acl.log_entries_max.store(security.acl_log_max_len, Relaxed);
    acl.failures
        .delay_ms_max
        .store(security.auth_delay_max, Relaxed);
}

fn define(acl: &Acl, user: &UserSettings) -> io::Result<()> {
    let rules = user.rules.iter().map(String::as_bytes);
    let defined = acl.define_user(user.name.as_bytes(), rules);
    defined.map_err(|fault| {
        let (name, text) = (&user.name, describe(&fault));
        io::Error::other(format!("user '{name}' of the configuration: {text}"))
    })
}

/// What is wrong with a rule, without a password.
pub fn describe(fault: &Fault) -> String {
    match fault {
        Fault::Parenthesis(_) => "a parenthesis is not closed".to_owned(),
        Fault::Rule(rule, error) => {
            let rule = match rule.first() {
                Some(b'<' | b'>' | b'#' | b'!') => "of a password".to_owned(),
                _ => format!("'{}'", String::from_utf8_lossy(rule)),
            };
            format!("rule {rule}: {}", error.text())
        }
    }
}

/// The text of the ACL file.
///
/// # Errors
/// As Redis words it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or_default();
        let path = path.display();
        io::Error::new(
            error.kind(),
            format!("Error loading ACLs, opening file '{path}': {reason}"),
        )
    })
}

/// Replaces the ACL file.
///
/// # Errors
/// With the whole error line, as Redis words it; the log has the reason.
pub fn write(path: &Path, text: &[u8]) -> Result<(), String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    replace(path, text).map_err(|error| {
        warn!(path = %path.display(), %error, "the ACL file cannot be written");
        "ERR There was an error trying to save the ACLs. Please check the server logs for more information".to_owned()
    })
}

/// Whether protected mode refuses a connection: one from elsewhere, while everyone is let in without a password.
pub fn is_protected_from(settings: &Settings, acl: &Acl, socket: &Socket) -> bool {
    settings.security.protected_mode
        && !is_local(socket.peer())
        && acl.default_user().needs_no_password()
}

fn is_local(peer: Peer) -> bool {
    match peer {
        Peer::Tcp(address) => address.ip().to_canonical().is_loopback(),
        Peer::Unix => true,
        Peer::Unknown => false,
    }
}
