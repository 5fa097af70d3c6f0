//! Names that a mistyped one may mean.

use std::cmp::Reverse;

/// How many slips of the finger (Damerau-Levenshtein) may lie between a name as typed and the one that is meant.
const SLIPS: usize = 3;

/// How many letters two names at least begin with alike where one stands for the other: `gpt-5-mini` for `gpt-5`.
const ALIKE: usize = 3;

/// The names that are nearest to what was typed, the nearest first, at most three: those with a few slips, or of which one
/// begins as the other.
pub(crate) fn near_names<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // A short name is another one after few changes.
    let most = (typed.chars().count() / 2).min(SLIPS);
    let of = |name: &'a str| {
        let slips = strsim::damerau_levenshtein(typed, name);
        let begins = shared_beginning(typed, name) >= ALIKE && (name.starts_with(typed) || typed.starts_with(name));
        (slips <= most || begins).then_some((slips, name))
    };
    let mut near: Vec<(usize, &str)> = known.filter_map(of).collect();
    near.sort_by_key(|(slips, _)| *slips);
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The nearest name.
pub(crate) fn near_name<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    near_names(typed, known).into_iter().next()
}

/// Whose names begin most like what was typed: for models, which differ in what comes after.
pub(crate) fn likest<'a, T>(
    typed: &str,
    owners: impl Iterator<Item = T>,
    names: impl Fn(&T) -> Vec<&'a str>,
) -> Option<T> {
    let alike = |owner: &T| names(owner).into_iter().map(|name| shared_beginning(typed, name)).max().unwrap_or(0);
    let owners = owners.map(|owner| (alike(&owner), owner)).filter(|(alike, _)| *alike >= ALIKE);
    owners.min_by_key(|(alike, _)| Reverse(*alike)).map(|(_, owner)| owner)
}

fn shared_beginning(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_slips_and_shared_beginnings_are_near() {
        let known = ["openai", "ollama", "run.turns", "gpt-5", "gpt-5-mini", "time"];
        let near = |typed| near_names(typed, known.into_iter());
        assert_eq!(near("opneai"), ["openai"]);
        assert_eq!(near("run.turn"), ["run.turns"]);
        assert_eq!(near("gpt-5-min"), ["gpt-5-mini", "gpt-5"]);
        assert_eq!(near("tiem"), ["time"]);
        assert!(near("fetch").is_empty() && near("no").is_empty() && near("").is_empty());
        assert_eq!(near_name("olama", known.into_iter()), Some("ollama"));
    }

    #[test]
    fn a_model_is_whose_names_begin_like_it() {
        let owners = [("openai", vec!["gpt-5", "o3"]), ("anthropic", vec!["claude-sonnet-5"])];
        let of = |typed| likest(typed, owners.iter(), |owner| owner.1.clone()).map(|owner| owner.0);
        assert_eq!((of("claude-opus-5"), of("gpt-4o"), of("llama3")), (Some("anthropic"), Some("openai"), None));
    }
}
