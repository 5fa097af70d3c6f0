//! Spends the budget: reserves before a model is asked,
//! settles with what it used, and cuts it off where that is too
//! much.

use crate::budget::{Amount, Budgets, Micros, Tokens, cost};
use crate::event::{Failure, Usage};
use crate::language_model::LanguageModel;
use crate::observed::Observer;
use crate::prompt::Estimate;
use crate::rules::LiveRules;
use crate::session::lost;
use cara_authority::manifest::Price;
use cara_authority::{PersonId, PersonRole};
use cara_kernel::bindings::provider::{Outcome, Request};
use cara_kernel::bindings::turn::Event;
use cara_kernel::exports::provider::EVENTS_AHEAD;
use cara_records::{Caller, Limit, OverBudget, Records, Reservation, ReservationId, ReserveError, Scope, Spent};
use cara_services::clock::Clock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// One day, milliseconds.
const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// An answer shorter than this is not worth asking for.
const SHORTEST: u32 = 64;

/// The meter of one run, or of one call by a program.
#[derive(Clone)]
pub(crate) struct Meter {
    pub(crate) records: Records,
    pub(crate) rules: LiveRules,
    pub(crate) clock: Clock,
    pub(crate) caller: Caller,
    observer: Option<Arc<dyn Observer>>,
    /// Answers that were begun and are not settled: what they used so far.
    begun: Arc<Mutex<HashMap<ReservationId, Spent>>>,
}

/// An answer that came to its end, and what is still to be settled for it.
pub(crate) struct Paid {
    pub(crate) outcome: Outcome,
    pub(crate) usage: Option<Usage>,
    pub(crate) reservation: ReservationId,
    pub(crate) spent: Spent,
}

impl Meter {
    pub(crate) fn new(records: Records, rules: LiveRules, clock: Clock, caller: Caller) -> Self {
        Self { records, rules, clock, caller, observer: None, begun: Arc::default() }
    }

    /// The same, whose calls somebody hears of.
    pub(crate) fn observed(self, observer: Option<Arc<dyn Observer>>) -> Self {
        Self { observer, ..self }
    }

    /// Asks a model, under the budget. What it used is settled by the caller, with what else it has to write.
    pub(crate) async fn complete(
        &self,
        language_model: &dyn LanguageModel,
        mut request: Request,
        estimate: &Estimate,
        take: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Paid, Failure> {
        let prompt = estimate.request(&request);
        let wanted = request.max_output_tokens.unwrap_or(SHORTEST);
        let (reservation, most) = self.reserve(language_model, prompt, wanted).await?;
        request.max_output_tokens = Some(most);
        let reserved = u64::from(prompt) + u64::from(most);
        let mut usage: Option<Usage> = None;
        let mut bytes = 0_usize;
        let price = language_model.price();
        let spent = |usage: Option<Usage>, bytes: usize| used(price, estimate, prompt, usage, bytes);
        self.begun().insert(reservation.clone(), spent(None, 0));
        let observer = self.observer.as_ref();
        let mut call = observer.map(|observer| observer.asks(language_model.component(), language_model.model()));
        let answered = {
            let (sender, mut events) = mpsc::channel(EVENTS_AHEAD);
            let mut asked = std::pin::pin!(language_model.complete(request, sender));
            let mut watch = |event: Event| {
                call.iter_mut().for_each(|call| call.came(&event));
                bytes += size(&event);
                if let Event::Usage(tokens) = &event {
                    usage = Some((*tokens).into());
                }
                let over = usage.is_some_and(|usage| usage.input + usage.output > reserved);
                self.begun().insert(reservation.clone(), spent(usage, bytes));
                take(event);
                over
            };
            loop {
                tokio::select! {
                    biased;
                    Some(event) = events.recv() => {
                        if watch(event) && self.is_limited() {
                            break Err(cut_off());
                        }
                    }
                    answered = &mut asked => {
                        while let Ok(event) = events.try_recv() {
                            watch(event);
                        }
                        break answered;
                    }
                }
            }
        };
        call.iter_mut().for_each(|call| call.ended(answered.as_ref()));
        let nothing = usage.is_none() && bytes == 0;
        match answered {
            Ok(outcome) => {
                let spent = spent(usage, bytes);
                Ok(Paid { outcome, usage, reservation, spent })
            }
            Err(failure) => {
                if nothing {
                    self.records.release(&reservation).await.map_err(lost)?;
                } else {
                    self.records.settle(&reservation, spent(usage, bytes)).await.map_err(lost)?;
                }
                self.begun().remove(&reservation);
                Err(failure)
            }
        }
    }

    /// Asks a model for a text that nobody is shown, and settles it.
    pub(crate) async fn text(
        &self,
        language_model: &dyn LanguageModel,
        request: Request,
        estimate: &Estimate,
    ) -> Result<(String, Spent), Failure> {
        let mut text = String::new();
        let mut take = |event: Event| {
            if let Event::Text(piece) = event {
                text.push_str(&piece);
            }
        };
        let paid = self.complete(language_model, request, estimate, &mut take).await?;
        self.settle(&paid).await?;
        Ok((text, paid.spent))
    }

    /// Settles what an answer used.
    pub(crate) async fn settle(&self, paid: &Paid) -> Result<(), Failure> {
        self.records.settle(&paid.reservation, paid.spent).await.map_err(lost)?;
        self.begun().remove(&paid.reservation);
        Ok(())
    }

    /// What was begun and not settled, because its call was dropped or its caller ends the run with it.
    pub(crate) fn left(&self) -> Vec<(ReservationId, Spent)> {
        self.begun().iter().map(|(id, spent)| (id.clone(), *spent)).collect()
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<ReservationId, Spent>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_limited(&self) -> bool {
        let budgets = &self.rules.now().budgets;
        let Budgets { run, session, day, component, .. } = budgets;
        budgets.limits_people() || [run, session, day].into_iter().chain(component.values()).any(Amount::is_some)
    }

    /// Reserves for an answer of `wanted` tokens, or of as many as are left.
    pub(crate) async fn reserve(
        &self,
        language_model: &dyn LanguageModel,
        prompt: u32,
        wanted: u32,
    ) -> Result<(ReservationId, u32), Failure> {
        let (price, rules) = (language_model.price(), self.rules.now());
        let allowance = self.allowance(&rules.budgets).await?;
        let in_money = rules.budgets.limits_money(language_model.component()) || allowance.dollars.is_some();
        if price.is_none() && in_money {
            let (component, model) = (language_model.component(), language_model.model());
            return Err(Failure::own(
                "budget",
                format!(
                    "a budget in dollars is set, and the price of `{component}:{model}` is not known\nhint: add a `[[model]]` with its `price` to `prices.toml` in the home folder"
                ),
            ));
        }
        let limits = self.limits(&rules.budgets, &allowance, language_model);
        let mut most = wanted;
        loop {
            let tokens = Tokens { input: prompt.into(), output: most.into(), ..Tokens::default() };
            let reservation = Reservation {
                caller: self.caller.clone(),
                component: language_model.component().clone(),
                model: language_model.model().to_owned(),
                tokens: tokens.input + tokens.output,
                micros: price.map(|price| cost(&price, tokens).0),
            };
            match self.records.reserve(&reservation, &limits).await {
                Ok(id) => return Ok((id, most)),
                Err(ReserveError::OverBudget(_)) if most / 2 >= SHORTEST => most /= 2,
                Err(ReserveError::OverBudget(over)) => {
                    return Err(Failure::own("budget", spent(&over, language_model.component().as_str())));
                }
                Err(ReserveError::Ledger(error)) => return Err(lost(error)),
            }
        }
    }

    /// What the person may use today, with the role that they have now.
    pub(crate) async fn allowance(&self, budgets: &Budgets) -> Result<Amount, Failure> {
        if !budgets.limits_people() {
            return Ok(Amount::default());
        }
        let person = match &self.caller {
            Caller::Run(run) => self.records.person_of(run).await.map_err(lost)?,
            Caller::Program { person, .. } => person.clone(),
        };
        // Nobody else is the owner, and the owner is nothing else.
        if person == PersonId::owner() {
            return Ok(budgets.allowance(&person, Some(PersonRole::Owner)));
        }
        let mut reader = self.records.ledger().reader().await.map_err(lost)?;
        let roles = self.records.roles(&mut reader.sql()).await.map_err(lost)?;
        Ok(budgets.allowance(&person, roles.get(&person).copied()))
    }

    pub(crate) fn limits(
        &self,
        budgets: &Budgets,
        allowance: &Amount,
        language_model: &dyn LanguageModel,
    ) -> Vec<Limit> {
        let today = self.clock.now_ms() / DAY_MS * DAY_MS;
        let limit = |scope, since_ms, amount: &Amount| {
            let micros = amount.dollars.map(|Micros(micros)| micros);
            amount.is_some().then_some(Limit { scope, since_ms, tokens: amount.tokens, micros })
        };
        let own = budgets.component.get(language_model.component());
        let all = [
            limit(Scope::Run, 0, &budgets.run),
            limit(Scope::Session, 0, &budgets.session),
            limit(Scope::Person, today, allowance),
            limit(Scope::Day, today, &budgets.day),
            own.and_then(|amount| limit(Scope::Component, today, amount)),
        ];
        all.into_iter().flatten().collect()
    }
}

/// What an answer used. A vendor that says nothing, or nought where there was something, is taken at what the host counts.
pub(crate) fn used(
    price: Option<Price>,
    estimate: &Estimate,
    prompt: u32,
    usage: Option<Usage>,
    bytes: usize,
) -> Spent {
    let usage = usage.unwrap_or_default();
    let counted = if bytes > 0 { estimate.text(bytes).into() } else { 0 };
    let tokens = Tokens {
        input: if usage.input > 0 { usage.input } else { prompt.into() },
        output: if usage.output > 0 { usage.output } else { counted },
        cache_read: usage.cache_read,
        cache_write: usage.cache_write,
    };
    Spent { input: tokens.input, output: tokens.output, micros: price.map(|price| cost(&price, tokens).0) }
}

/// Why an answer is incomplete that used more than it may.
pub(crate) fn cut_off() -> Failure {
    Failure::own(
        "budget",
        "the answer was cut off: it used more than was reserved for it\nhint: raise the budget in `config.toml`",
    )
}

/// What a person is told of a budget that has no room for another call.
pub(crate) fn spent(over: &OverBudget, component: &str) -> String {
    let most = match over.unit {
        "micros" => Micros(over.most).to_string(),
        _ => format!("{} tokens", over.most),
    };
    let (whose, of, again) = match over.limit.scope {
        Scope::Run => ("this run's", String::new(), "ask again, or "),
        Scope::Session => ("this conversation's", String::new(), "begin a new one, or "),
        Scope::Person => ("your", " for today".to_owned(), "they are there again at 00:00 UTC; or the owner can "),
        Scope::Credential => ("this credential's", " for today".to_owned(), "they are there again at 00:00 UTC; or "),
        Scope::Day => ("today's", String::new(), "they are there again at 00:00 UTC; or "),
        Scope::Component => ("today's", format!(" for `{component}`"), "they are there again at 00:00 UTC; or "),
    };
    let (is, it) =
        if over.unit == "micros" { ("is", again.replace("they are", "it is")) } else { ("are", again.into()) };
    let what = if over.used >= over.most { "spent" } else { "not enough for another call" };
    let cure = match over.limit.scope {
        Scope::Credential => "`cara token create NAME --scope chat --tokens-per-day N` makes another credential",
        _ => "raise it in `[budget]` of `config.toml`",
    };
    format!(
        "{whose} {most}{of} {is} {what}: {} used, {} reserved, {} left\nhint: {it}{cure}",
        amount(over.unit, over.used),
        amount(over.unit, over.reserved),
        amount(over.unit, over.most.saturating_sub(over.used + over.reserved))
    )
}

/// An amount in the unit of a budget.
fn amount(unit: &str, number: u64) -> String {
    if unit == "micros" { Micros(number).to_string() } else { number.to_string() }
}

pub(crate) fn size(event: &Event) -> usize {
    match event {
        Event::Text(text) | Event::Thinking(text) => text.len(),
        Event::Thought(thought) => thought.signature.as_ref().map_or(0, String::len),
        Event::ToolCall(call) => call.name.len() + call.arguments.len(),
        Event::ToolStart(_) | Event::ToolFragment(_) | Event::Usage(_) => 0,
    }
}
