//! From a web server: the component, and its signature beside it.

use super::{FetchError, SIGNATURE};
use crate::access::Phase;
use crate::client::{Client, ClientError, Want};
use crate::reference::UrlReference;
use cara_authority::Destination;
use cara_signing::{Bundle, Package};
use http::{HeaderMap, Method, StatusCode};

/// The component and its signature file. The signature comes first: it is small, and without it the rest is for nothing.
pub(super) async fn read(client: &Client<'_>, url: &UrlReference) -> Result<(Vec<u8>, String), FetchError> {
    let signature = format!("{}{SIGNATURE}", url.url());
    let destination = |url: &str| Destination::named(&Method::GET, url).map_err(ClientError::from);
    let reply = client.get(destination(&signature)?, HeaderMap::new()).await?;
    if reply.status == StatusCode::NOT_FOUND {
        // A wrong name is told from a missing signature by what stands at the name itself.
        client.get(destination(url.url())?, HeaderMap::new()).await?.ok()?;
        return Err(FetchError::Unsigned { package: url.url().to_owned(), signature });
    }
    let bundle = client.read(reply.ok()?, Want { phase: Phase::Signature, most: Bundle::MAX_BYTES }).await?;
    let bundle = String::from_utf8(bundle).map_err(|_| FetchError::NotText(url.url().to_owned()))?;
    let reply = client.get(destination(url.url())?, HeaderMap::new()).await?.ok()?;
    let wasm = client.read(reply, Want { phase: Phase::Component, most: Package::MAX_BYTES }).await?;
    Ok((wasm, bundle))
}
