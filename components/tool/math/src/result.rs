//! Calculating within a time, and saying what came out.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cara_sdk::Error;
use cara_sdk::tool::beginning;
use fend_core::{Context, Interrupt};

/// The most characters of an answer.
const SHOWN: usize = 4_000;

/// The most steps of one try. What people calculate takes a hundred; `1000!` 6 000.
const STEPS: u32 = 20_000;

/// After these the time is looked at, now and then. Before, no step is long, and a call that was slow to begin is no reason
/// to give up.
const UNTIMED: u32 = 2_048;

/// How long one try may take after that, in milliseconds. Both together stay below a call's fuel, which was used up in 100
/// to 300 ms: a call that is ended for that counts as a fault of this component.
const TIME: u64 = 30;

/// Stops the library after its steps, or when it is late. Steps alone do not do: one with large numbers costs a thousand
/// times one with small ones.
struct Limit<'a, F> {
    steps: AtomicU32,
    stopped: AtomicBool,
    began: OnceLock<u64>,
    now_ms: &'a F,
}

impl<F: Fn() -> u64 + Sync> Limit<'_, F> {
    fn late(&self) -> bool {
        let now = (self.now_ms)();
        now.abs_diff(*self.began.get_or_init(|| now)) >= TIME
    }
}

impl<F: Fn() -> u64 + Sync> Interrupt for Limit<'_, F> {
    fn should_interrupt(&self) -> bool {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let stop = step >= STEPS || (step >= UNTIMED && step.is_multiple_of(64) && self.late());
        self.stopped.fetch_or(stop, Ordering::Relaxed) || stop
    }
}

/// The value of a checked expression, within the steps and the time of two tries.
///
/// The library looks for the end of every decimal expansion, which for `(1 + 0.05/12)^360` takes a thousand times as long
/// as its value: the second try asks for 20 places.
pub(crate) fn evaluate(expression: &str, now_ms: impl Fn() -> u64 + Sync) -> Result<String, Error> {
    let mut found = value(expression, &now_ms);
    if matches!(found, Err(Fault::Late)) && !expression.contains([';', '=']) {
        found = value(&format!("({expression}) to 20 dp"), &now_ms);
    }
    match found {
        Ok(value) => Ok(shown(&value)),
        Err(Fault::Late) => {
            Err(Error::bad_request("this takes too long to calculate; use smaller numbers or fewer digits"))
        }
        Err(Fault::Wrong(said)) => Err(Error::bad_request(cured(&said))),
    }
}

/// Why there is no value.
enum Fault {
    Late,
    /// With what the library says.
    Wrong(String),
}

fn value(expression: &str, now_ms: &(impl Fn() -> u64 + Sync)) -> Result<String, Fault> {
    let limit = Limit { steps: AtomicU32::new(0), stopped: AtomicBool::new(false), began: OnceLock::new(), now_ms };
    match fend_core::evaluate_with_interrupt(expression, &mut Context::new(), &limit) {
        Ok(found) => Ok(found.get_main_result().to_owned()),
        Err(_) if limit.stopped.load(Ordering::Relaxed) => Err(Fault::Late),
        Err(said) => Err(Fault::Wrong(said)),
    }
}

/// The value with what a reader must know of it.
fn shown(value: &str) -> String {
    let mut text = beginning(value, SHOWN).to_owned();
    if text.len() < value.len() {
        text.push_str(&format!("\n(cut; it has {} characters; ask with `to 20 sf`)", value.chars().count()));
    }
    let digits = value.chars().filter(char::is_ascii_digit).count();
    if value.starts_with("approx. ") && digits > 15 {
        text.push_str("\n(where roots, logarithms or trigonometry are in it, about 15 digits hold)");
    }
    text
}

/// What the library says, and where it is known, what to write instead.
fn cured(said: &str) -> String {
    let cure = match said {
        _ if said.contains("exchange rate") => "currencies are not converted; give the rate yourself",
        _ if said.contains("current date") || said.contains("date literal") => "dates are not calculated here",
        _ if said.starts_with("unknown identifier") => "units, constants and functions go by their English names",
        _ if said.starts_with("unexpected input") => "an operator is missing, or something is left over at the end",
        _ => return said.to_owned(),
    };
    format!("{said}: {cure}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::expression::checked;
    use std::sync::atomic::AtomicU64;

    /// On a machine where this many milliseconds pass from one look at the time to the next.
    fn within(expression: &str, pass: u64) -> Result<String, Error> {
        let time = AtomicU64::new(1_000_000);
        evaluate(checked(expression)?, || time.fetch_add(pass, Ordering::Relaxed))
    }

    fn told(expression: &str) -> String {
        within(expression, 0).unwrap()
    }

    #[test]
    fn a_machine_that_is_slow_to_begin_calculates_what_is_small() {
        assert_eq!(within("3 feet in cm", 10_000).unwrap(), "91.44 cm");
    }

    #[test]
    fn decimals_fractions_and_big_integers_are_exact() {
        assert_eq!(told("0.1 + 0.2"), "0.3");
        assert_eq!(told("1/3 + 1/6 to fraction"), "1/2");
        assert_eq!(told("2^200"), "1606938044258990275541962092341162602522202993782792835301376");
        assert_eq!(told("50! / 48!"), "2450");
        assert_eq!(told("12.5% of 80"), "10");
        assert_eq!(told("1.05^10"), "1.62889462677744140625");
        assert_eq!(told("10 % 3"), "1");
    }

    #[test]
    fn units_are_converted_and_must_fit() {
        assert_eq!(told("3 feet in cm"), "91.44 cm");
        assert_eq!(told("98.6 F in C"), "37 °C");
        assert_eq!(told("60 mph * 2.5 hours in km"), "241.4016 km");
        assert_eq!(told("sin(30 degrees)"), "0.5");
        assert!(within("3 feet in kg", 0).unwrap_err().message.contains("incompatible"));
    }

    #[test]
    fn a_rounded_result_says_so_and_how_far_it_holds() {
        assert_eq!(told("1/3"), "approx. 0.3333333333");
        assert!(told("sqrt(2) to 30 dp").ends_with("about 15 digits hold)"));
    }

    #[test]
    fn what_takes_too_long_exactly_is_rounded() {
        let told = told("1000000 * (1 + 0.05/12)^(12*30)");
        assert!(told.starts_with("approx. 4467744.3140061"), "{told}");
        assert!(self::told("1/3 to 1000000000 dp").starts_with("approx. 0.33333333333333333333\n"));
    }

    #[test]
    fn what_takes_too_long_is_stopped_and_the_error_can_be_corrected() {
        for expression in ["9^9^9", "2^(2^40)", "1e1000000000", "100000!", "x = 9^9; x^x"] {
            let error = within(expression, 5).unwrap_err();
            assert!(
                error.message.contains("too long") || error.message.contains("too large"),
                "{expression}: {}",
                error.message
            );
        }
        for (expression, cure) in [
            ("1/0", "division by zero"),
            ("5 usd in eur", "give the rate"),
            ("5 + apples", "unknown identifier 'apples'"),
            ("3 +", "left over"),
            ("today + 3 days", "dates are not"),
        ] {
            let error = within(expression, 0).unwrap_err();
            assert!(error.message.contains(cure), "{expression}: {}", error.message);
        }
    }

    #[test]
    fn no_allowed_expression_descends_without_end() {
        let hostile = [
            "ln(-".repeat(24) + "1" + &")".repeat(24),
            "(1^".repeat(24) + "1" + &")".repeat(24),
            "-".repeat(119) + "1",
            "1^".repeat(119) + "1",
            "1;".repeat(119) + "1",
            "x=".repeat(119) + "1",
            "1 in ".repeat(99) + "m",
            "m ".repeat(119),
            "2".to_owned() + &"!".repeat(119),
            "/ ".repeat(119) + "1",
        ];
        for expression in hostile {
            assert!(checked(&expression).is_ok(), "{expression}");
            // Native frames of this build are many times as large as those of a component.
            let thread = std::thread::Builder::new().stack_size(8 * 1024 * 1024);
            thread.spawn(move || drop(within(&expression, 0))).unwrap().join().unwrap();
        }
    }

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        let told = told("2^15000");
        assert!(told.len() < 4_200 && told.contains("(cut; it has 4516 characters"), "{}", &told[3_990..]);
    }
}
