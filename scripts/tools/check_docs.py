"""Checks all documents: links, names and words.

usage: check_docs.py BOOK

BOOK is the directory that mdBook wrote. Checked are
- every link inside the book, anchors included, and every link of the other documents to a file of the repository;
- names: files in backticks exist, and so do tests that a document names;
- invariants: each row of "What always holds" in the architecture names the tests that hold it;
- commands: options of both programs and of the scripts, and keys of configurations, are known to the code;
- words: a sentence has fewer than 25, and README.md at most 1,000;
- docstrings: that of a public item of Rust has at least five words. One of an enum's variant may be a word of the field.
Addresses of other hosts are not asked for. Ends with 1 and names each place where something is wrong.
"""

import html.parser
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = ROOT / "docs/src"
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
MAX_WORDS = 24
MAX_README = 1000
MIN_DOCSTRING = 5
# What a path in backticks begins with where it means a file of this repository.
PLACES = re.compile(r"^(scripts|edge-runtime|host-trainer|shared-model|tests|docs|\.ci|\.github)/[\w./-]*\w$")
# Lines of a docstring, attributes, and the first line of what is public.
DOCUMENTED = re.compile(r"^((?: *///[^\n]*\n)+)(?: *#\[(?:[^\[\]]|\[[^\[\]]*\])*\]\n)*( *pub (?!use\b)[^\n]*)", re.MULTILINE)
FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def main():
    problems = []
    problems += book_links(Path(sys.argv[1]))
    code = Code()
    for path in sorted(CHAPTERS.glob("*.md")) + [ROOT / page for page in PAGES]:
        text = path.read_text(encoding="utf-8")
        found = [*words(path, text), *names(text, code), *commands(text, code)]
        if path.parent != CHAPTERS:
            found += file_links(path, text)
        if path.name == "architecture.md":
            found += invariants(text, code)
        problems += [f"{path.relative_to(ROOT)}: {problem}" for problem in found]
    problems += docstrings(code)
    readme = len((ROOT / "README.md").read_text(encoding="utf-8").split())
    if readme > MAX_README:
        problems.append(f"README.md: {readme} words, {MAX_README} are allowed")
    for problem in problems:
        print(f"check-docs: {problem}", file=sys.stderr)
    if problems:
        sys.exit(f"check-docs: {len(problems)} places are wrong")
    print(f"check-docs: {len(list(CHAPTERS.glob('*.md')))} chapters and {len(PAGES)} pages are sound", file=sys.stderr)


class Page(html.parser.HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            self.anchors.add(attributes["id"])
        name = {"a": "href", "img": "src"}.get(tag)
        if name and attributes.get(name):
            self.links.append(attributes[name])


def book_links(book):
    pages = {path: Page(path) for path in book.rglob("*.html") if path.name not in ("404.html", "print.html", "toc.html")}
    problems = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                problems.append(f"{path.relative_to(book)}: {link} leads nowhere")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                problems.append(f"{path.relative_to(book)}: {link}: there is no such heading")
    return problems


def file_links(path, text):
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = path.parent / unquote(parts.path) if parts.path else path
        if not target.exists():
            yield f"{link} leads nowhere"
        elif parts.fragment and parts.fragment not in headings(target):
            yield f"{link}: there is no such heading"


def headings(path):
    titles = re.findall(r"^#+ +(.*)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


class Code:
    """What documents may name: tests, options, keys."""

    def __init__(self):
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        self.files = [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
        self.rust = rust = {path: path.read_text(encoding="utf-8") for path in self.files if path.suffix == ".rs"}
        self.functions = set(re.findall(r"\bfn (\w+)", "\n".join(rust.values())))
        # Between `#[test]` and the name stand other attributes at most.
        self.tests = set(re.findall(r"#\[test\]\s*(?:#\[[^\n]*\]\s*)*fn (\w+)", "\n".join(rust.values())))
        self.options = {
            name: options("\n".join(text for path, text in rust.items() if f"{name}/src/" in path.as_posix()))
            for name in ("edge-runtime", "host-trainer")
        }
        schema = json.loads((ROOT / "edge-runtime/config.schema.json").read_text(encoding="utf-8"))
        self.keys = set(properties(schema))


def docstrings(code):
    """Docstrings of public items that say too little."""
    for path, text in code.rust.items():
        name = path.relative_to(ROOT).as_posix()
        for found in DOCUMENTED.finditer(text):
            said = re.sub(r"^ *///", "", found[1], flags=re.MULTILINE).split()
            if len(said) < MIN_DOCSTRING:
                line = text.count("\n", 0, found.start()) + 1
                yield f"{name}:{line}: `{' '.join(said)}` says less than {MIN_DOCSTRING} words of `{found[2].strip()}`"


def options(rust):
    """Long options that clap derives: of a field's name, or as they and their other names are written out."""
    found = {"help", "version"} | set(re.findall(r'\b(?:long|visible_alias)\b *= *"([\w-]+)"', rust))
    for attribute, field in re.findall(r"#\[arg\(((?:[^\[\]]|\[[^\]]*\])*?)\)\]\s*(?:pub\S* )?(\w+):", rust):
        if re.search(r"\blong\b(?! *=)", attribute):
            found.add(field.replace("_", "-"))
    return found


def properties(schema):
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).keys()
        for value in schema.values():
            yield from properties(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from properties(value)


def names(text, code):
    prose = FENCE.sub("", text)
    for name in re.findall(r"`([^`\n]+)`", prose):
        if PLACES.match(name) and not (ROOT / name).exists():
            yield f"`{name}` is not there"
        # Four words and more are the sentence that names a test.
        if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+){3,}", name) and not name.startswith("edge_") and name not in code.functions | code.keys:
            yield f"there is no test `{name}`"


def invariants(text, code):
    """What is wrong with the table of invariants: a row without a test, or with one that is not there."""
    section = re.search(r"^## What always holds\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    rows = [line.strip("|").split("|") for line in (section[1] if section else "").splitlines() if line.startswith("|")]
    if len(rows) < 3:
        yield "there is no table of what always holds"
    for row in rows[2:]:
        tests = re.findall(r"`(\w+)`", row[1])
        if not tests:
            yield f"no test holds: {row[0].strip()}"
        for name in tests:
            if name not in code.tests:
                yield f"there is no test `{name}`, which should hold: {row[0].strip()}"


def commands(text, code):
    for language, block in FENCE.findall(text):
        if language == "toml" and "{{#include" not in block:
            try:
                unknown = set(keys(tomllib.loads(block))) - code.keys
            except tomllib.TOMLDecodeError as error:
                yield f"a configuration cannot be read: {error}"
                continue
            for key in sorted(unknown):
                yield f"a configuration has no key `{key}`"
        elif language == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                yield from flags(line.split(" #")[0], code)


def flags(line, code):
    """Unknown options of a line, whose programs are parted by pipes and the like."""
    for command in re.split(r"[|;&]+", line):
        program = re.match(r"\s*(?:sudo )?(?:target/release/)?(?:(edge-runtime|host-trainer)(?= )|(?:\./)?(scripts/[\w-]+))", command)
        if not program:
            continue
        given = set(re.findall(r" --([\w-]+)", command[program.end() :]))
        if program[1]:
            known = code.options[program[1]]
        else:
            known = set(re.findall(r"--([\w-]+)", (ROOT / program[2]).read_text(encoding="utf-8")))
        for option in sorted(given - known):
            yield f"{program[1] or program[2]} has no option --{option}"


def keys(table):
    for key, value in table.items():
        yield key
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from keys(inner)


def words(path, text):
    for sentence in sentences(text):
        count = len(sentence.split())
        if count > MAX_WORDS:
            yield f"{count} words in one sentence: {sentence[:70]}…"


def sentences(text):
    text = FENCE.sub("\n\n", text)
    text = re.sub(r"`[^`\n]+`", "code", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text):
        lines = paragraph.strip().splitlines()
        if lines and lines[0].startswith("|"):
            # Each cell stands for itself.
            paragraphs += [cell for line in lines for cell in line.strip("|").split("|")]
        else:
            paragraphs.append(" ".join(re.sub(r"^\s*(?:[-*]|\d+\.) ", "", line).strip() for line in lines))
    for paragraph in paragraphs:
        # Not behind the dots of numbers, file names and the like.
        yield from (part for part in re.split(r"(?<=[.!?])\**\s+(?=[A-Z*\"]|code\b)", paragraph) if part.strip())


main()
