//! Certificate authorities, and the certificates that they issue.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::sync::Arc;

/// A certificate authority.
pub struct Authority {
    /// Its certificate, for a bundle.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub struct Leaf {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        Self::named("an authority of one test")
    }

    pub fn named(name: &str) -> Self {
        let mut params = params(&[], 2020, 2099);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()
    }

    /// A server's certificate for these names and addresses.
    pub fn server(&self, names: &[&str]) -> Leaf {
        self.issue(params(names, 2020, 2099), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A server's certificate for this host.
    pub fn localhost(&self) -> Leaf {
        self.server(&["localhost", "127.0.0.1"])
    }

    /// One that has expired.
    pub fn expired_server(&self, names: &[&str]) -> Leaf {
        self.issue(params(names, 2019, 2020), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate, with this DNS name.
    pub fn client(&self, name: &str) -> Leaf {
        self.client_with(&[name], Vec::new())
    }

    /// A client's certificate with these names, and with names of other kinds.
    pub fn client_with(&self, names: &[&str], more: Vec<SanType>) -> Leaf {
        let mut params = params(names, 2020, 2099);
        params.subject_alt_names.extend(more);
        self.issue(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// The TLS settings of a server with this name.
    pub fn identity(&self, name: &str) -> Arc<ServerConfig> {
        self.server(&[name]).config()
    }

    fn issue(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Leaf {
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Leaf { certificate, key: key.serialize_pem() }
    }
}

/// For these names and addresses, of which the first is also the common name; valid from the start of one year to the start of
/// another.
fn params(names: &[&str], from: i32, until: i32) -> CertificateParams {
    let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(all).unwrap();
    if let Some(first) = names.first() {
        params.distinguished_name.push(DnType::CommonName, *first);
    }
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
    params
}

impl Leaf {
    /// The TLS settings of a server with this certificate.
    pub fn config(&self) -> Arc<ServerConfig> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}
