//! The collectors of the host, each with a real socket that misbehaves.

pub(crate) mod allocated;
mod dns;
mod hosts;
pub(crate) mod imds;
mod names;
mod round;

use crate::fakes::authority::Authority;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use onnet::observe::{
    aws::{Lookups, Proxies, control_plane},
    tls::Roots,
};

/// onnet's own HTTP client for AWS, which trusts only a certificate that no server has.
fn http() -> SharedHttpClient {
    let roots = Roots::usable(vec![Authority::new().certificate()]).unwrap();
    control_plane(&roots, Proxies::None, Lookups::default()).unwrap()
}
