//! What onnet trusts: one set of certificates for all it sends, so that a probe and an API call judge a peer alike.

use super::{
    files::{FileError, SettingsFile},
    limits::{CERTIFICATE_FILES, CERTIFICATES_FILE},
};
use crate::model::TrustAnchor;
use rustls::{
    CipherSuite, ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use std::{
    env, fs,
    io::{self, ErrorKind},
    path::Path,
    sync::{Arc, OnceLock},
    time::SystemTime,
};
use webpki::{EndEntityCert, KeyUsage};

/// Why there is nothing to trust.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file or a directory of certificates cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file that a setting names is no bundle of certificates.
    #[error("cannot read the certificates of {file}")]
    Bundle {
        /// The file.
        file: SettingsFile,
        /// What is wrong with it.
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
    /// The file that a setting names holds no certificate that can be used.
    #[error("{file}, contains no usable certificate")]
    EmptyBundle {
        /// The file.
        file: SettingsFile,
    },
    /// The system has no certificates.
    #[error("the system's trust store contains no usable certificate; AWS_CA_BUNDLE can name a file that does")]
    EmptySystemStore,
    /// The cryptography library refused its own defaults: our bug.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

/// The certificates onnet trusts; at least one.
#[derive(Clone, Debug)]
pub struct Roots {
    store: Arc<RootCertStore>,
    /// The file they are from, with the setting that names it; `None` for the system's.
    bundle: Option<String>,
    /// Made when it is asked for. To make one, every authority's name is copied.
    client: OnceLock<Arc<ClientConfig>>,
}

impl Roots {
    /// Those of the file that `AWS_CA_BUNDLE` or the profile names, as the AWS CLI and SDKs have it, else the system's.
    // The one place that reads AWS_CA_BUNDLE; aws-config does not.
    pub fn load(of_profile: Option<SettingsFile>) -> Result<Self, TlsError> {
        match SettingsFile::in_environment("AWS_CA_BUNDLE").or(of_profile) {
            Some(file) => Self::from_bundle(file),
            None => {
                check_store()?;
                // Errors are for single files of the store; what matters is whether anything is left.
                let found = rustls_native_certs::load_native_certs().certs;
                let roots = Self::usable(found).ok_or(TlsError::EmptySystemStore)?;
                // Each of these replaces the system's.
                let instead = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().find_map(SettingsFile::in_environment);
                Ok(Self { bundle: instead.map(|file| file.to_string()), ..roots })
            }
        }
    }

    /// Those of a PEM file.
    pub fn from_bundle(file: SettingsFile) -> Result<Self, TlsError> {
        let pem = file.read(CERTIFICATES_FILE)?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match certificates {
            Ok(certificates) => match Self::usable(certificates) {
                Some(roots) => Ok(Self { bundle: Some(file.to_string()), ..roots }),
                None => Err(TlsError::EmptyBundle { file }),
            },
            Err(cause) => Err(TlsError::Bundle { file, cause }),
        }
    }

    /// Those of `certificates` that rustls can use. A system's store often holds one that it cannot.
    pub fn usable(certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut store = RootCertStore::empty();
        let (usable, _) = store.add_parsable_certificates(certificates);
        (usable > 0).then(|| Self { store: Arc::new(store), bundle: None, client: OnceLock::new() })
    }

    /// A TLS configuration that trusts them. No resumption: each probe is to time a whole handshake.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(made) = self.client.get() {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(self.client_config_showing(None)?);
        Ok(Arc::clone(self.client.get_or_init(|| made)))
    }

    /// Which of them verified a server with this chain; `None` where none did.
    pub fn anchor(&self, chain: &[CertificateDer<'_>]) -> Option<TrustAnchor> {
        let key = anchor_key(&self.store, chain)?;
        let outside = self.bundle.as_ref().filter(|_| {
            let system = SYSTEM_STORE.get_or_init(Self::of_system);
            system.as_ref().is_none_or(|system| anchor_key(&system.store, chain).is_none())
        });
        Some(TrustAnchor { key_sha256: key, outside_system_store: outside.cloned() })
    }

    /// The system's, whatever the environment names in their place.
    fn of_system() -> Option<Self> {
        let file = SYSTEM_BUNDLES.iter().map(Path::new).find(|file| file.is_file())?;
        Self::usable(rustls_native_certs::load_certs_from_paths(Some(file), None).certs)
    }

    /// The same, with a client certificate for servers that ask for one.
    pub fn client_config_showing(&self, shown: Option<Shown>) -> Result<ClientConfig, TlsError> {
        config(Arc::clone(&self.store), shown)
    }
}

/// Where distributions have the system's certificates in one file: Debian and Ubuntu, Amazon Linux and Fedora, SUSE, Alpine.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The system's certificates, where they are only compared with.
static SYSTEM_STORE: OnceLock<Option<Roots>> = OnceLock::new();

/// The SHA-256 of the public key of the authority in `store` that vouches for a server's chain.
fn anchor_key(store: &RootCertStore, chain: &[CertificateDer<'_>]) -> Option<String> {
    let (server, intermediates) = chain.split_first()?;
    let server = EndEntityCert::try_from(server).ok()?;
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    let (now, usage) = (WallClock.current_time()?, KeyUsage::server_auth());
    let path = server.verify_for_usage(algorithms, &store.roots, intermediates, now, usage, None, None).ok()?;
    let key = &path.anchor().subject_public_key_info;
    // As webpki keeps it: without the outer SEQUENCE's header.
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, key);
    Some(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What `rustls-native-certs` reads in the place of the system's certificates must have an end.
fn check_store() -> Result<(), FileError> {
    if let Some(file) = SettingsFile::in_environment("SSL_CERT_FILE") {
        file.check(CERTIFICATES_FILE)?;
    }
    let directories = env::var_os("SSL_CERT_DIR").unwrap_or_default();
    for directory in env::split_paths(&directories).filter(|path| !path.as_os_str().is_empty()) {
        check_directory(&directory).map_err(|cause| SettingsFile::new(directory, "SSL_CERT_DIR").error(cause))?;
    }
    Ok(())
}

/// Of a directory it reads the regular files.
fn check_directory(directory: &Path) -> io::Result<()> {
    let too_large = |words: String| Err(io::Error::new(ErrorKind::FileTooLarge, words));
    // One that cannot be listed holds nothing.
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    let (mut names, mut bytes) = (0, 0);
    for entry in entries.filter_map(Result::ok) {
        names += 1;
        if names > CERTIFICATE_FILES {
            return too_large(format!(
                "this contains more than {CERTIFICATE_FILES} names, the limit for such a directory"
            ));
        }
        bytes += fs::metadata(entry.path()).map_or(0, |about| if about.is_file() { about.len() } else { 0 });
        if bytes > CERTIFICATES_FILE {
            return too_large(format!(
                "the files in this are larger than {CERTIFICATES_FILE} bytes, the limit for such a directory"
            ));
        }
    }
    Ok(())
}

/// A client certificate with its chain, and its key.
pub type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A TLS configuration without trusted certificates, for clients that send plain HTTP only.
pub fn empty_roots() -> Result<ClientConfig, TlsError> {
    config(Arc::new(RootCertStore::empty()), None)
}

/// ring's defaults, but AES-128 first, as Go, BoringSSL and AWS's own s2n have it: its SHA-256 halves what a handshake hashes.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    // Stable: among each other the suites stay in order.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

/// The clock by which certificates are valid. With one that shows a time before 1970, at which rustls would panic, no
/// handshake succeeds.
#[derive(Debug)]
pub struct WallClock;

impl TimeProvider for WallClock {
    #[expect(clippy::disallowed_methods, reason = "certificates are valid by the wall's clock")]
    fn current_time(&self) -> Option<UnixTime> {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

fn config(roots: Arc<RootCertStore>, shown: Option<Shown>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_details(Arc::new(provider()), Arc::new(WallClock))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(TlsError::Setup)?,
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use std::error::Error;

    fn bundle(text: &str) -> Result<Roots, TlsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corporate.pem");
        std::fs::write(&path, text).unwrap();
        Roots::from_bundle(SettingsFile::new(path, "AWS_CA_BUNDLE"))
    }

    #[test]
    fn a_bundle_that_cannot_be_used_is_named() {
        let broken = "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, unreadable) in [("", false), ("no PEM at all", false), (no_certificate, false), (broken, true)] {
            let error = bundle(text).unwrap_err();
            assert!(error.to_string().contains("corporate.pem"), "{error}");
            assert_eq!(error.source().is_some(), unreadable, "{text:?}: {error}");
        }
        let missing = Roots::from_bundle(SettingsFile::new("/nowhere/corporate.pem", "AWS_CA_BUNDLE")).unwrap_err();
        let words = "/nowhere/corporate.pem, which AWS_CA_BUNDLE names: No such file or directory (os error 2)";
        assert_eq!(missing.to_string(), words);
    }

    fn with_padding(certificate: &str, length: u64) -> String {
        let mut text = certificate.to_owned();
        let missing = usize::try_from(length).unwrap() - text.len();
        text.extend(std::iter::repeat_n('\n', missing));
        text
    }

    fn certificate() -> String {
        rcgen::generate_simple_self_signed(["authority.example".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn a_bundle_that_is_too_large_is_refused() {
        let certificate = certificate();
        assert!(bundle(&with_padding(&certificate, CERTIFICATES_FILE)).is_ok());
        let error = bundle(&with_padding(&certificate, CERTIFICATES_FILE + 1)).unwrap_err();
        let words = "which AWS_CA_BUNDLE names: this is larger than 16777216 bytes";
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn the_files_of_a_directory_are_limited_together() {
        let folder = tempfile::tempdir().unwrap();
        let of_length =
            |name: &str, length| fs::File::create(folder.path().join(name)).unwrap().set_len(length).unwrap();
        nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        of_length("one.pem", CERTIFICATES_FILE - 1);
        of_length("two.pem", 1);
        check_directory(folder.path()).unwrap();
        of_length("two.pem", 2);
        let error = check_directory(folder.path()).unwrap_err();
        assert!(error.to_string().contains("larger than 16777216 bytes"), "{error}");
        check_directory(Path::new("/nowhere")).unwrap();
    }

    #[test]
    fn a_directory_has_only_so_many_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = |number| drop(fs::File::create(folder.path().join(format!("{number}.pem"))).unwrap());
        (1..=CERTIFICATE_FILES).for_each(file);
        check_directory(folder.path()).unwrap();
        file(0);
        let error = check_directory(folder.path()).unwrap_err();
        assert!(error.to_string().contains("more than 4096 names"), "{error}");
    }
}
