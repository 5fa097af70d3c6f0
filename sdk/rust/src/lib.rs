//! What authors of components use:
//! the contract in Rust, and the client for it.
//!
//! One module for each interface of `wit/`, under the same name, and beside them `http` (a client over
//! `wasi:http`), `sse` and `ndjson` (readers of streamed answers), `json` and `error`. A component implements
//! [`provider::Provider`], [`tool::Tool`] or [`channel::Channel`] on a type of its own and names it in [`export_provider!`],
//! [`export_tool!`] or [`export_channel!`]; it then imports exactly what its code calls.
//!
//! ```
//! use cara_sdk::provider::{EmbedRequest, Embeddings, Model, Outcome, Provider, Request, StopReason};
//! use cara_sdk::turn::{self, Event};
//! use cara_sdk::Error;
//!
//! pub struct Parrot;
//! cara_sdk::export_provider!(Parrot);
//!
//! impl Provider for Parrot {
//!     fn models() -> Result<Vec<Model>, Error> {
//!         Ok(Vec::new())
//!     }
//!     fn complete(request: Request) -> Result<Outcome, Error> {
//!         turn::emit(&[Event::Text("hello".to_owned())])?;
//!         Ok(Outcome::new(StopReason::Complete, request.model))
//!     }
//!     fn embed(_: EmbedRequest) -> Result<Embeddings, Error> {
//!         Err(Error::unsupported("a parrot has no embeddings"))
//!     }
//! }
//! ```
//!
//! Everything compiles on every target, so a component is tested natively: inside [`testing::MockHost`], which stands in for
//! the host. With the feature `schemars` the types that read a tool's arguments also make its schema ([`schema`]).

#![deny(missing_docs)]

pub mod approvals;
pub mod attachments;
#[doc(hidden)]
pub mod bindings;
pub mod channel;
pub mod clock;
pub mod configuration;
pub mod error;
pub mod exec;
mod host;
pub mod http;
pub mod inbox;
pub mod json;
pub mod log;
pub mod memory;
pub mod messaging;
pub mod models;
pub mod ndjson;
pub mod provider;
pub mod random;
#[cfg(feature = "schemars")]
pub mod schema;
pub mod secrets;
pub mod sessions;
pub mod settings;
pub mod sse;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod tool;
pub mod turn;
pub mod types;

pub use error::{Error, ErrorKind};

/// Makes this crate a component that offers language models: `export_provider!(MyProvider);`
///
/// The type implements [`provider::Provider`]. May stand beside [`export_tool!`]. On other targets than wasm it only
/// checks that the trait is implemented. The example at the top of this crate is a whole one:
///
/// ```
/// # use cara_sdk::{Error, provider::*};
/// struct Parrot;
/// cara_sdk::export_provider!(Parrot);
/// # impl Provider for Parrot {
/// #     fn models() -> Result<Vec<Model>, Error> { Ok(Vec::new()) }
/// #     fn complete(_: Request) -> Result<Outcome, Error> { Err(Error::unsupported("none")) }
/// #     fn embed(_: EmbedRequest) -> Result<Embeddings, Error> { Err(Error::unsupported("none")) }
/// # }
/// ```
#[macro_export]
macro_rules! export_provider {
    ($type:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::provider_component::export!($type with_types_in $crate::bindings::provider_component);
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = $crate::provider::check::<$type>();
    };
}

/// Makes this crate a component that offers tools: `export_tool!(MyTool);`
///
/// The type implements [`tool::Tool`]. May stand beside [`export_provider!`]. On other targets than wasm it only
/// checks that the trait is implemented. The example of [`tool`] is a whole one:
///
/// ```
/// # use cara_sdk::{Error, tool::*};
/// struct Greeter;
/// cara_sdk::export_tool!(Greeter);
/// # impl Tool for Greeter {
/// #     fn call(name: String, _: String, _: Context) -> Result<Vec<Content>, Error> { Err(unknown(&name)) }
/// # }
/// ```
#[macro_export]
macro_rules! export_tool {
    ($type:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::tool_component::export!($type with_types_in $crate::bindings::tool_component);
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = $crate::tool::check::<$type>();
    };
}

/// Makes this crate a component that connects a chat network: `export_channel!(MyChannel);`
///
/// The type implements [`channel::Channel`]. May stand beside [`export_tool!`]. On other targets than wasm it only checks
/// that the trait is implemented. The example of [`channel`] is a whole one:
///
/// ```
/// # use cara_sdk::channel::{Account, Action, Channel, Event, Handled, Started};
/// # use cara_sdk::types::{Address, Outbound, Receipt};
/// # use cara_sdk::Error;
/// # struct Wall;
/// cara_sdk::export_channel!(Wall);
/// # impl Channel for Wall {
/// #     fn start(_: String) -> Result<Started, Error> { Err(Error::unsupported("none")) }
/// #     fn on_event(_: Account, _: Event) -> Result<Handled, Error> { Err(Error::unsupported("none")) }
/// #     fn send(_: Account, _: Address, _: Outbound) -> Result<Receipt, Error> { Err(Error::unsupported("none")) }
/// #     fn confirm(_: Account, _: Address, _: String) -> Result<Option<Receipt>, Error> { Ok(None) }
/// #     fn act(_: Account, _: Action) -> Result<(), Error> { Err(Error::unsupported("none")) }
/// # }
/// ```
#[macro_export]
macro_rules! export_channel {
    ($type:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::channel_component::export!($type with_types_in $crate::bindings::channel_component);
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = $crate::channel::check::<$type>();
    };
}
