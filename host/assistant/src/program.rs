//! A call of a model by a program: no conversation and no run, and the
//! operator's budgets all the same.
//!
//! ```text
//! begin: what is limited by the day is reserved in the ledger ─→ saw: each event ─→ spent: what is to be kept
//! ```
//!
//! What such a program wants of the model is the operator's instruction only where its credential may say so; else it is
//! shown to the model fenced, as words of nobody in particular.
//!
//! Where nothing that counts over several calls is limited, the ledger is not asked: the budget of a run is that of one call.

use crate::budget::Budgets;
use crate::event::{Failure, Usage};
use crate::fence::Fence;
use crate::language_model::LanguageModel;
use crate::metering::{Meter, cut_off, size, spent, used};
use crate::prompt::{Estimate, merged, said};
use crate::rules::LiveRules;
use cara_authority::PersonId;
use cara_authority::manifest::Price;
use cara_kernel::bindings::provider::{EmbedRequest, Request};
use cara_kernel::bindings::turn::Event;
use cara_records::{Caller, Limit, OverBudget, Records, ReservationId, Scope, Spent};
use cara_services::clock::Clock;

/// Where a program's words come from, as the fence says it.
const CLIENT: &str = "client";

/// Who asks, and by what they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The process that answers.
    pub process: String,
    /// The person for whom it asks.
    pub person: PersonId,
    /// What names its credential.
    pub credential: String,
    /// The most tokens that the credential may use in a day.
    pub tokens_per_day: Option<u64>,
}

/// What calls of programs are metered by.
#[derive(Clone)]
pub struct ProgramMeter {
    /// Where what is reserved is kept.
    pub records: Records,
    /// The budgets.
    pub rules: LiveRules,
    /// The clock.
    pub clock: Clock,
}

/// A call under way, as far as the budget goes.
pub struct Metered {
    reservation: Option<ReservationId>,
    /// The most tokens that it may use.
    most: Option<u64>,
    prompt: u32,
    price: Option<Price>,
    estimate: Estimate,
    usage: Option<Usage>,
    bytes: usize,
}

impl ProgramMeter {
    /// Reserves for an answer, of `wanted` tokens where the request does not say; the answer is made shorter where less is
    /// left.
    ///
    /// # Errors
    ///
    /// A budget has no room for it, or is in dollars and the price is not known.
    pub async fn begin(
        &self,
        program: Program,
        language_model: &dyn LanguageModel,
        request: &mut Request,
        wanted: u32,
    ) -> Result<Metered, Failure> {
        let prompt = Estimate::default().request(request);
        let wanted = request.max_output_tokens.unwrap_or(wanted);
        let (metered, most) = self.reserve(program, language_model, prompt, wanted).await?;
        request.max_output_tokens = most.or(request.max_output_tokens);
        Ok(metered)
    }

    /// The same for texts that are turned into vectors.
    ///
    /// # Errors
    ///
    /// As for [`ProgramMeter::begin`].
    pub async fn begin_embedding(
        &self,
        program: Program,
        language_model: &dyn LanguageModel,
        request: &EmbedRequest,
    ) -> Result<Metered, Failure> {
        let estimate = Estimate::default();
        let prompt = request.inputs.iter().map(|text| estimate.text(text.len())).sum();
        Ok(self.reserve(program, language_model, prompt, 0).await?.0)
    }

    /// What may be used, and how many tokens the answer may have where that was reserved.
    async fn reserve(
        &self,
        program: Program,
        language_model: &dyn LanguageModel,
        prompt: u32,
        wanted: u32,
    ) -> Result<(Metered, Option<u32>), Failure> {
        let Program { process, person, credential, tokens_per_day } = program;
        let caller = Caller::Program { process, person, credential, tokens_per_day };
        let meter = Meter::new(self.records.clone(), self.rules.clone(), self.clock, caller);
        let (budgets, price) = (&self.rules.now().budgets, language_model.price());
        let limits = meter.limits(budgets, &meter.allowance(budgets).await?, language_model);
        let estimate = Estimate::default();
        let metered = |reservation, most| Metered { reservation, most, prompt, price, estimate, usage: None, bytes: 0 };
        let lasts = |limit: &&Limit| !matches!(limit.scope, Scope::Run | Scope::Session);
        if limits.iter().any(|limit| lasts(&limit)) || in_dollars(budgets) || tokens_per_day.is_some() {
            let (reservation, most) = meter.reserve(language_model, prompt, wanted).await?;
            let all = u64::from(prompt) + u64::from(most);
            return Ok((metered(Some(reservation), Some(all)), (wanted > 0).then_some(most)));
        }
        let asked = u64::from(prompt) + u64::from(wanted);
        if let Some(limit) = limits.iter().find(|limit| limit.scope == Scope::Run && limit.tokens < Some(asked)) {
            let most = limit.tokens.unwrap_or_default();
            let over = OverBudget { limit: *limit, unit: "tokens", used: 0, reserved: 0, asked, most };
            return Err(Failure::own("budget", spent(&over, language_model.component().as_str())));
        }
        Ok((metered(None, budgets.run.tokens), None))
    }
}

/// Whether one call is limited in money, so that its price has to be known.
fn in_dollars(budgets: &Budgets) -> bool {
    budgets.run.dollars.is_some()
}

impl Metered {
    /// Takes note of what came.
    ///
    /// # Errors
    ///
    /// The call used more than it may, and is to be ended.
    pub fn saw(&mut self, event: &Event) -> Result<(), Failure> {
        self.bytes += size(event);
        if let Event::Usage(tokens) = event {
            let usage = Usage::from(*tokens);
            self.usage = Some(usage);
            if self.most.is_some_and(|most| usage.input + usage.output > most) {
                return Err(cut_off());
            }
        }
        Ok(())
    }

    /// Takes the vendor's count of what was read in.
    pub fn counted(&mut self, input: u64) {
        self.usage = Some(Usage { input: input.min(u32::MAX.into()), ..Usage::default() });
    }

    /// What it used so far.
    pub fn spent(&self) -> Spent {
        used(self.price, &self.estimate, self.prompt, self.usage, self.bytes)
    }

    /// Tokens as the vendor counts them, where it said so.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Whether nothing came: then nothing was used.
    pub fn is_unused(&self) -> bool {
        self.usage.is_none() && self.bytes == 0
    }

    /// The reservation, where there is one.
    pub fn reservation(&self) -> Option<&ReservationId> {
        self.reservation.as_ref()
    }
}

/// What a program wants of the model, put into the request: as the operator's instructions, or as somebody's words.
///
/// # Errors
///
/// The system gives no random bytes.
pub fn instruct(request: &mut Request, instructions: String, is_operators: bool) -> Result<(), Failure> {
    if instructions.is_empty() {
        return Ok(());
    }
    if is_operators {
        request.system = Some(instructions);
        return Ok(());
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Failure::own("random", error.to_string()))?;
    let fence = Fence::new(random);
    request.system = Some(fence.instructions());
    let told = said(fence.wrap(CLIENT, &instructions));
    request.messages = merged(std::iter::once(told).chain(std::mem::take(&mut request.messages)).collect());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::prompt::aside;
    use cara_kernel::bindings::types::Part;

    #[test]
    fn what_a_client_wants_is_an_instruction_only_where_it_may_say_so() {
        let asked = || aside("m", None, vec![said("hello".into())], 1);
        let mut own = asked();
        instruct(&mut own, "be brief".into(), true).unwrap();
        assert_eq!((own.system.as_deref(), own.messages.len()), (Some("be brief"), 1));
        let mut other = asked();
        instruct(&mut other, "be brief".into(), false).unwrap();
        let system = other.system.unwrap();
        assert!(!system.contains("be brief") && system.contains("never an instruction"), "{system}");
        let [message] = &other.messages[..] else { panic!("{:?}", other.messages) };
        let [Part::Text(fenced), Part::Text(hello)] = &message.parts[..] else { panic!("{message:?}") };
        assert!(fenced.contains("\nbe brief\n") && fenced.contains("begin source=\"client\"") && hello == "hello");
        let mut none = asked();
        instruct(&mut none, String::new(), false).unwrap();
        assert_eq!((none.system, none.messages.len()), (None, 1));
    }
}
