//! The user that a client's certificate names: the common name (CN) of its subject (RFC 5280, 4.1.2.4).

use commands::acl::Acl;
use commands::session::Session;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::config::TlsUser;

/// DER: a sequence, a set, an object identifier.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// 2.5.4.3, the common name.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// Strings whose bytes are UTF-8 or ASCII: UTF8String, PrintableString, T61String (as ASCII), IA5String.
const STRINGS: [u8; 4] = [0x0c, 0x13, 0x14, 0x16];

/// Logs a client in as the user that its certificate names, where the settings say so and there is such a user.
/// Otherwise it goes on as any new client.
pub fn log_in(
    session: &mut Session,
    acl: &Acl,
    certificates: &[CertificateDer<'_>],
    user: TlsUser,
) {
    let name = match (user, certificates.first()) {
        (TlsUser::Off, _) | (_, None) => return,
        (TlsUser::Cn, Some(certificate)) => common_name(certificate),
    };
    let user = name.and_then(|name| acl.user(name.as_bytes()));
    if let Some(user) = user.filter(|user| user.is_enabled()) {
        session.log_in(user);
    }
}

/// The common name of a certificate's subject.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    // This is how rustls gives the subject.
    let mut store = RootCertStore::empty();
    store.add(certificate.clone().into_owned()).ok()?;
    let anchor = store.roots.first()?;
    common_name_of(anchor.subject.as_ref())
}

/// The first common name in the content of a distinguished name.
fn common_name_of(mut names: &[u8]) -> Option<String> {
    while !names.is_empty() {
        let (mut attributes, rest) = element(names, |tag| tag == SET)?;
        names = rest;
        while !attributes.is_empty() {
            let (attribute, rest) = element(attributes, |tag| tag == SEQUENCE)?;
            attributes = rest;
            let (kind, value) = element(attribute, |tag| tag == OBJECT_IDENTIFIER)?;
            if kind == COMMON_NAME {
                let (text, _) = element(value, |tag| STRINGS.contains(&tag))?;
                return String::from_utf8(text.to_vec()).ok();
            }
        }
    }
    None
}

/// The content of the first DER element, if its tag is right, and what follows it.
fn element(bytes: &[u8], is_right: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => {
            let (&[high, low], rest) = rest.split_first_chunk::<2>()?;
            (usize::from(high) << 8 | usize::from(low), rest)
        }
        _ => return None,
    };
    if !is_right(tag) {
        return None;
    }
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn certificate(names: &[(DnType, &str)]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        let key = KeyPair::generate().expect("a key");
        params
            .self_signed(&key)
            .expect("a certificate")
            .der()
            .clone()
    }

    #[test]
    fn the_common_name_is_found() {
        let long = "n".repeat(300);
        for (names, expected) in [
            (vec![(DnType::CommonName, "alice")], Some("alice")),
            (
                vec![
                    (DnType::CountryName, "CH"),
                    (DnType::OrganizationName, "an organization"),
                    (DnType::CommonName, "bob é"),
                ],
                Some("bob é"),
            ),
            (
                vec![(DnType::CommonName, long.as_str())],
                Some(long.as_str()),
            ),
            (vec![(DnType::OrganizationName, "alice")], None),
            (vec![], None),
        ] {
            let found = common_name(&certificate(&names));
            assert_eq!(found.as_deref(), expected, "{names:?}");
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        let name = [
            0x31, 0x0e, 0x30, 0x0c, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x05, b'a', b'l', b'i',
            b'c', b'e',
        ];
        assert_eq!(common_name_of(&name).as_deref(), Some("alice"));
        for length in 0..name.len() {
            assert_eq!(common_name_of(&name[..length]), None, "{length}");
        }
        assert_eq!(common_name_of(&[0x31, 0x85, 1, 2, 3]), None);
    }
}
