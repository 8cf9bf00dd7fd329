//! What onnet trusts: one set of certificates for all it sends, so that a probe and an API call judge a peer alike.

use rustls::{
    CipherSuite, ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

/// Why there is nothing to trust.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file that `AWS_CA_BUNDLE` names is no bundle of certificates.
    #[error("cannot read the certificates of {path}, which AWS_CA_BUNDLE names")]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
    /// The file that `AWS_CA_BUNDLE` names holds no certificate that can be used.
    #[error("{path}, which AWS_CA_BUNDLE names, contains no usable certificate")]
    EmptyBundle {
        /// The file.
        path: PathBuf,
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
    /// Made when it is asked for. To make one, every authority's name is copied.
    client: OnceLock<Arc<ClientConfig>>,
}

impl Roots {
    /// Those of the file that `AWS_CA_BUNDLE` names, as the AWS CLI and SDKs have it, else the system's.
    // The one place that reads AWS_CA_BUNDLE; aws-config does not.
    pub fn load() -> Result<Self, TlsError> {
        match std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
            Some(path) => Self::from_bundle(PathBuf::from(path)),
            None => {
                // Errors are for single files of the store; what matters is whether anything is left.
                let found = rustls_native_certs::load_native_certs().certs;
                Self::usable(found).ok_or(TlsError::EmptySystemStore)
            }
        }
    }

    /// Those of a PEM file.
    pub fn from_bundle(path: PathBuf) -> Result<Self, TlsError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect);
        match certificates {
            Ok(certificates) => Self::usable(certificates).ok_or(TlsError::EmptyBundle { path }),
            Err(cause) => Err(TlsError::Bundle { path, cause }),
        }
    }

    /// Those of `certificates` that rustls can use. A system's store often holds one that it cannot.
    pub fn usable(certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut store = RootCertStore::empty();
        let (usable, _) = store.add_parsable_certificates(certificates);
        (usable > 0).then(|| Self { store: Arc::new(store), client: OnceLock::new() })
    }

    /// A TLS configuration that trusts them. No resumption: each probe is to time a whole handshake.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(made) = self.client.get() {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(self.client_config_showing(None)?);
        Ok(Arc::clone(self.client.get_or_init(|| made)))
    }

    /// The same, with a client certificate for servers that ask for one.
    pub fn client_config_showing(&self, shown: Option<Shown>) -> Result<ClientConfig, TlsError> {
        config(Arc::clone(&self.store), shown)
    }
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
        Roots::from_bundle(path)
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
        let missing = Roots::from_bundle("/nowhere/corporate.pem".into()).unwrap_err();
        assert!(matches!(missing, TlsError::Bundle { .. }), "{missing}");
    }
}
