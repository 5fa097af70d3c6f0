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
            import cara:plugin/approvals@0.2.0;
            import cara:plugin/attachments@0.2.0;
            import cara:plugin/configuration@0.2.0;
            import cara:plugin/memory@0.2.0;
            import cara:plugin/messaging@0.2.0;
            import cara:plugin/models@0.2.0;
            import cara:plugin/sessions@0.2.0;
            export cara:plugin/provider@0.2.0;
            export cara:plugin/tool@0.2.0;
        }
    ",
    world: "cara:host/host",
    imports: {
        "cara:plugin/state@0.2.0": async | trappable,
        "cara:plugin/secrets@0.2.0": async | trappable,
        "cara:plugin/turn@0.2.0": async | trappable,
        "cara:plugin/approvals@0.2.0": async | trappable,
        "cara:plugin/attachments@0.2.0": async | trappable,
        "cara:plugin/configuration@0.2.0": async | trappable,
        "cara:plugin/memory@0.2.0": async | trappable,
        "cara:plugin/messaging@0.2.0": async | trappable,
        "cara:plugin/models@0.2.0": async | trappable,
        "cara:plugin/sessions@0.2.0": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    require_store_data_send: true,
    additional_derives: [PartialEq],
});

pub use cara::plugin::{approvals, attachments, configuration, memory, messaging, models, sessions, turn, types};
pub use exports::cara::plugin::{provider, tool};
