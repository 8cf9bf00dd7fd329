//! Plain technical English in messages, help, the README and its pages, CHANGELOG, CONTRIBUTING, and the benchmarks.
//!
//! The lists have words that the first version used instead of the usual terms; a reader had to learn them.

use proc_macro2::{TokenStream, TokenTree};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Words to avoid, and what to write instead.
const WORDS: &[(&str, &str)] = &[
    ("anew", "again"),
    ("bear", "support"),
    ("bears", "confirms"),
    ("heed", "account for"),
    ("heeds", "accounts for"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("mends", "fixes"),
    ("nobody", "no one, or name the subject"),
    ("saw", "observed"),
    ("told", "reported"),
    ("whoever", "name the subject"),
];

/// The same for phrases. A space at either end is the end of a word.
const PHRASES: &[(&str, &str)] = &[
    (" leave by ", "go through"),
    (" leaves by ", "goes through"),
    (" look again ", "check again"),
    (" looked at ", "collected"),
    (" looks at ", "checks, collects"),
    (" looks for ", "checks for"),
    (" may not be read", "not authorized to read …: grant …"),
    (" tell apart", "distinguish"),
    (" tells which", "shows which"),
    (" the way to ", "the path to"),
    (" the way taken", "the path"),
    (" to be had", "available"),
    (" told apart", "distinguished"),
    (" was seen", "was observed"),
    (" were seen", "were observed"),
    (" which way ", "which path"),
];

/// Why this text is not plain, if it is not.
fn fault(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    let flowed = format!(" {} ", lower.split_whitespace().collect::<Vec<_>>().join(" "));
    let word = WORDS.iter().find(|(word, _)| words.contains(word));
    let phrase = PHRASES.iter().find(|(phrase, _)| flowed.contains(phrase));
    if let Some((found, instead)) = word.or(phrase) {
        return Some(format!("{:?}: write {instead:?}", found.trim()));
    }
    // `X is no Y`, not `there is no Y` or `is no longer`.
    let before_no = ["is", "are", "was", "were"];
    let odd =
        words.windows(4).find(|w| before_no.contains(&w[1]) && w[2] == "no" && w[3] != "longer" && w[0] != "there")?;
    Some(format!("{:?}: write \"{} not a …\"", odd.join(" "), odd[1]))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(below: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![below.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every string of the code with its line. Tests are skipped, and so is documentation unless it is help.
fn strings(stream: TokenStream, help: bool, found: &mut Vec<(usize, String)>) {
    let mut before: [Option<String>; 2] = [None, None];
    for tree in stream {
        let ident = match &tree {
            TokenTree::Ident(ident) => Some(ident.to_string()),
            TokenTree::Punct(punct) => Some(punct.as_char().to_string()),
            TokenTree::Group(_) | TokenTree::Literal(_) => None,
        };
        match tree {
            TokenTree::Group(group) => {
                let is_tests = before == [Some("mod".to_owned()), Some("tests".to_owned())];
                if !is_tests {
                    strings(group.stream(), help, found);
                }
            }
            TokenTree::Literal(literal) => {
                let is_doc = before == [Some("doc".to_owned()), Some("=".to_owned())];
                let line = literal.span().start().line;
                let text = literal.to_string();
                if let Some(text) = text.strip_suffix('"').filter(|_| !is_doc || help) {
                    // A wrapped string continues after a backslash.
                    found.push((line, text.replace("\\\n", "").replace("\\n", " ")));
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
        before = [before[1].take(), ident];
    }
}

/// The faults of a source file's messages.
fn of_messages(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // Clap prints the documentation of these as help.
    let is_help = path.ends_with("src/cli.rs") || path.to_string_lossy().contains("/src/commands/");
    let mut found = Vec::new();
    strings(stream, is_help, &mut found);
    let prose = found.iter().filter(|(_, text)| text.contains(' '));
    prose.filter_map(|(line, text)| Some(format!("{}:{line}: {}", path.display(), fault(text)?))).collect()
}

#[test]
fn messages_and_help_are_plain() {
    let files = files(&root().join("src"), "rs");
    assert!(files.len() > 100, "{files:?}");
    let faults: Vec<String> = files.iter().flat_map(|path| of_messages(path)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pages_are_plain() {
    let mut pages = files(&root().join("dist/doc"), "md");
    let more = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "BENCHMARKS.md", "tests/benches/RESULTS.md"];
    pages.extend(more.map(|page| root().join(page)));
    assert!(pages.len() > more.len(), "{pages:?}");
    for more in ["dist/prometheus", "dist/grafana", "dist/nagios", "systemd"] {
        for extension in ["yml", "json", "cfg", "conf", "service", "socket", "env"] {
            pages.extend(files(&root().join(more), extension));
        }
    }
    let mut faults = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        // A sentence may continue on the next line, but not after an empty one.
        for paragraph in text.replace("\n#", "\n").split("\n\n") {
            faults.extend(fault(paragraph).map(|fault| format!("{}: {fault} in\n{paragraph}\n", page.display())));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_old_words_are_found_and_plain_ones_are_not() {
    for odd in [
        "the command that mends it",
        "Which way DynamoDB traffic takes",
        "it leaves by\n    nat-1",
        "{host} is no name of DynamoDB",
        "Nobody answers",
        "not to be had here",
    ] {
        assert!(fault(odd).is_some(), "{odd}");
    }
    for plain in
        ["there is no route", "it is no longer used", "the path goes through nat-1", "leaves-by-tunnel", "a sawmill"]
    {
        assert_eq!(fault(plain), None, "{plain}");
    }
    let mut found = Vec::new();
    let code = "/// told\nfn a() { say(\"what was \\\n  seen\"); } mod tests { fn b() { say(\"nobody\") } }";
    strings(code.parse().unwrap(), false, &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(fault(&found[0].1).is_some(), "{found:?}");
}
