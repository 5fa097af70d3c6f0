//! `provider`: models, answers and embeddings.

use super::{presentable, within_output};
use crate::bindings::provider::{EmbedRequest, Embeddings, Guest, Model, Outcome, Request};
use crate::bindings::turn::Event;
use crate::bindings::types::Error;
use crate::call::{Invocation, Returned};
use crate::component::Component;
use crate::fault::{Cause, Fault};
use crate::imports::turn::Turn;
use crate::imports::{CallServices, CallState};
use crate::loader::Loaded;
use cara_authority::Grants;
use std::sync::Arc;
use tokio::sync::mpsc;
use wasmtime::Store;
use wasmtime::component::Instance;

/// How many events a provider may be ahead of its listener before it waits.
pub const EVENTS_AHEAD: usize = 64;

fn guest(store: &mut Store<CallState>, instance: &Instance, loaded: &Loaded) -> wasmtime::Result<Guest> {
    let missing = || wasmtime::Error::new(Cause::Start("it is not a provider".into()));
    loaded.provider.as_ref().ok_or_else(missing)?.load(store, instance)
}

/// Returned, refused and at fault are three things; an `Err` inside is the component's own.
pub type Answered<T> = Result<Returned<Result<T, Error>>, Fault>;

fn shown<T>(returned: Returned<Result<T, Error>>, services: &CallServices) -> Returned<Result<T, Error>> {
    let answer = returned.answer.map_err(|error| presentable(error, services));
    Returned { answer, refusals: returned.refusals, fuel: returned.fuel }
}

impl Component {
    /// Answers a request. Events go to `events` as they come; make it with a capacity of [`EVENTS_AHEAD`]. Dropping the
    /// future, or the receiver, ends the call.
    pub async fn complete(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        request: Request,
        events: mpsc::Sender<Event>,
    ) -> Answered<Outcome> {
        let turn = Turn::new(events, grants.limits().output, services.egress.known());
        let complete: Invocation<_> = Box::new(move |store, instance, loaded| {
            Box::pin(async move {
                let answer = guest(&mut *store, instance, loaded)?.call_complete(&mut *store, &request).await;
                if let Some(turn) = &mut store.data_mut().turn {
                    turn.flush().await;
                }
                answer
            })
        });
        let returned = self.call(grants, services, Some(turn), complete).await?;
        if let Ok(Outcome { model, request_id, stop_sequence, fingerprint, .. }) = &returned.answer {
            let told = [request_id, stop_sequence, fingerprint].into_iter().flatten();
            within_output(told.chain([model]).map(|text| text.len() as u64).sum(), grants)?;
        }
        Ok(shown(returned, services))
    }

    /// The models on offer now.
    pub async fn models(&self, grants: &Arc<Grants>, services: &CallServices) -> Answered<Vec<Model>> {
        let models: Invocation<_> = Box::new(|store, instance, loaded| {
            Box::pin(async move { guest(&mut *store, instance, loaded)?.call_models(store).await })
        });
        let returned = self.call(grants, services, None, models).await?;
        if let Ok(models) = &returned.answer {
            within_output(models.iter().map(|model| (model.id.len() + model.name.len()) as u64 + 32).sum(), grants)?;
        }
        Ok(shown(returned, services))
    }

    /// One vector for each input.
    pub async fn embed(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        request: EmbedRequest,
    ) -> Answered<Embeddings> {
        let inputs = request.inputs.len();
        let embed: Invocation<_> = Box::new(move |store, instance, loaded| {
            Box::pin(async move { guest(&mut *store, instance, loaded)?.call_embed(store, &request).await })
        });
        let returned = self.call(grants, services, None, embed).await?;
        if let Ok(Embeddings { vectors, model, .. }) = &returned.answer {
            // Numbers, not text: four bytes each, and as many vectors as were asked for.
            let size: usize = vectors.iter().map(|vector| vector.len() * 4).sum();
            within_output((size / 16 + model.len()) as u64, grants)?;
            if vectors.len() != inputs {
                let trap = Cause::Trap(format!("{} vectors for {inputs} inputs", vectors.len()));
                return Err(Fault::new(grants.component(), trap));
            }
        }
        Ok(shown(returned, services))
    }
}
