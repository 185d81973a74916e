//! Certificates made for a test: an authority, what it issues, and keys in the forms that files have.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair,
    PKCS_RSA_SHA256,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Who issues certificates.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Identity {
    /// The certificate.
    pub certificate: Certificate,
    key: KeyPair,
}

/// How the key of a file is written.
#[derive(Clone, Copy, Debug)]
pub enum KeyForm {
    /// "PRIVATE KEY", elliptic curve.
    Pkcs8,
    /// "RSA PRIVATE KEY".
    Pkcs1,
    /// "EC PRIVATE KEY".
    Sec1,
}

fn params(common_name: &str) -> CertificateParams {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("names");
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

impl Authority {
    /// A new one.
    pub fn new() -> Authority {
        let mut params = params("an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority {
            certificate: params.self_signed(&key).expect("a certificate"),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for this name, and for servers at this machine.
    pub fn issue(&self, common_name: &str) -> Identity {
        self.issue_for(common_name, KeyPair::generate().expect("a key"))
    }

    /// The same, with a key that can be written in that form.
    pub fn issue_with(&self, common_name: &str, form: KeyForm) -> Identity {
        let key = match form {
            KeyForm::Pkcs8 | KeyForm::Sec1 => KeyPair::generate(),
            KeyForm::Pkcs1 => KeyPair::generate_for(&PKCS_RSA_SHA256),
        };
        self.issue_for(common_name, key.expect("a key"))
    }

    fn issue_for(&self, common_name: &str, key: KeyPair) -> Identity {
        let certificate = params(common_name).signed_by(&key, &self.issuer);
        Identity {
            certificate: certificate.expect("a certificate"),
            key,
        }
    }

    /// Its own certificate.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// Writes its certificate.
    pub fn write(&self, path: &Path) {
        fs::write(path, self.certificate.pem()).expect("a file");
    }
}

impl Identity {
    /// The key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// Writes `server.crt` and `server.key`.
    pub fn write(&self, directory: &Path) {
        self.write_in_form(directory, KeyForm::Pkcs8);
    }

    /// The same, with the key in this form.
    pub fn write_in_form(&self, directory: &Path, form: KeyForm) {
        let pkcs8 = self.key.serialize_der();
        let (label, bytes) = match form {
            KeyForm::Pkcs8 => ("PRIVATE KEY", &pkcs8[..]),
            KeyForm::Pkcs1 => ("RSA PRIVATE KEY", inner(&pkcs8)),
            KeyForm::Sec1 => ("EC PRIVATE KEY", inner(&pkcs8)),
        };
        let key = format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            base64(bytes)
        );
        fs::write(directory.join("server.crt"), self.certificate.pem()).expect("a file");
        fs::write(directory.join("server.key"), key).expect("a file");
    }
}

/// The key inside of PKCS#8 (RFC 5208): a version, an algorithm, and the key in the algorithm's own form.
fn inner(pkcs8: &[u8]) -> &[u8] {
    let (content, _) = element(pkcs8);
    let (_version, rest) = element(content);
    let (_algorithm, rest) = element(rest);
    element(rest).0
}

/// The content of the first DER element, and what follows it.
fn element(bytes: &[u8]) -> (&[u8], &[u8]) {
    let short = usize::from(bytes[1]);
    let (length, start) = match short {
        0..=0x7f => (short, 2),
        _ => {
            let digits = &bytes[2..2 + (short & 0x7f)];
            let length = digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (length, 2 + digits.len())
        }
    };
    (&bytes[start..start + length], &bytes[start + length..])
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (index, part) in bytes.chunks(3).enumerate() {
        if index > 0 && index % 16 == 0 {
            text.push('\n');
        }
        let bits = (0..3).fold(0, |bits: u32, at| {
            bits << 8 | u32::from(part.get(at).copied().unwrap_or(0))
        });
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            let is_there = digit <= part.len();
            text.push(if is_there {
                DIGITS[value as usize].into()
            } else {
                '='
            });
        }
    }
    text
}
