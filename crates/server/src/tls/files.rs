//! Certificates and keys from files, and how to see that a file has changed.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::limits::FILE_BYTES_MAX;

/// The certificates of a PEM file, in order; at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(format!("there is no certificate in {}", path.display()))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{} is no PEM file: {error}", path.display())),
    }
}

/// The first private key of a PEM file: PKCS#8, PKCS#1 or SEC1, not encrypted.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let path = path.display();
        format!(
            "there is no private key in {path} that is not encrypted (PKCS#8, PKCS#1 or SEC1): {error}"
        )
    })
}

/// The authorities of a file and of all files of a directory. A file of the directory in which there is no certificate is
/// left out.
pub fn authorities(file: Option<&Path>, directory: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = file {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| format!("an authority in {}: {error}", path.display()))?;
        }
    }
    if let Some(directory) = directory {
        let unreadable = |error| format!("cannot read {}: {error}", directory.display());
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Ok(found) = certificates(&path) else {
                continue;
            };
            roots.add_parsable_certificates(found);
        }
    }
    if roots.is_empty() {
        return Err("there is no certificate of an authority".to_owned());
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error| format!("cannot read {}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

/// How files looked: where a symbolic link leads, when that was changed, and how long it is. Whoever replaces a file,
/// writes into it or points a link elsewhere changes that; so does Kubernetes, which exchanges a link to a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look(Vec<Option<Seen>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    place: (u64, u64),
    modified: (i64, i64),
    bytes: u64,
}

impl Look {
    /// How these files look now; of a directory also what is in it.
    pub fn at(files: &[&Path]) -> Look {
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in files {
            paths.push((*path).to_owned());
            if let Ok(entries) = fs::read_dir(path) {
                let entries = entries.filter_map(|entry| Some(entry.ok()?.path()));
                let mut entries: Vec<PathBuf> = entries.collect();
                entries.sort_unstable();
                paths.extend(entries);
            }
        }
        Look(paths.iter().map(|path| seen(path)).collect())
    }
}

fn seen(path: &Path) -> Option<Seen> {
    let metadata = fs::metadata(path).ok()?;
    Some(Seen {
        place: (metadata.dev(), metadata.ino()),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        bytes: metadata.len(),
    })
}
