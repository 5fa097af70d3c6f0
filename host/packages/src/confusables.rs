//! Names that look like another's.

use unicode_security::confusable_detection::skeleton;

/// The first of these names that `name` could be taken for without being it: the same but for letters and digits that
/// look alike (`1` and `l`, `0` and `o`, `rn` and `m`), for case, or for where hyphens are.
pub fn imitated<'a>(name: &str, others: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let looks = appearance(name);
    others.into_iter().find(|other| *other != name && appearance(other) == looks)
}

fn appearance(name: &str) -> String {
    // Unicode TR 39 confusables; they keep case, which no reader relies on.
    let once: String = skeleton(name).filter(|c| !matches!(c, '-' | '_' | ' ' | '.')).collect();
    let twice = skeleton(&once.to_lowercase()).collect::<String>().to_lowercase();
    // `1`, `l` and `I` are confusable there, a small `i` is not: a reader of `opena1` sees otherwise.
    twice.replace('i', "l")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_another_is_found() {
        let known = ["openai", "time", "gemini", "acme-tools", "ollama"];
        for (name, meant) in [
            ("0penai", "openai"),
            ("OpenAI", "openai"),
            ("open-ai", "openai"),
            ("opena\u{456}", "openai"),
            ("tirne", "time"),
            ("opena1", "openai"),
            ("acmetools", "acme-tools"),
            ("o1lama", "ollama"),
        ] {
            assert_eq!(imitated(name, known), Some(meant), "{name}");
        }
        for name in ["openai", "times", "openai-azure", "acme", "olama"] {
            assert_eq!(imitated(name, known), None, "{name}");
        }
    }
}
