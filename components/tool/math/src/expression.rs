//! Which expressions are calculated.
//!
//! Refused is what the library would read other than it looks, and what could take all memory or stack of a call.

use cara_sdk::Error;

/// The most bytes of an expression.
const LENGTH: usize = 500;

/// The most parentheses in each other, and the most signs that are no parentheses. The library descends for each;
/// in a component's stack of 512 KiB there was room for 40 functions in each other and for 500 signs.
const DEPTH: usize = 24;
const SIGNS: usize = 120;

/// Functions whose argument must stand in parentheses: without, `tan 45 degrees` is `tan(45)` degrees.
const FUNCTIONS: [&str; 27] = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cbrt",
    "ceil",
    "conjugate",
    "cos",
    "cosh",
    "exp",
    "fibonacci",
    "floor",
    "ln",
    "log",
    "log10",
    "log2",
    "real",
    "imag",
    "round",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
];

/// What is refused wherever it stands, and what to write instead.
const REFUSED: [(&str, &str); 9] = [
    (",", "write numbers without `,`, as 1250.50; no function takes two arguments"),
    ("//", "`//` is not supported; write floor(7/2)"),
    ("<<", "`<<` is not supported; write * 2^n"),
    (">>", "`>>` is not supported; write floor(x / 2^n)"),
    ("\\", "functions of your own are not supported; write the whole expression"),
    ("\u{3bb}", "functions of your own are not supported; write the whole expression"),
    (":", "`:` is not supported; write the whole expression, and times as 2 hours + 30 min"),
    ("@", "`@` is not supported"),
    ("\"", "texts are not supported"),
];

/// The expression, if it may be calculated.
pub(crate) fn checked(expression: &str) -> Result<&str, Error> {
    let expression = expression.trim();
    if expression.is_empty() {
        return Err(Error::bad_request("there is no expression"));
    }
    if expression.len() > LENGTH {
        return Err(Error::bad_request(format!("an expression has at most {LENGTH} bytes; calculate it in parts")));
    }
    if let Some((_, cure)) = REFUSED.iter().find(|(sign, _)| expression.contains(sign)) {
        return Err(Error::bad_request(*cure));
    }
    let words = expression.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)).count();
    let signs =
        expression.chars().filter(|c| !c.is_alphanumeric() && !c.is_whitespace() && !"().".contains(*c)).count();
    if words + signs > SIGNS {
        return Err(Error::bad_request(format!("more than {SIGNS} operations; calculate it in parts")));
    }
    check_depth(expression)?;
    check_names(expression)?;
    Ok(expression)
}

fn check_depth(expression: &str) -> Result<(), Error> {
    let mut depth = 0_usize;
    for sign in expression.chars() {
        match sign {
            '(' => depth += 1,
            ')' if depth == 0 => return Err(Error::bad_request("a `)` has no `(`")),
            ')' => depth -= 1,
            _ => {}
        }
        if depth > DEPTH {
            return Err(Error::bad_request(format!("more than {DEPTH} parentheses in each other")));
        }
    }
    // The library would close them itself, at the end, which is seldom where they were meant.
    if depth > 0 { Err(Error::bad_request("a `(` has no `)`")) } else { Ok(()) }
}

fn check_names(expression: &str) -> Result<(), Error> {
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_alphabetic()) {
        // Digits before belong to a number (`0x1f`, `5d6`) as well as to what follows.
        let name_and_rest = &rest[start..];
        let end = name_and_rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (name, after) = name_and_rest.split_at(end.unwrap_or(name_and_rest.len()));
        if FUNCTIONS.contains(&name) && !after.trim_start().starts_with('(') {
            return Err(Error::bad_request(format!("put the argument of `{name}` in parentheses: {name}(2)")));
        }
        let dice = name.strip_prefix('d').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let number = rest[..start].ends_with('0') && name.starts_with(['x', 'b', 'o']);
        if (dice && !number) || name == "roll" {
            return Err(Error::bad_request("dice are not supported"));
        }
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_would_be_read_otherwise_is_refused_with_what_to_write() {
        for (expression, cure) in [
            ("", "no expression"),
            ("1,250.50 + 1", "without `,`"),
            ("gcd(12,18)", "no function takes two"),
            ("7 // 2", "floor(7/2)"),
            ("1 << 10000000000", "2^n"),
            (r"(\x. x x)(\x. x x)", "whole expression"),
            ("f = x: f x; f 1", "whole expression"),
            ("tan 45 degrees", "tan(2)"),
            ("2 sqrt 16 + 9", "sqrt(2)"),
            ("2d1000000", "dice"),
            ("d20", "dice"),
            ("roll 3", "dice"),
            ("@debug 1", "not supported"),
            ("(1", "has no `)`"),
            ("1)", "has no `(`"),
        ] {
            let error = checked(expression).unwrap_err();
            assert!(error.message.contains(cure), "{expression}: {}", error.message);
        }
        assert!(checked(&"1+".repeat(251)).unwrap_err().message.contains("in parts"));
        assert!(checked(&format!("{}1{}", "(".repeat(25), ")".repeat(25))).is_err());
        assert!(checked(&format!("{}1{}", "(".repeat(24), ")".repeat(24))).is_ok());
        assert!(checked(&"-".repeat(121)).unwrap_err().message.contains("in parts"));
        assert!(checked(&"m ".repeat(121)).unwrap_err().message.contains("in parts"));
    }

    #[test]
    fn what_people_calculate_is_allowed() {
        for expression in
            ["0.1+0.2", "3 feet in cm", "sin(30 degrees)", "log10 (1000)", "0xd20", "3 days in hours", "5 choose 2"]
        {
            assert_eq!(checked(expression).unwrap(), expression);
        }
    }
}
