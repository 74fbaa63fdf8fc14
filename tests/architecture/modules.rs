//! Which file of a crate needs which, read from its `use` items and paths.
//!
//! A file and the files below it are one thing: a module names its parts, and they use what it holds. Between all others
//! arrows point one way, on every floor: `a/x.rs` needing `b/y.rs` is an arrow from `a` to `b`. Tests need what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The place of a module in its crate; the crate itself is empty.
type Module = Vec<String>;

/// Everything on circles below a source directory: `a -> b, since FILE needs PATH`.
pub(crate) fn circles(source: &Path) -> Vec<String> {
    circles_of(&read(source))
}

/// Most hops of one name through `pub use`.
const HOPS: usize = 8;

/// The text of every file by its module, without tests and comments.
fn read(source: &Path) -> BTreeMap<Module, String> {
    let mut files: BTreeMap<Module, String> = BTreeMap::new();
    let mut open = vec![source.to_path_buf()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(source).unwrap().with_extension("");
            let mut module: Module = name.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
                module.pop();
            }
            *files.entry(module).or_default() += &without_tests(&fs::read_to_string(&path).unwrap());
        }
    }
    files
}

/// The code above the tests at a file's end, without comments.
fn without_tests(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let test = line.trim() == "#[cfg(test)]";
        match lines.peek() {
            Some(next) if test && next.contains("mod ") && next.ends_with('{') => break,
            Some(next) if test && next.ends_with(';') => {
                // A module of tests in a file of its own, or what only tests import.
                let name = next.trim_end_matches(';').rsplit(' ').next().unwrap_or_default();
                if next.contains("mod ") {
                    code = code + "test_module " + name + ";\n";
                }
                lines.next();
            }
            _ => code = code + line.split("//").next().unwrap_or_default() + "\n",
        }
    }
    code
}

fn circles_of(files: &BTreeMap<Module, String>) -> Vec<String> {
    let crate_ = Crate::new(files);
    let mut floors: BTreeMap<Module, Arrows> = BTreeMap::new();
    for (module, path) in crate_.uses() {
        let target = crate_.owner(&path, 0);
        let shared = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
        let (Some(from), Some(to)) = (module.get(shared), target.get(shared)) else {
            continue;
        };
        let arrows = floors.entry(module[..shared].to_vec()).or_default();
        let why = format!("{} needs {}", module.join("/"), path.join("::"));
        arrows.entry((from.clone(), to.clone())).or_insert(why);
    }
    floors.into_values().flat_map(on_circles).collect()
}

/// From one name to another, and why.
type Arrows = BTreeMap<(String, String), String>;

/// What is left once everything that needs nothing, or is needed by nothing, is taken away again and again.
fn on_circles(mut arrows: Arrows) -> Vec<String> {
    loop {
        let from: BTreeSet<String> = arrows.keys().map(|(from, _)| from.clone()).collect();
        let to: BTreeSet<String> = arrows.keys().map(|(_, to)| to.clone()).collect();
        let before = arrows.len();
        arrows.retain(|(a, b), _| from.contains(b) && to.contains(a));
        if arrows.len() == before {
            let told = arrows.iter().map(|((a, b), why)| format!("{a} -> {b}, since {why}"));
            return told.collect();
        }
    }
}

/// A path as it stands in a file.
struct Named {
    module: Module,
    path: Vec<String>,
    /// The name under which `pub use` hands it on, if it does.
    handed_on: Option<String>,
}

/// The modules of a crate and what they name.
struct Crate {
    modules: BTreeSet<Module>,
    /// What a module hands on by `pub use`, from where.
    handed_on: BTreeMap<(Module, String), Vec<String>>,
    used: Vec<(Module, Vec<String>)>,
}

impl Crate {
    fn new(files: &BTreeMap<Module, String>) -> Self {
        let tokens: BTreeMap<&Module, Vec<&str>> = files.iter().map(|(module, text)| (module, split(text))).collect();
        let tests: Vec<Module> = (tokens.iter())
            .flat_map(|(module, tokens)| {
                let names = tokens.windows(2).filter(|pair| pair[0] == "test_module");
                names.map(|pair| [module.as_slice(), &[pair[1].to_owned()]].concat())
            })
            .collect();
        let product = |module: &Module| !tests.iter().any(|test| module.starts_with(test));
        let modules = files.keys().filter(|module| product(module)).cloned().collect();
        let mut crate_ = Self {
            modules,
            handed_on: BTreeMap::new(),
            used: Vec::new(),
        };
        for (module, tokens) in tokens {
            if crate_.modules.contains(module) {
                for named in paths(module, &tokens) {
                    crate_.note(named);
                }
            }
        }
        crate_
    }

    fn note(&mut self, named: Named) {
        let Some(path) = self.absolute(&named.module, &named.path) else {
            return;
        };
        match named.handed_on {
            Some(name) => drop(self.handed_on.insert((named.module, name), path)),
            None => self.used.push((named.module, path)),
        }
    }

    fn uses(&self) -> impl Iterator<Item = (Module, Vec<String>)> {
        self.used.iter().cloned()
    }

    /// The path from the crate's root; `None` for what lies in other crates, or in the same file.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let first = path.first()?.as_str();
        let below = [module.as_slice(), &path[..1]].concat();
        match first {
            "crate" => Some(path[1..].to_vec()),
            "self" | "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let skipped = up.max(1);
                let base = module.get(..module.len().checked_sub(up)?)?;
                Some([base, &path[skipped..]].concat())
            }
            _ if self.modules.contains(&below) => Some([module.as_slice(), path].concat()),
            _ => None,
        }
    }

    /// The module whose file holds what a path names.
    fn owner(&self, path: &[String], hops: usize) -> Module {
        let at = (0..=path.len()).rev().find(|at| self.modules.contains(&path[..*at]));
        let at = at.unwrap_or(0);
        let module = path[..at].to_vec();
        match path.get(at) {
            Some(name) if hops < HOPS => match self.handed_on.get(&(module.clone(), name.clone())) {
                Some(from) => self.owner(&[from.as_slice(), &path[at + 1..]].concat(), hops + 1),
                None => module,
            },
            _ => module,
        }
    }
}

/// Names, `::`, and single signs.
fn split(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            _ if word(first) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if !first.is_whitespace() {
            tokens.push(token);
        }
        rest = after;
    }
    tokens
}

/// Every path of a file, those of `use` items one by one.
fn paths(module: &Module, tokens: &[&str]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_use = tokens[at] == "use";
        let handed_on = is_use && at > 0 && matches!(tokens[at - 1], "pub" | ")");
        let start = at + usize::from(is_use);
        let begins = |at: usize| {
            tokens
                .get(at)
                .is_some_and(|token| token.starts_with(char::is_alphabetic))
        };
        if begins(start) && (is_use || tokens.get(start + 1) == Some(&"::")) {
            let mut tree = Vec::new();
            at = use_tree(tokens, start, &[], &mut tree);
            found.extend(tree.into_iter().map(|(path, name)| Named {
                module: module.clone(),
                handed_on: handed_on.then_some(name),
                path,
            }));
        } else {
            at = start + usize::from(!is_use);
        }
    }
    found
}

/// Reads a path, or a group of them, from `at` on; gives where it ends.
fn use_tree(tokens: &[&str], mut at: usize, prefix: &[String], found: &mut Vec<(Vec<String>, String)>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                at += 1;
                while !matches!(tokens.get(at), Some(&"}") | None) {
                    let end = use_tree(tokens, at, &path, found);
                    at = if tokens.get(end) == Some(&",") {
                        end + 1
                    } else {
                        end.max(at + 1)
                    };
                }
                return at + 1;
            }
            Some(word) if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                // `self` in a group is what the group is of.
                if *word != "self" || prefix.is_empty() {
                    path.push((*word).to_owned());
                }
                at += 1;
            }
            // Everything of a module.
            Some(&"*") => at += 1,
            _ => break,
        }
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if let (Some(&"as"), Some(alias)) = (tokens.get(at), tokens.get(at + 1)) {
        (*alias).clone_into(&mut name);
        at += 2;
    }
    if path.len() > prefix.len() || !prefix.is_empty() {
        found.push((path, name));
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> BTreeMap<Module, String> {
        let module = |path: &str| {
            path.split('/')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let file = |(path, text): &(&str, &str)| (module(path), without_tests(text));
        texts.iter().map(file).collect()
    }

    #[test]
    fn a_circle_of_two_files_is_found_however_they_name_each_other() {
        for (a, b) in [
            ("use crate::b::B;", "use crate::a::A;"),
            ("use super::b::{C, B as Other};", "fn f() -> super::a::A {}"),
            ("use crate::{b, c};", "use super::{a::A};"),
            ("use crate::B;", "use crate::a::{self};"),
            ("use crate::b::*;", "use super::a;"),
        ] {
            let found = circles_of(&files(&[
                ("", "mod a; mod b; mod c; pub use b::B;"),
                ("a", a),
                ("b", b),
                ("c", ""),
            ]));
            assert_eq!(found.len(), 2, "{a} {b}: {found:?}");
            assert!(found[0].starts_with("a -> b"), "{found:?}");
        }
    }

    #[test]
    fn a_circle_of_folders_is_found_where_no_two_files_make_one() {
        let found = circles_of(&files(&[
            ("", "mod x; mod y;"),
            ("x", "mod one; mod two;"),
            ("x/one", "use crate::y::three::T;"),
            ("x/two", ""),
            ("y", "mod three; mod four;"),
            ("y/three", ""),
            ("y/four", "use crate::x::two::U;"),
        ]));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn one_way_parts_of_a_module_and_tests_are_no_circle() {
        let found = circles_of(&files(&[
            ("", "mod a; mod b;\n#[cfg(test)]\nmod probe;"),
            ("probe", "use crate::a::A; use crate::b::B;"),
            ("a", "mod part; use part::P; use crate::b::B; pub struct A;"),
            ("a/part", "use super::A;"),
            (
                "b",
                "// use crate::a::A;\n#[cfg(test)]\nuse crate::probe;\n#[cfg(test)]\nmod tests {\n use crate::a::A;\n}\n",
            ),
        ]));
        assert!(found.is_empty(), "{found:?}");
    }
}
