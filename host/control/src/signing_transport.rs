//! How signing asks a Sigstore instance: through the gate of all that goes
//! out.

use cara_packages::keyless::Signing;
use cara_packages::{Access, ClientError};
use cara_sdk_sign::{Answer, Transport};

/// Requests of who signs.
pub(crate) struct SigningTransport<'a>(Signing<'a>);

impl<'a> SigningTransport<'a> {
    pub(crate) fn new(access: Access<'a>) -> Self {
        Self(Signing::new(access))
    }
}

impl Transport for SigningTransport<'_> {
    type Error = ClientError;

    async fn post(&self, url: &str, body: &str) -> Result<Answer, ClientError> {
        let (status, body) = self.0.post(url, body).await?;
        Ok(Answer { status, body })
    }
}
