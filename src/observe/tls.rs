//! What onnet trusts: one set of certificates for all it sends, so that a probe and an API call judge a peer alike.

use aws_smithy_http_client::tls::TrustStore;
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{path::PathBuf, sync::Arc};

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
    #[error("{path}, which AWS_CA_BUNDLE names, holds no usable certificate")]
    EmptyBundle {
        /// The file.
        path: PathBuf,
    },
    /// The system has no certificates.
    #[error("the system's trust store holds no usable certificate; AWS_CA_BUNDLE can name a file that does")]
    EmptySystemStore,
    /// The cryptography library refused its own defaults: our bug.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

/// The certificates onnet trusts; at least one.
#[derive(Clone, Debug)]
pub struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    store: Arc<RootCertStore>,
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
        let certificates: Vec<_> = certificates.into_iter().filter(|der| store.add(der.clone()).is_ok()).collect();
        (!certificates.is_empty()).then(|| Self { certificates, store: Arc::new(store) })
    }

    /// Without the certificates themselves, for whoever has handed them out: what is verified with is an eighth of them.
    pub(crate) fn handed_out(self) -> Self {
        Self { certificates: Vec::new(), ..self }
    }

    /// A TLS configuration that trusts them. No resumption: each probe is to time a whole handshake.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        self.client_config_showing(None)
    }

    /// The same, and shows a certificate to those who ask for one.
    pub(crate) fn client_config_showing(&self, shown: Option<Shown>) -> Result<ClientConfig, TlsError> {
        config(Arc::clone(&self.store), shown)
    }

    /// The same certificates for the SDK's own HTTP client, which wants PEM. None, once they are handed out.
    pub(crate) fn trust_store(&self) -> TrustStore {
        self.certificates.iter().fold(TrustStore::empty(), |store, der| store.with_pem_certificate(pem(der)))
    }
}

/// A certificate with those it rests on, and its key.
pub(crate) type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A TLS configuration that trusts nobody, for clients that never speak it.
pub(crate) fn distrustful() -> Result<ClientConfig, TlsError> {
    config(Arc::new(RootCertStore::empty()), None)
}

fn config(roots: Arc<RootCertStore>, shown: Option<Shown>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
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

fn pem(der: &[u8]) -> String {
    let base64 = aws_smithy_types::base64::encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
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

    #[test]
    fn the_sdks_client_gets_the_same_certificates() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let roots = bundle(&certificate.pem()).unwrap();
        let through_pem = CertificateDer::from_pem_slice(pem(&roots.certificates[0]).as_bytes()).unwrap();
        assert_eq!(&through_pem, certificate.der());
        assert_eq!(roots.store.len(), 1);
    }
}
