//! Foreign text in sentences of our own.

/// A name that somebody else chose, escaped and cut.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}

/// A text in which secrets that are stored, or look like some, are replaced: for what is kept readable.
pub(crate) fn without_secrets(known: &cara_services::egress::KnownSecrets, text: &str) -> String {
    use cara_assistant::guards::output::{FindingAction, OutputCheck, Policy};
    let policy = Policy { secret: FindingAction::Mask, payment: FindingAction::Mask, identity: FindingAction::Off, contact: FindingAction::Off };
    let mut check = OutputCheck::new(policy);
    let shown = check.push(&known.scrub_text(text));
    shown + &check.finish()
}
