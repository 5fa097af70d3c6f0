//! One call in a fresh sandbox, through the kernel and through wasmtime alone.

use crate::Counts;
use crate::bare::{Bare, wasm};
use crate::samples::timed_in_turns;
use crate::table::{Aim, Row, Unit};
use anyhow::{Result, anyhow, ensure};
use cara_harness::{Subject, Testbed};
use cara_kernel::bindings::provider::GuestIndices;
use wasmtime::component::InstancePre;

/// The component that is called: its `models` reads one setting and returns one model.
const GUEST: &str = "rehearsal";

/// Calls it both ways.
pub(crate) async fn measure(counts: Counts) -> Result<Vec<Row>> {
    let subject = Testbed::new().await.first_party(GUEST).load();
    let bare = Bare::new()?;
    let pre = bare.link(subject.component.checked().package().bytes())?;
    let guest = GuestIndices::new(&pre).map_err(wasm)?;
    let fuel = subject.grants.limits().fuel;
    let ours = || async {
        for _ in 0..counts.calls {
            call(&subject).await?;
        }
        Ok(())
    };
    let floor = || async {
        for _ in 0..counts.calls {
            call_bare(&bare, &pre, &guest, fuel).await?;
        }
        Ok(())
    };
    let (ours, floor) = timed_in_turns(counts.samples, ours, floor).await?;
    Ok(vec![Row {
        name: "sandbox: one call in a fresh one".into(),
        against: "wasmtime alone, same component and settings",
        ours: ours.each(counts.calls),
        floor: floor.each(counts.calls),
        unit: Unit::Time,
        aim: Aim::Times(1.3),
    }])
}

async fn call(subject: &Subject) -> Result<()> {
    let returned = subject.component.models(&subject.grants, &subject.services).await?;
    let models = returned.answer.map_err(|error| anyhow!("`{GUEST}` failed: {error:?}"))?;
    ensure!(models.len() == 1, "`{GUEST}` offers one model, not {models:?}");
    Ok(())
}

async fn call_bare(bare: &Bare, pre: &InstancePre<()>, guest: &GuestIndices, fuel: u64) -> Result<()> {
    let mut store = bare.store(fuel)?;
    let instance = pre.instantiate_async(&mut store).await.map_err(wasm)?;
    let models = guest.load(&mut store, &instance).map_err(wasm)?.call_models(&mut store).await.map_err(wasm)?;
    let models = models.map_err(|error| anyhow!("`{GUEST}` failed: {error:?}"))?;
    ensure!(models.len() == 1, "`{GUEST}` offers one model, not {models:?}");
    Ok(())
}
