//! Where the SDK would send a request, by its own endpoint rules: nothing in onnet puts a hostname together.

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use std::sync::{Arc, OnceLock};

/// Notes where a client's request is headed, and stops it before it is signed.
#[derive(Clone, Debug, Default)]
pub(super) struct Destination {
    uri: Arc<OnceLock<http::Uri>>,
}

impl Destination {
    /// What was noted; `None` if no request came as far.
    pub(super) fn get(&self) -> Option<&http::Uri> {
        self.uri.get()
    }
}

impl Intercept for Destination {
    fn name(&self) -> &'static str {
        "onnet::destination"
    }

    fn read_before_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let uri = context.request().uri().parse()?;
        self.uri.get_or_init(|| uri);
        Err("seen enough".into())
    }
}

/// Credentials with no account id, for a request that is never signed or sent.
pub(super) fn anonymous() -> Credentials {
    Credentials::new("unused", "unused", None, None, "destination")
}
