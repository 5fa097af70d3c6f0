//! `tool`: one call of one tool.

use super::{content_size, presentable, within_output};
use crate::bindings::tool::Context;
use crate::bindings::types::{Content, Error};
use crate::call::{CallState, Invocation, Returned};
use crate::fault::Cause;
use crate::loader::Loaded;
use crate::registry::Component;
use crate::services::CallServices;
use cara_authority::Grants;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Instance;

struct Call<'a> {
    name: &'a str,
    arguments: &'a str,
    context: Context,
}

impl Invocation for Call<'_> {
    type Answer = Result<Vec<Content>, Error>;
    async fn invoke(
        self,
        store: &mut Store<CallState>,
        instance: &Instance,
        loaded: &Loaded,
    ) -> wasmtime::Result<Self::Answer> {
        let missing = || wasmtime::Error::new(Cause::Start("it is not a tool".into()));
        let guest = loaded.tool.as_ref().ok_or_else(missing)?.load(&mut *store, instance)?;
        guest.call_call(store, self.name, self.arguments, &self.context).await
    }
}

impl Component {
    /// Calls a tool. Whether it may be called, and with these arguments, was decided before.
    pub async fn call_tool(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        name: &str,
        arguments: &str,
        context: Context,
    ) -> super::provider::Answered<Vec<Content>> {
        let returned = self.call(grants, services, None, Call { name, arguments, context }).await?;
        if let Ok(content) = &returned.answer {
            within_output(content_size(content), grants)?;
        }
        let answer = returned.answer.map_err(|error| presentable(error, services));
        Ok(Returned { answer, refusals: returned.refusals, fuel: returned.fuel })
    }
}
