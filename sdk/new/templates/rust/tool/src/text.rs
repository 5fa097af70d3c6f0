//! What is pure: texts in, texts out.

/// A greeting, repeated.
pub(crate) fn greeting(name: &str, times: usize) -> String {
    vec![format!("Hello, {name}!"); times].join(" ")
}

/// The title of an HTML page, its white space collapsed; `None` when it has none.
pub(crate) fn title(html: &str) -> Option<String> {
    // Only ASCII letters change, so that places in one text are places in the other.
    let lower = html.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower[tag..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let words: Vec<&str> = html[start..end].split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_repeated() {
        assert_eq!(greeting("Ada", 1), "Hello, Ada!");
        assert_eq!(greeting("Ada", 2), "Hello, Ada! Hello, Ada!");
    }

    #[test]
    fn a_title_is_found_and_its_white_space_collapsed() {
        let page = "<html><TITLE lang=en>\n  A\n  guide </TITLE></html>";
        assert_eq!(title(page).as_deref(), Some("A guide"));
    }

    #[test]
    fn a_page_without_a_title_has_none() {
        for page in ["", "<html>", "<title>", "<title> </title>", "<title"] {
            assert_eq!(title(page), None, "{page}");
        }
    }
}
