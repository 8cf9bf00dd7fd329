//! What rustls makes of the settings, and the files they name.

use super::{
    Problems,
    file::{Clients, PemLocation, PemSource, Tls},
};
use crate::{import::input, observe::tls::WallClock};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{
        NoClientAuth, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use std::{fmt::Debug, fs, hash::Hasher, os::unix::fs::PermissionsExt, path::Path, sync::Arc};
use webpki::EndEntityCert;

/// No certificate or key is longer.
const LONGEST: u64 = 1 << 20;

/// Reads files and keeps account of what stood in them.
pub(super) struct Reader<H> {
    pub(super) seen: H,
    /// What is no mistake, and yet should be known.
    pub(super) warnings: Vec<String>,
}

impl<H: Hasher> Reader<H> {
    /// The content of a regular file, which may also stand behind a link.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        let content = read(path);
        match &content {
            Ok(content) => {
                self.seen.write_usize(content.len());
                self.seen.write(content);
            }
            Err(why) => self.seen.write(why.as_bytes()),
        }
        content
    }

    fn pem(&mut self, source: &PemSource, problems: &mut Problems) -> Option<Vec<u8>> {
        match &source.location {
            PemLocation::Inline(text) => Some(text.clone().into_bytes()),
            PemLocation::File(path) => match self.read(path) {
                Ok(content) => Some(content),
                Err(why) => {
                    let PemSource { setting, line, .. } = source;
                    problems.add(Some(*line), format!("{setting}: cannot read {}: {why}", path.display()));
                    None
                }
            },
        }
    }

    fn certificates(&mut self, source: &PemSource, problems: &mut Problems) -> Option<Vec<CertificateDer<'static>>> {
        let pem = self.pem(source, problems)?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Some(certificates),
            Ok(_) | Err(_) => {
                problems.add(Some(source.line), format!("{} contains no PEM certificate", source.described()));
                None
            }
        }
    }

    fn key(&mut self, source: &PemSource, problems: &mut Problems) -> Option<PrivateKeyDer<'static>> {
        let pem = self.pem(source, problems)?;
        if let PemLocation::File(path) = &source.location
            && fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
        {
            self.warnings.push(format!("every user of this host may read the private key {}", path.display()));
        }
        // The parser's own error could repeat what it found.
        PrivateKeyDer::from_pem_slice(&pem).ok().or_else(|| {
            let advice = "contains no unencrypted PEM private key";
            problems.add(Some(source.line), format!("{} {advice}", source.described()));
            None
        })
    }

    /// How TLS is spoken by these settings. `None` where there are problems.
    pub(super) fn server(&mut self, tls: Tls, problems: &mut Problems) -> Option<Arc<ServerConfig>> {
        let Tls { versions, suites, groups, .. } = &tls;
        let provider =
            CryptoProvider { cipher_suites: suites.clone(), kx_groups: groups.clone(), ..ring::default_provider() };
        let provider = Arc::new(provider);
        let clients = self.clients(&tls.clients, &provider, problems);
        let certificates = self.certificates(&tls.certificate, problems);
        let key = self.key(&tls.key, problems);
        let details = ServerConfig::builder_with_details(provider, Arc::new(WallClock));
        let builder = match details.with_protocol_versions(versions) {
            Ok(builder) => builder,
            Err(error) => {
                problems.add(None, format!("cipher_suites, curve_preferences and versions do not fit: {error}"));
                return None;
            }
        };
        match builder.with_client_cert_verifier(clients?).with_single_cert(certificates?, key?) {
            Ok(mut config) => {
                config.ignore_client_order = tls.prefer_own_order;
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Some(Arc::new(config))
            }
            Err(rustls::Error::InconsistentKeys(_)) => {
                let (key, certificate) = (tls.key.described(), tls.certificate.described());
                problems.add(Some(tls.key.line), format!("{key} is not the key of {certificate}"));
                None
            }
            Err(error) => {
                problems.add(Some(tls.certificate.line), format!("{}: {error}", tls.certificate.described()));
                None
            }
        }
    }

    fn clients(
        &mut self,
        clients: &Clients,
        provider: &Arc<CryptoProvider>,
        problems: &mut Problems,
    ) -> Option<Arc<dyn ClientCertVerifier>> {
        let (authority, names) = match clients {
            Clients::NotAsked => return Some(Arc::new(NoClientAuth)),
            Clients::VerifiedIfGiven(authority) => (authority, None),
            Clients::Verified { authority, allowed_names } => (authority, Some(allowed_names)),
        };
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(authority, problems)? {
            if let Err(error) = roots.add(certificate) {
                problems.add(Some(authority.line), format!("{}: {error}", authority.described()));
                return None;
            }
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let builder = if names.is_some() { builder } else { builder.allow_unauthenticated() };
        match (builder.build(), names) {
            (Ok(chain), Some(names)) if !names.is_empty() => {
                Some(Arc::new(Named { chain, names: names.iter().map(|name| Name::new(name)).collect() }))
            }
            (Ok(chain), _) => Some(chain),
            (Err(error), _) => {
                problems.add(Some(authority.line), format!("{}: {error}", authority.described()));
                None
            }
        }
    }
}

impl PemSource {
    fn described(&self) -> String {
        match &self.location {
            PemLocation::File(path) => format!("{} {}", self.setting, path.display()),
            PemLocation::Inline(_) => self.setting.to_owned(),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    input::read(path, LONGEST).map(|(content, _)| content).map_err(|error| error.to_string())
}

/// A certificate of the chain that also has one of these names (`client_allowed_sans`).
#[derive(Debug)]
struct Named {
    chain: Arc<dyn ClientCertVerifier>,
    names: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    text: String,
    address: Option<ServerName<'static>>,
}

impl Name {
    fn new(text: &str) -> Self {
        let address = text.parse().ok().map(|address: std::net::IpAddr| ServerName::IpAddress(address.into()));
        Self { text: text.to_owned(), address }
    }

    /// To the letter: `*.example.com` in a certificate is that, and not every name below.
    fn is_of(&self, certificate: &EndEntityCert<'_>) -> bool {
        match &self.address {
            Some(address) => certificate.verify_is_valid_for_subject_name(address).is_ok(),
            None => certificate.valid_dns_names().chain(certificate.valid_uri_names()).any(|name| name == self.text),
        }
    }
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        let certificate = EndEntityCert::try_from(end_entity)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self.names.iter().any(|name| name.is_of(&certificate)) {
            Ok(verified)
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
