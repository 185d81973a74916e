//! From settings to the configuration that rustls makes a handshake with.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ServerConfig, SupportedProtocolVersion, version};

use super::files;
use super::sessions::Sessions;
use crate::config::{SecuritySettings, TlsClients, TlsProtocols};

/// Tickets that a client gets after a handshake of TLS 1.3, each good for one connection, as of Redis.
const TICKETS: usize = 2;

/// What new handshakes use, made of the files as they are now.
///
/// # Errors
/// A sentence for the operator.
pub fn build(security: &SecuritySettings) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let (certificate, key) = key_pair(security)?;
    let certificates = files::certificates(certificate)?;
    let private_key = files::private_key(key)?;
    let verifier = verifier(security, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(security.tls_protocols))
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates, private_key)
        .map_err(|error| {
            let (certificate, key) = (certificate.display(), key.display());
            format!("{certificate} and {key} cannot be used together: {error}")
        })?;
    if security.tls_session_caching {
        config.session_storage = Arc::new(Sessions::new(
            security.tls_session_cache_size,
            Duration::from_secs(security.tls_session_cache_timeout.into()),
        ));
        config.send_tls13_tickets = TICKETS;
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

/// The files that the configuration is made of.
pub fn files_of(security: &SecuritySettings) -> Vec<&Path> {
    let files = [
        &security.tls_cert_path,
        &security.tls_key_path,
        &security.tls_ca_cert_path,
        &security.tls_ca_cert_dir,
    ];
    files
        .into_iter()
        .filter_map(|path| path.as_deref())
        .collect()
}

fn key_pair(security: &SecuritySettings) -> Result<(&Path, &Path), String> {
    match (&security.tls_cert_path, &security.tls_key_path) {
        (Some(certificate), Some(key)) => Ok((certificate, key)),
        _ => Err(
            "TLS needs a certificate and its key: set security.tls_cert_path and security.tls_key_path"
                .to_owned(),
        ),
    }
}

/// Seeds the thread's generator of random numbers, which takes some 40 ms: the first handshake would hold others up.
pub fn seed_random() {
    // If it fails, so will handshakes, and they tell.
    let _ = aws_lc_rs::default_provider().secure_random.fill(&mut [0]);
}

type Versions = &'static [&'static SupportedProtocolVersion];

fn versions(protocols: TlsProtocols) -> Versions {
    const ALL: Versions = &[&version::TLS13, &version::TLS12];
    let (newest, oldest) = ALL.split_at(1);
    match protocols {
        TlsProtocols::All => ALL,
        TlsProtocols::Tls12 => oldest,
        TlsProtocols::Tls13 => newest,
    }
}

fn verifier(
    security: &SecuritySettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let is_optional = match security.tls_auth_clients {
        TlsClients::No => return Ok(WebPkiClientVerifier::no_client_auth()),
        TlsClients::Optional => true,
        TlsClients::Yes => false,
    };
    let (file, directory) = (&security.tls_ca_cert_path, &security.tls_ca_cert_dir);
    if file.is_none() && directory.is_none() {
        return Err(
            "security.tls_auth_clients needs security.tls_ca_cert_path or security.tls_ca_cert_dir; \
             'no' asks clients for no certificate"
                .to_owned(),
        );
    }
    let roots = files::authorities(file.as_deref(), directory.as_deref())?;
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if is_optional {
        builder.allow_unauthenticated()
    } else {
        builder
    };
    builder.build().map_err(|error| error.to_string())
}
