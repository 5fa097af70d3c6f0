//! `tool`: one call of one tool.

use super::{content_size, presentable, within_output};
use crate::bindings::tool::Context;
use crate::bindings::types::Content;
use crate::call::{Invocation, Returned};
use crate::component::Component;
use crate::fault::{Cause, Fault};
use crate::imports::CallServices;
use cara_authority::{Approved, Grants, ToolCall};
use std::sync::Arc;

impl Component {
    /// Makes an approved tool call. The approval holds for the code it was given for: other code is a fault.
    pub async fn call_tool(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        approved: &Approved<ToolCall>,
        context: Context,
    ) -> super::provider::Answered<Vec<Content>> {
        let call = approved.call();
        if call.component != *self.id() || call.digest != *self.checked().package().digest().as_bytes() {
            return Err(Fault::new(self.id(), Cause::Mismatch("the call was approved for other code")));
        }
        // Whoever calls: the call can do what the tool says, and nothing else that the component was granted.
        let grants = &Arc::new(grants.for_tool(&call.tool, self.checked().authority()));
        let call = call.clone();
        let invocation: Invocation<_> = Box::new(move |store, instance, loaded| {
            Box::pin(async move {
                let missing = || wasmtime::Error::new(Cause::Start("it is not a tool".into()));
                let guest = loaded.tool.as_ref().ok_or_else(missing)?.load(&mut *store, instance)?;
                guest.call_call(store, call.tool.as_str(), &call.arguments, &context).await
            })
        });
        let returned = self.call(grants, services, None, invocation).await?;
        if let Ok(content) = &returned.answer {
            within_output(content_size(content), grants)?;
        }
        let answer = returned.answer.map_err(|error| presentable(error, services));
        Ok(Returned { answer, refusals: returned.refusals, fuel: returned.fuel })
    }
}
