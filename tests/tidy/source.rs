//! One source file, read as tokens; test code and comments told apart.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::fs;
use std::path::Path;
use std::str::FromStr;

/// A source file of the workspace.
pub(crate) struct Source {
    /// Its path from the root, with slashes.
    pub(crate) path: String,
    /// The text of the file.
    pub(crate) text: String,
    all: Vec<TokenTree>,
    production: Vec<TokenTree>,
}

/// All source files below the root, sorted; what a build or a tool made is left out.
pub(crate) fn sources(root: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).expect("a folder of the workspace can be read");
    for entry in entries.map(|entry| entry.expect("a folder of the workspace can be read")) {
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.') || name == "target" || name == "node_modules";
        if path.is_dir() && !hidden {
            walk(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).expect("the walk began at the root");
            let relative =
                relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
            found.push(Source::read(relative, fs::read_to_string(&path).expect("a source file is text")));
        }
    }
}

impl Source {
    pub(crate) fn read(path: String, text: String) -> Self {
        let tokens = TokenStream::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let all = without_docs(tokens);
        let production = without_tests(all.clone());
        Self { path, text, all, production }
    }

    /// Whether the whole file is only compiled for tests.
    pub(crate) fn is_test(&self) -> bool {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        name == "tests.rs" || name.ends_with("_tests.rs") || folder.split('/').any(|part| part == "tests")
    }

    /// The string literals of production code with their lines, in attributes too, but not in documentation.
    pub(crate) fn strings(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        each(&self.production, &mut |token| {
            if let TokenTree::Literal(literal) = token {
                let text = literal.to_string();
                if text.contains('"') {
                    found.push((line(token), text));
                }
            }
        });
        found
    }

    /// The lines of production code with this word in them.
    pub(crate) fn words(&self, word: &str) -> Vec<usize> {
        let mut found = Vec::new();
        each(&self.production, &mut |token| {
            if matches!(token, TokenTree::Ident(ident) if ident == word) {
                found.push(line(token));
            }
        });
        found
    }

    /// The lines of attributes with this name, in test code too.
    pub(crate) fn attributes(&self, name: &str) -> Vec<usize> {
        let mut found = Vec::new();
        groups(&self.all, &mut |tokens| {
            for pair in tokens.windows(2) {
                if let [TokenTree::Punct(hash), TokenTree::Group(group)] = pair
                    && hash.as_char() == '#'
                    && matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(ident)) if ident == name)
                {
                    found.push(line(&pair[1]));
                }
            }
        });
        found
    }

    /// The paths of production code, those of a `use` with braces one by one.
    pub(crate) fn paths(&self) -> Vec<(usize, Vec<String>)> {
        all_paths(&self.production)
    }

    /// The lines with a path that ends so, in test code too.
    pub(crate) fn calls(&self, end: &[&str]) -> Vec<usize> {
        all_paths(&self.all)
            .into_iter()
            .filter(|(_, path)| path.ends_with(&end.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>()))
            .map(|(line, _)| line)
            .collect()
    }

    /// The lines of `pub fn` in production code that return `Result<_, String>`.
    pub(crate) fn public_text_errors(&self) -> Vec<usize> {
        let mut found = Vec::new();
        groups(&self.production, &mut |tokens| {
            for (at, token) in tokens.iter().enumerate() {
                let public = matches!(token, TokenTree::Ident(ident) if ident == "pub")
                    && matches!(tokens.get(at + 1), Some(TokenTree::Ident(next)) if next == "fn" || next == "async" || next == "const");
                if public {
                    let head = tokens[at..].iter().take_while(
                        |token| !matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace),
                    );
                    let head: String = head.map(|token| token.to_string()).collect::<Vec<_>>().join("");
                    if head.contains("->Result<") && head.ends_with(",String>") {
                        found.push(line(token));
                    }
                }
            }
        });
        found
    }
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Calls `visit` with every token, those inside groups too.
fn each(tokens: &[TokenTree], visit: &mut dyn FnMut(&TokenTree)) {
    for token in tokens {
        visit(token);
        if let TokenTree::Group(group) = token {
            each(&group.stream().into_iter().collect::<Vec<_>>(), visit);
        }
    }
}

/// Calls `visit` with the tokens of this level, and of every group.
fn groups(tokens: &[TokenTree], visit: &mut dyn FnMut(&[TokenTree])) {
    visit(tokens);
    for token in tokens {
        if let TokenTree::Group(group) = token {
            groups(&group.stream().into_iter().collect::<Vec<_>>(), visit);
        }
    }
}

/// The attribute that begins here: its content and how many tokens it takes.
fn attribute(tokens: &[TokenTree]) -> Option<(Vec<TokenTree>, usize)> {
    if !is_punct(tokens.first(), '#') {
        return None;
    }
    let at = if is_punct(tokens.get(1), '!') { 2 } else { 1 };
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            Some((group.stream().into_iter().collect(), at + 1))
        }
        _ => None,
    }
}

/// The tokens without documentation.
fn without_docs(tokens: TokenStream) -> Vec<TokenTree> {
    rebuild(tokens.into_iter().collect(), &|content, _| {
        matches!(content.first(), Some(TokenTree::Ident(name)) if name == "doc").then_some(0)
    })
}

/// The same tokens without what is only compiled for tests.
fn without_tests(tokens: Vec<TokenTree>) -> Vec<TokenTree> {
    rebuild(tokens, &|content, rest| {
        let text: String = content.iter().map(ToString::to_string).collect::<Vec<_>>().join("");
        let test =
            text == "test" || text == "cfg(test)" || text.starts_with("cfg(all(test,") || text.ends_with("::test");
        test.then(|| item_length(rest))
    })
}

/// Copies tokens. `cut` is asked about every attribute and what follows it, and says how much of that goes with it.
fn rebuild(tokens: Vec<TokenTree>, cut: &dyn Fn(&[TokenTree], &[TokenTree]) -> Option<usize>) -> Vec<TokenTree> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if let Some((content, length)) = attribute(&tokens[at..])
            && let Some(following) = cut(&content, &tokens[at + length..])
        {
            at += length + following;
            continue;
        }
        kept.push(match &tokens[at] {
            TokenTree::Group(group) => {
                let inside = rebuild(group.stream().into_iter().collect(), cut);
                let mut copy = Group::new(group.delimiter(), inside.into_iter().collect());
                copy.set_span(group.span());
                TokenTree::Group(copy)
            }
            token => token.clone(),
        });
        at += 1;
    }
    kept
}

/// How many tokens an item takes: up to its semicolon or its braces.
fn item_length(tokens: &[TokenTree]) -> usize {
    let end = tokens.iter().position(|token| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    });
    end.map_or(tokens.len(), |end| end + 1)
}

fn all_paths(tokens: &[TokenTree]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    groups(tokens, &mut |tokens| {
        let mut at = 0;
        while at < tokens.len() {
            at += match &tokens[at] {
                TokenTree::Ident(_) => path(&tokens[at..], &[], &mut found),
                _ => 1,
            };
        }
    });
    found
}

/// Reads the path that begins here, and returns how many tokens it takes.
fn path(tokens: &[TokenTree], before: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut segments = before.to_vec();
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => segments.push(ident.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace && at > 0 => {
                let inside: Vec<_> = group.stream().into_iter().collect();
                for element in inside.split(|token| is_punct(Some(token), ',')) {
                    path(element, &segments, found);
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':') {
            at += 2;
        } else {
            break;
        }
    }
    if segments.len() > before.len() {
        found.push((line(&tokens[0]), segments));
    }
    at.max(1)
}

#[test]
fn test_code_and_documentation_are_told_apart() {
    let text = "//! std doc\nuse std::{fs::File, io};\n/// \"vendor\"\nfn f() { \"kept\"; tokio::net::x(); }\n\
        #[cfg(test)]\nmod tests { use std::process; fn g() { \"dropped\"; unsafe {} } }\nfn last() -> u8 { 1 }";
    let source = Source::read("a/b.rs".into(), text.into());
    assert_eq!(source.strings(), [(4, "\"kept\"".to_owned())]);
    assert!(source.words("unsafe").is_empty() && source.words("last") == [7]);
    let paths: Vec<String> = source.paths().into_iter().map(|(_, path)| path.join("::")).collect();
    for expected in ["std::fs::File", "std::io", "tokio::net::x"] {
        assert!(paths.iter().any(|path| path == expected), "{expected} in {paths:?}");
    }
    assert!(!paths.iter().any(|path| path == "std::process"));
}

#[test]
fn errors_that_are_text_and_ignored_tests_are_found() {
    let text = "pub fn a(x: u8) -> Result<u8, String> { Ok(x) }\nfn b() -> Result<(), String> { Ok(()) }\n\
        #[cfg(test)] mod t { #[test] #[ignore] fn c() { std::thread::sleep(d); } }";
    let source = Source::read("a/b.rs".into(), text.into());
    assert_eq!(source.public_text_errors(), [1]);
    assert_eq!((source.attributes("ignore"), source.calls(&["thread", "sleep"])), (vec![3], vec![3]));
}
