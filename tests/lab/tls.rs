//! The certificates of the lab's services: the right one, and those that are wrong in one way each.

use super::{
    fakes::authority::{Authority, Leaf},
    faults::Fault,
};
use rustls::ServerConfig;
use std::{collections::BTreeMap, sync::Arc};

/// What the TLS services show, by fault.
pub struct Certificates {
    /// The authority of this lab only.
    pub authority: Authority,
    /// Another one, which signs under [`Fault::UntrustedAuthority`].
    pub stranger: Authority,
    /// The right certificate, for servers outside the lab.
    pub good: Leaf,
    shown: Arc<ServerConfig>,
    bad: BTreeMap<Fault, Arc<ServerConfig>>,
}

impl Certificates {
    /// Certificates for these names.
    pub fn new(names: &[&str]) -> Self {
        let (authority, stranger) =
            (Authority::named("onnet lab"), Authority::named("an authority that is not trusted"));
        let good = authority.server(names);
        let bad = BTreeMap::from([
            (Fault::WrongCertificate, authority.identity("www.example.com")),
            (Fault::ExpiredCertificate, authority.expired_server(names).config()),
            (Fault::UntrustedAuthority, stranger.server(names).config()),
        ]);
        Self { shown: good.config(), authority, stranger, good, bad }
    }

    /// The right certificate, unless the fault is a wrong one.
    pub fn shown_under(&self, fault: Option<Fault>) -> Arc<ServerConfig> {
        fault.and_then(|fault| self.bad.get(&fault)).unwrap_or(&self.shown).clone()
    }
}
