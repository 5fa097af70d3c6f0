//! The host's side of `wit/`, generated from the same files as the SDK's.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package cara:host;
        world host {
            import cara:plugin/log@0.2.0;
            import cara:plugin/clock@0.2.0;
            import cara:plugin/settings@0.2.0;
            import cara:plugin/state@0.2.0;
            import cara:plugin/secrets@0.2.0;
            import cara:plugin/turn@0.2.0;
            import cara:plugin/inbox@0.2.0;
            include cara:plugin/host-services@0.2.0;
            export cara:plugin/provider@0.2.0;
            export cara:plugin/tool@0.2.0;
            export cara:plugin/channel@0.2.0;
        }
    ",
    world: "cara:host/host",
    imports: {
        "cara:plugin/log@0.2.0": trappable,
        "cara:plugin/clock@0.2.0": trappable,
        "cara:plugin/settings@0.2.0": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    require_store_data_send: true,
    additional_derives: [PartialEq],
});

pub use cara::plugin::*;
pub use exports::cara::plugin::{channel, provider, tool};
