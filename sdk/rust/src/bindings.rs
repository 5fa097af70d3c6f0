//! What `wit-bindgen` makes of the contract; the other modules give it names.
//!
//! All worlds share one set of imported types. Each leaves two custom sections: one with its imports, which the
//! componentizer drops where unused, and one with its exports, written only where its `export_*!` macro is called.

#![allow(missing_docs, unreachable_pub, unsafe_code, rust_2018_idioms, clippy::all)]

/// The world `provider-component`.
pub mod provider_component {
    wit_bindgen::generate!({
        world: "cara:plugin/provider-component@0.2.0",
        path: "../../wit",
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
        additional_derives: [Clone, PartialEq],
        additional_derives_ignore: ["stream-error"],
    });
}

/// The world `tool-component`.
pub mod tool_component {
    wit_bindgen::generate!({
        world: "cara:plugin/tool-component@0.2.0",
        path: "../../wit",
        generate_unused_types: true,
        pub_export_macro: true,
        additional_derives: [Clone, PartialEq],
        with: {
            "cara:plugin/types@0.2.0": super::provider_component::cara::plugin::types,
            "cara:plugin/log@0.2.0": super::provider_component::cara::plugin::log,
            "cara:plugin/clock@0.2.0": super::provider_component::cara::plugin::clock,
            "cara:plugin/settings@0.2.0": super::provider_component::cara::plugin::settings,
            "cara:plugin/state@0.2.0": super::provider_component::cara::plugin::state,
            "cara:plugin/secrets@0.2.0": super::provider_component::cara::plugin::secrets,
            "wasi:clocks/monotonic-clock@0.2.12": super::provider_component::wasi::clocks::monotonic_clock,
            "wasi:http/outgoing-handler@0.2.12": super::provider_component::wasi::http::outgoing_handler,
            "wasi:http/types@0.2.12": super::provider_component::wasi::http::types,
            "wasi:io/error@0.2.12": super::provider_component::wasi::io::error,
            "wasi:io/poll@0.2.12": super::provider_component::wasi::io::poll,
            "wasi:io/streams@0.2.12": super::provider_component::wasi::io::streams,
        },
    });
}

/// The world `channel-component`.
pub mod channel_component {
    wit_bindgen::generate!({
        world: "cara:plugin/channel-component@0.2.0",
        path: "../../wit",
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
        additional_derives: [Clone, PartialEq],
        with: {
            "cara:plugin/types@0.2.0": super::provider_component::cara::plugin::types,
            "cara:plugin/log@0.2.0": super::provider_component::cara::plugin::log,
            "cara:plugin/clock@0.2.0": super::provider_component::cara::plugin::clock,
            "cara:plugin/settings@0.2.0": super::provider_component::cara::plugin::settings,
            "cara:plugin/state@0.2.0": super::provider_component::cara::plugin::state,
            "cara:plugin/secrets@0.2.0": super::provider_component::cara::plugin::secrets,
            "wasi:clocks/monotonic-clock@0.2.12": super::provider_component::wasi::clocks::monotonic_clock,
            "wasi:http/outgoing-handler@0.2.12": super::provider_component::wasi::http::outgoing_handler,
            "wasi:http/types@0.2.12": super::provider_component::wasi::http::types,
            "wasi:io/error@0.2.12": super::provider_component::wasi::io::error,
            "wasi:io/poll@0.2.12": super::provider_component::wasi::io::poll,
            "wasi:io/streams@0.2.12": super::provider_component::wasi::io::streams,
        },
    });
}
