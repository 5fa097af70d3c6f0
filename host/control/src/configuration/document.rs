//! The configuration as a text that people wrote: one key is changed, and
//! all else stays as it stands, comments too.

use super::{Config, LEDGER_URL, words};
use crate::error::{Context, Error, Result, error, fail};
use cara_authority::display_safe;
use std::str::FromStr;
use toml_edit::{DocumentMut, InlineTable, Item, Key, Table, TableLike, Value};

/// The names in a dotted key, as TOML writes it.
pub(crate) fn path(key: &str) -> Result<Vec<String>> {
    let wrong = || error!(Invalid, "`{}` is not a key\nhint: write it as in `budget.day.dollars`", display_safe(key));
    let names = Key::parse(key).map_err(|_| wrong())?;
    Ok(names.iter().map(|name| name.get().to_owned()).collect())
}

/// A key as TOML writes it.
pub(crate) fn dotted(path: &[String]) -> String {
    path.iter().map(|name| Key::new(name).to_string()).collect::<Vec<_>>().join(".")
}

/// The text as a document.
fn document(text: &str, file: &str) -> Result<DocumentMut> {
    DocumentMut::from_str(text).map_err(|error| {
        let line = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default().matches('\n').count() + 1;
        let why = error.message().lines().next().unwrap_or_default().trim().to_owned();
        error!(Invalid, "{file}:{line}: {why}, so no key can be changed\nhint: `cara config edit` opens the file")
    })
}

/// What a typed value may mean: TOML, or else the text itself.
fn meanings(typed: &str) -> Vec<Value> {
    let text = Value::from(typed);
    match Value::from_str(typed.trim()) {
        Ok(Value::Datetime(_)) | Err(_) => vec![text],
        Ok(value @ Value::String(_)) => vec![value],
        Ok(value) => vec![value, text],
    }
}

/// The text with a key set to what was typed, and what it says then. Where both TOML and plain text are possible, what the
/// configuration takes counts.
pub(crate) fn set(text: &str, file: &str, path: &[String], typed: &str) -> Result<String> {
    let before = document(text, file)?;
    let mut refused = None;
    for value in meanings(typed) {
        let mut document = before.clone();
        put(document.as_table_mut(), path, value)?;
        let new = document.to_string();
        match toml::from_str::<Config>(&new) {
            Ok(_) => return Ok(new),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    let error = refused.ok_or_else(|| error!(Internal, "a value means something"))?;
    let key = dotted(path);
    // An address may have a password in it.
    let typed = if key == LEDGER_URL { "that".to_owned() } else { format!("`{}`", display_safe(typed)) };
    Err(refusal(&error, file, text, path, &format!("`{key}` cannot be {typed}")))
}

/// Why a changed text cannot be used: for what was changed, or for what was wrong before and still is.
fn refusal(error: &toml::de::Error, file: &str, text: &str, path: &[String], what: &str) -> Error {
    if let Err(before) = toml::from_str::<Config>(text)
        && before.message() == error.message()
    {
        return words::unusable(&before, text, file);
    }
    let cure = words::own_cure(error).map_or_else(|| words::cure(path, &dotted(path)), str::to_owned);
    error!(Invalid, "{what}: {}\nhint: {cure}", words::plain(error.message()))
}

fn put(root: &mut Table, path: &[String], value: Value) -> Result<()> {
    let Some((last, above)) = path.split_last() else { fail!(Invalid, "no key was named") };
    let (mut table, mut inline): (&mut dyn TableLike, bool) = (root, false);
    for (at, name) in above.iter().enumerate() {
        if !table.contains_key(name) {
            // A table of its own, as a person would write it; inside of an inline table there are only such.
            let mut new = Table::new();
            new.set_implicit(at + 1 < above.len());
            table.insert(name, if inline { Item::Value(InlineTable::new().into()) } else { Item::Table(new) });
        }
        let here = dotted(&path[..=at]);
        let item = table.get_mut(name).ok_or_else(|| error!(Internal, "a table was made"))?;
        inline = item.is_inline_table();
        table = item.as_table_like_mut().ok_or_else(|| {
            error!(Invalid, "`{here}` is no table\nhint: `cara config edit` opens the file, to change what it is")
        })?;
    }
    match table.get_mut(last) {
        None => drop(table.insert(last, Item::Value(value))),
        Some(Item::Value(old)) => {
            // Spaces and the comment behind it stay.
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        Some(_) => fail!(
            Invalid,
            "`{}` is written as tables\nhint: `cara config edit` opens the file, to change what is in them",
            dotted(path)
        ),
    }
    Ok(())
}

/// The text without a key. Tables that are left empty go too, unless they hold a comment.
pub(crate) fn unset(text: &str, file: &str, path: &[String]) -> Result<String> {
    let mut document = document(text, file)?;
    if !take(document.as_table_mut(), path) {
        fail!(NotFound, "`{}` is not set in `{file}`\nhint: `cara config diff` shows what is set", dotted(path));
    }
    let new = document.to_string();
    if let Err(error) = toml::from_str::<Config>(&new) {
        return Err(refusal(&error, file, text, path, &format!("`{}` cannot be taken away", dotted(path))));
    }
    Ok(new)
}

fn take(table: &mut dyn TableLike, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    if rest.is_empty() {
        return table.remove(first).is_some();
    }
    let Some(below) = table.get_mut(first).and_then(Item::as_table_like_mut) else { return false };
    let taken = take(below, rest);
    let empty = below.is_empty();
    let plain = table.get(first).and_then(Item::as_table).is_some_and(|table| {
        table.decor().prefix().and_then(|prefix| prefix.as_str()).is_none_or(|prefix| prefix.trim().is_empty())
    });
    if taken && empty && plain {
        table.remove(first);
    }
    taken
}

/// What is set in a text, key by key.
pub(crate) fn entries(text: &str) -> Result<Vec<(Vec<String>, serde_json::Value)>> {
    let table: toml::Table = toml::from_str(text).context("the configuration cannot be read")?;
    let mut entries = Vec::new();
    collect(&table, &mut Vec::new(), &mut entries)?;
    Ok(entries)
}

fn collect(
    table: &toml::Table,
    path: &mut Vec<String>,
    entries: &mut Vec<(Vec<String>, serde_json::Value)>,
) -> Result<()> {
    for (name, value) in table {
        path.push(name.clone());
        match value {
            toml::Value::Table(below) if !super::keys::is_key(path) => collect(below, path, entries)?,
            value => entries.push((path.clone(), serde_json::to_value(value)?)),
        }
        path.pop();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "\
# What may be spent.
[budget.day]
dollars = 2 # a day

# Rules.
[[policy.rule]]
tool = \"memory_write\" # mine
then = \"allow\"
";

    fn change(key: &str, value: &str) -> Result<String> {
        set(TEXT, "config.toml", &path(key).unwrap(), value)
    }

    #[test]
    fn a_changed_key_leaves_all_else_as_it_stands() {
        let new = change("budget.day.dollars", "5.5").unwrap();
        assert_eq!(new, TEXT.replace("dollars = 2 #", "dollars = 5.5 #"));
        let new = change("budget.day.tokens", "1000").unwrap();
        assert_eq!(new, TEXT.replace("# a day\n", "# a day\ntokens = 1000\n"));
        let new = change("component.openai.settings.base-url", "http://127.0.0.1:1").unwrap();
        assert_eq!(new, format!("{TEXT}\n[component.openai.settings]\nbase-url = \"http://127.0.0.1:1\"\n"));
        // In an inline table.
        let text = "budget = { day = { dollars = 2 } }\n";
        let new = set(text, "f", &path("budget.run.tokens").unwrap(), "7").unwrap();
        assert_eq!(toml::from_str::<Config>(&new).unwrap().budget.run.tokens, Some(7));
    }

    #[test]
    fn text_needs_no_quotes_where_the_key_takes_text() {
        for (value, written) in [("2m", "\"2m\""), ("\"3m\"", "\"3m\"")] {
            assert!(change("run.wall", value).unwrap().contains(&format!("wall = {written}\n")));
        }
        assert!(change("chat.system", "true").unwrap().contains("system = \"true\"\n"));
        assert!(change("guards.injection", "false").unwrap().contains("injection = false\n"));
        assert!(change("results.signers", "[\"built-in\"]").unwrap().contains("signers = [\"built-in\"]\n"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_key_and_the_cure() {
        let told = change("run.turns", "0").unwrap_err().to_string();
        assert!(told.starts_with("`run.turns` cannot be `0`: 0 is too few; write 1 or more"), "{told}");
        assert!(told.contains("\nhint: "), "{told}");
        for (key, value) in [("policy.rule", "[]"), ("budget.day.dollars.x", "1"), ("run.turn", "1"), ("budget", "1")] {
            assert!(change(key, value).is_err(), "{key}");
        }
        // What was wrong before is named, not what is changed.
        let told = set("[run]\nturn = 1\n", "f", &path("chat.agent").unwrap(), "a").unwrap_err().to_string();
        assert!(told.starts_with("f:2: unknown key `turn`"), "{told}");
        // And mended by the same means.
        assert_eq!(unset("[run]\nturn = 1\n", "f", &path("run.turn").unwrap()).unwrap(), "");
        assert!(set("[run]\nturns = 0\n", "f", &path("run.turns").unwrap(), "5").is_ok());
    }

    #[test]
    fn a_key_is_taken_away_with_the_table_that_it_leaves_empty() {
        let text = format!("[run]\nturns = 5\n{TEXT}");
        assert_eq!(unset(&text, "f", &path("run.turns").unwrap()).unwrap(), TEXT);
        let kept = unset(TEXT, "f", &path("budget.day.dollars").unwrap()).unwrap();
        assert!(kept.starts_with("# What may be spent.\n[budget.day]\n"), "{kept}");
        assert!(unset(TEXT, "f", &path("run.turns").unwrap()).is_err());
    }

    #[test]
    fn what_is_set_is_found_key_by_key() {
        let found: Vec<String> =
            entries(TEXT).unwrap().iter().map(|(path, value)| format!("{}={value}", dotted(path))).collect();
        assert_eq!(found, ["budget.day.dollars=2", r#"policy.rule=[{"then":"allow","tool":"memory_write"}]"#]);
        assert_eq!(dotted(&path("agent.\"a b\".system").unwrap()), "agent.\"a b\".system");
    }
}
