//! Finds text inside text: escapes, encodings and characters nobody sees.
//!
//! Each function is linear and gives decoded text only when it reads like text.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
static BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of this file are tried by its tests")
}

/// Base64 and hexadecimal runs that decode to text, with where they stand.
pub(super) fn runs(text: &str) -> Vec<(Range<usize>, String)> {
    static BASE64_RUN: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?-u)[A-Za-z0-9+/_-]{20,}(?:\r?\n[ \t]*[A-Za-z0-9+/_-]{4,})*={0,2}"));
    static HEX_RUN: LazyLock<Regex> = LazyLock::new(|| regex(r"(?-u)(?:(?:0x|\\x)?[0-9A-Fa-f]{2}(?:, ?|[ :-])?){12,}"));
    let mut found = Vec::new();
    for run in BASE64_RUN.find_iter(text) {
        found.extend(base64_text(run.as_str(), run.start() == 0).map(|decoded| (run.range(), decoded)));
    }
    for run in HEX_RUN.find_iter(text) {
        let digits: String = run.as_str().replace("0x", "").chars().filter(char::is_ascii_hexdigit).collect();
        let even = &digits[..digits.len() & !1];
        found.extend(hex::decode(even).ok().and_then(readable).map(|decoded| (run.range(), decoded)));
    }
    found
}

/// A run whose beginning may be cut off is tried at each alignment.
fn base64_text(run: &str, cut: bool) -> Option<String> {
    let clean: String = run
        .chars()
        .filter(|c| !c.is_ascii_whitespace() && *c != '=')
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    (0..if cut { 4 } else { 1 }).find_map(|skip| {
        let part = clean.get(skip..)?;
        let length = if part.len() % 4 == 1 { part.len() - 1 } else { part.len() };
        readable(BASE64.decode(&part[..length]).ok()?)
    })
}

/// The bytes as text, when nearly all of it could have been written by a person.
fn readable(bytes: Vec<u8>) -> Option<String> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // A run cut in the middle of a character.
        Err(error) if error.utf8_error().valid_up_to() + 4 > error.as_bytes().len() => {
            let whole = error.utf8_error().valid_up_to();
            String::from_utf8(error.as_bytes()[..whole].to_vec()).ok()?
        }
        Err(_) => return None,
    };
    let written = text.chars().filter(|c| c.is_alphanumeric() || c.is_ascii_punctuation() || c.is_whitespace()).count();
    let all = text.chars().count();
    (all >= 8 && written * 10 >= all * 9).then_some(text)
}

/// The text with its escapes undone, and the byte of `text` each byte came from; `None` when fewer than three letters
/// or brackets were escaped.
pub(super) fn unescaped(text: &str) -> Option<(String, Vec<u32>)> {
    static ESCAPE: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"(?i)&#(?P<decimal>[0-9]{2,7});?|&#x(?P<entity>[0-9a-f]{2,6});?|&(?P<name>lt|gt|amp|quot|apos|nbsp|colon|sol|lsqb|rsqb|lbrack|rbrack|verbar|vert|newline|tab|excl|num|equals);|(?P<percent>(?:%[0-9a-f]{2})+)|\\u\{?(?P<unicode>[0-9a-f]{4,6})\}?|\\x(?P<byte>[0-9a-f]{2})",
        )
    });
    let mut undone = String::new();
    let mut from: Vec<u32> = Vec::new();
    let (mut done, mut telling) = (0, 0);
    for escape in ESCAPE.captures_iter(text) {
        let whole = escape.get(0)?;
        let number = |name: &str, radix| {
            let digits = escape.name(name)?.as_str();
            u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).map(String::from)
        };
        let plain = number("decimal", 10)
            .or_else(|| number("entity", 16))
            .or_else(|| number("unicode", 16))
            .or_else(|| number("byte", 16))
            .or_else(|| escape.name("name").map(|name| named(name.as_str()).to_owned()))
            .or_else(|| escape.name("percent").map(|run| percent(run.as_str())));
        let Some(plain) = plain else { continue };
        telling += plain.chars().filter(|c| c.is_alphanumeric() || "<>|[]".contains(*c)).count();
        // Spaces between words are what percent escapes are mostly for.
        telling += usize::from(plain == " ");
        undone.push_str(&text[done..whole.start()]);
        from.extend(done as u32..whole.start() as u32);
        undone.push_str(&plain);
        from.resize(undone.len(), whole.start() as u32);
        done = whole.end();
    }
    undone.push_str(&text[done..]);
    from.extend(done as u32..text.len() as u32);
    (telling >= 3).then_some((undone, from))
}

fn named(name: &str) -> &'static str {
    match name.to_ascii_lowercase().as_str() {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        "colon" => ":",
        "sol" => "/",
        "lsqb" | "lbrack" => "[",
        "rsqb" | "rbrack" => "]",
        "verbar" | "vert" => "|",
        "newline" => "\n",
        "excl" => "!",
        "num" => "#",
        "equals" => "=",
        _ => " ",
    }
}

fn percent(run: &str) -> String {
    let bytes = hex::decode(run.replace('%', "")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Text written in tag characters or variation selectors, with where it stands.
pub(super) fn invisible(text: &str) -> Vec<(Range<usize>, String)> {
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    if !text.bytes().any(|byte| byte == 0xf3 || byte == 0xef) {
        return found;
    }
    let mut add = |index: usize, part: Vec<u8>| {
        if part.len() >= 4 {
            found.push((index..text.len(), String::from_utf8_lossy(&part).into_owned()));
        }
    };
    let tags: Vec<(usize, u8)> = text.char_indices().filter_map(|(index, c)| Some((index, tag(c)?))).collect();
    let selectors: Vec<(usize, u8)> =
        text.char_indices().filter_map(|(index, c)| Some((index, selector(c)?))).collect();
    for hidden in [tags, selectors] {
        if let Some((first, _)) = hidden.first() {
            add(*first, hidden.iter().map(|(_, byte)| *byte).collect());
        }
    }
    found
}

fn tag(c: char) -> Option<u8> {
    matches!(c, '\u{e0020}'..='\u{e007e}').then(|| (c as u32 - 0xe0000) as u8)
}

/// The byte a variation selector stands for; the one that asks for an emoji's colours stands for itself.
fn selector(c: char) -> Option<u8> {
    match c {
        '\u{fe00}'..='\u{fe0e}' => Some((c as u32 - 0xfe00) as u8),
        '\u{e0100}'..='\u{e01ef}' => Some((c as u32 - 0xe0100 + 16) as u8),
        _ => None,
    }
}

/// The folded text with the alphabet turned by 13, when it has words that only then are telling.
pub(super) fn rotated(text: &str) -> Option<String> {
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            "(?-u)vtaber|vafgehpgvba|cerivbhf|flfgrz|cebzcg|qvfertneq|sbetrg|nffvfgnag|erirny|gur hfre|hfref|cnffjbeq|frperg",
        )
    });
    let turn = |c: char| match c {
        'a'..='m' => (c as u8 + 13) as char,
        'n'..='z' => (c as u8 - 13) as char,
        c => c,
    };
    WORDS.is_match(text).then(|| text.chars().map(turn).collect())
}

/// The folded text from its end, when it has words that only then are telling.
pub(super) fn reversed(text: &str) -> Option<String> {
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            "(?-u)erongi|noitcurtsni|suoiverp|metsys|tpmorp|dragersid|tegrof|tnatsissa|laever|resu eht|drowssap|terces",
        )
    });
    WORDS.is_match(text).then(|| text.chars().rev().collect())
}
