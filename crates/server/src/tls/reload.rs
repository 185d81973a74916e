//! What handshakes use now, and how it changes while the server runs: by CONFIG SET, by `Tls::reload`, and when the
//! files change. Connections that are open keep what they have. What cannot be used is logged, and the old stays.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tracing::{info, warn};

use super::files::Look;
use super::limits::FILES_LOOK;
use super::{context, is_wanted};
use crate::config::{Config, Refusal, SecuritySettings, Settings};

/// Redis's words, for who cannot see our log.
const REFUSAL: &str = "Unable to update TLS configuration. Check server logs.";

/// TLS of this process.
#[derive(Debug)]
pub struct Tls {
    current: ArcSwap<ServerConfig>,
    used: Mutex<Used>,
}

/// What the current configuration was made of.
#[derive(Debug)]
struct Used {
    security: SecuritySettings,
    look: Look,
}

impl Tls {
    /// Makes it, if some port speaks TLS, and has it follow settings and files.
    ///
    /// # Errors
    /// When the certificates cannot be used, with a sentence for the operator.
    pub fn start(config: &Config) -> Result<Option<Arc<Tls>>, String> {
        let settings = config.settings();
        if !is_wanted(&settings) {
            return Ok(None);
        }
        let tls = Arc::new(Tls::new(&settings.security)?);
        let following = Arc::clone(&tls);
        config.on_change(move |before, after| following.follow(before, after));
        let watching = Arc::clone(&tls);
        std::thread::Builder::new()
            .name("tls-files".into())
            .spawn(move || {
                loop {
                    std::thread::sleep(FILES_LOOK);
                    watching.look_at_files();
                }
            })
            .map_err(|error| format!("a thread: {error}"))?;
        Ok(Some(tls))
    }

    fn new(security: &SecuritySettings) -> Result<Tls, String> {
        // Before the files are read: what changes meanwhile is then seen at the next look.
        let look = Look::at(&context::files_of(security));
        Ok(Tls {
            current: ArcSwap::new(context::build(security)?),
            used: Mutex::new(Used {
                security: security.clone(),
                look,
            }),
        })
    }

    /// One without files, which follows nothing.
    #[cfg(test)]
    pub fn fixed(config: Arc<ServerConfig>, security: &SecuritySettings) -> Arc<Tls> {
        Arc::new(Tls {
            current: ArcSwap::new(config),
            used: Mutex::new(Used {
                security: security.clone(),
                look: Look::default(),
            }),
        })
    }

    /// What a handshake that begins now uses.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files again, for handshakes from now on.
    ///
    /// # Errors
    /// When they cannot be used; the old ones are, then.
    pub fn reload(&self) -> Result<(), String> {
        let mut used = self.used.lock();
        let security = used.security.clone();
        self.use_now(&mut used, security)
    }

    /// After CONFIG SET: reads the files again if one of them was named, as in Redis, even by the name that it had;
    /// `before` is what was current before. The error is the whole line for the client.
    ///
    /// # Errors
    /// When they cannot be used; the old ones are, then.
    pub fn reload_named(
        &self,
        pairs: &[(&[u8], &[u8])],
        before: &Arc<ServerConfig>,
    ) -> Result<(), String> {
        if !Arc::ptr_eq(before, &self.current()) {
            return Ok(());
        }
        let Some((name, _)) = pairs.iter().find(|(name, _)| names_a_file(name)) else {
            return Ok(());
        };
        self.reload().map_err(|_| {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {REFUSAL}")
        })
    }

    fn use_now(&self, used: &mut Used, security: SecuritySettings) -> Result<(), String> {
        used.look = Look::at(&context::files_of(&security));
        match context::build(&security) {
            Ok(config) => {
                self.current.store(config);
                used.security = security;
                info!("new TLS connections use the certificates as they are now");
                Ok(())
            }
            Err(error) => {
                warn!(
                    error,
                    "TLS certificates or settings cannot be used; those from before stay"
                );
                Err(error)
            }
        }
    }

    fn follow(&self, before: &Settings, after: &Settings) -> Result<(), Refusal> {
        let Some(path) = first_difference(&before.security, &after.security) else {
            return Ok(());
        };
        let mut used = self.used.lock();
        self.use_now(&mut used, after.security.clone())
            .map_err(|_| Refusal {
                path,
                reason: REFUSAL.to_owned(),
            })
    }

    /// Takes over files that have changed. What cannot be used is tried again when it has changed once more: certificate
    /// and key are mostly not replaced at the same moment.
    fn look_at_files(&self) {
        let mut used = self.used.lock();
        if Look::at(&context::files_of(&used.security)) != used.look {
            let security = used.security.clone();
            // It has been logged.
            let _ = self.use_now(&mut used, security);
        }
    }
}

/// The first setting of those that handshakes depend on that differs.
fn first_difference(before: &SecuritySettings, after: &SecuritySettings) -> Option<&'static str> {
    macro_rules! first {
        ($($field:ident),* $(,)?) => {
            $( if before.$field != after.$field {
                return Some(concat!("security.", stringify!($field)));
            } )*
        };
    }
    first!(
        tls_cert_path,
        tls_key_path,
        tls_ca_cert_path,
        tls_ca_cert_dir,
        tls_auth_clients,
        tls_protocols,
        tls_session_caching,
        tls_session_cache_size,
        tls_session_cache_timeout,
    );
    None
}

/// Whether a name of CONFIG SET is that of a file that handshakes depend on.
fn names_a_file(name: &[u8]) -> bool {
    let names = [
        "tls-cert-file",
        "tls-key-file",
        "tls-ca-cert-file",
        "tls-ca-cert-dir",
        "security.tls_cert_path",
        "security.tls_key_path",
        "security.tls_ca_cert_path",
        "security.tls_ca_cert_dir",
    ];
    names
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}
