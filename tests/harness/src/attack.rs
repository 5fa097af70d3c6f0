//! The hostile tool component with a server of its own and one of another.

use crate::{Canary, Reply, Subject, Testbed, Upstream, Wanted};

/// A host with the hostile guest and two servers that say `hello`; replace them where they should say more.
pub struct Attack {
    /// The host.
    pub testbed: Testbed,
    /// The guest's own server, where its secrets may go.
    pub upstream: Upstream,
    /// Another server it may reach.
    pub other: Upstream,
}

impl Attack {
    /// Sets it up, with a value for each secret of the guest.
    pub async fn new() -> Self {
        let hello = |_: &_| Reply::ok("hello");
        let testbed = Testbed::new().await;
        for secret in ["header-key", "withheld-key", "signing-key", "aws-key"] {
            testbed.secrets.set("hostile", secret, Canary::new(secret).value());
        }
        Self { testbed, upstream: Upstream::start(hello).await, other: Upstream::start(hello).await }
    }

    /// The guest, granted all but what it is never granted.
    pub fn guest(&self) -> Wanted<'_> {
        let guest = self.testbed.guest("hostile").setting("base-url", self.upstream.url());
        guest
            .setting("other-url", self.other.url())
            .without("http https://ungranted.example.org")
            .without("secret withheld-key")
    }

    /// The guest, loaded.
    #[must_use]
    pub fn load(&self) -> Subject {
        self.guest().load()
    }

    /// The text with the two servers by their names: their ports are new in each run.
    #[must_use]
    pub fn named(&self, text: &str) -> String {
        text.replace(&self.upstream.authority(), "<upstream>").replace(&self.other.authority(), "<other>")
    }
}
