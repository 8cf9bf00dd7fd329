//! The lab's certificate authority, and the certificates that are right or wrong in one way each.

use super::faults::Fault;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{collections::BTreeMap, sync::Arc};

type Authority = Issuer<'static, KeyPair>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the TLS services show, by fault.
pub struct Certificates {
    /// The authority's certificate, for a bundle.
    pub authority_pem: String,
    /// The right certificate and its key, for servers that are not the lab's.
    pub good_pem: [String; 2],
    good: Arc<ServerConfig>,
    bad: BTreeMap<Fault, Arc<ServerConfig>>,
}

impl Certificates {
    /// Certificates for these names, from an authority made for this lab alone.
    pub fn new(names: &[String]) -> Result<Self, Error> {
        let (authority_pem, trusted) = authority("onnet lab")?;
        let (_, stranger) = authority("nobody trusts this")?;
        let other = ["www.example.com".to_owned()];
        let (good, good_pem) = leaf(&trusted, names, 2099)?;
        Ok(Self {
            authority_pem,
            good_pem,
            good,
            bad: BTreeMap::from([
                (Fault::WrongCertificate, leaf(&trusted, &other, 2099)?.0),
                (Fault::ExpiredCertificate, leaf(&trusted, names, 2021)?.0),
                (Fault::UntrustedAuthority, leaf(&stranger, names, 2099)?.0),
            ]),
        })
    }

    /// The right certificate, unless the fault is a wrong one.
    pub fn shown_under(&self, fault: Option<Fault>) -> Arc<ServerConfig> {
        fault.and_then(|fault| self.bad.get(&fault)).unwrap_or(&self.good).clone()
    }
}

fn authority(name: &str) -> Result<(String, Authority), Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2099, 1, 1));
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Issuer::new(params, key)))
}

fn leaf(authority: &Authority, names: &[String], until: i32) -> Result<(Arc<ServerConfig>, [String; 2]), Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, names[0].as_str());
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    let pem = [certificate.pem(), key.serialize_pem()];
    let certificate: CertificateDer<'static> = certificate.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), pem))
}
