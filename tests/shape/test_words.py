"""Words that may not stand in the tree: names that say nothing, unfinished work, hosts and paths of one machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.shape import tree

# Nowhere in a name; and those that are fine inside one (data_key) but no name by themselves.
EMPTY_PARTS = frozenset(
    {"helper", "helpers", "util", "utils", "manager", "managers", "misc", "common", "handler", "handlers"}
)
EMPTY_NAMES = EMPTY_PARTS | {"base", "data", "process", "processes"}
EMPTY_CLASS = re.compile(r"^class \w*(Helper|Util|Utils|Manager|Misc|Common|Handler)\b", re.MULTILINE)

# Put together from pieces, so that this file passes its own tests.
UNFINISHED = re.compile(
    "|".join(
        [
            r"\bTO" + "DO\\b",
            r"\bFIX" + "ME\\b",
            r"\bXX" + "X\\b",
            "NotImplemented" + "Error",
            r"\bx" + "fail\\(",
            r"pytest\.(mark\.)?sk" + "ip",
            r"pytest\.importor" + "skip",
            "assert T" + "rue\\b",
        ]
    )
)
HOSTS = re.compile(
    "|".join(
        re.escape(".".join(labels))
        for labels in [
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "org"),
            ("npmjs", "com"),
            ("deb", "debian", "org"),
            ("proxy", "golang", "org"),
            ("registry", "yarnpkg", "com"),
        ]
    )
)
PATHS = re.compile(r"(?<![\w}$.~])/(work|farm|root|home/[a-z]\w*|Users|tmp/\w+)/")


def empty_name(path: Path) -> str | None:
    """The part of a path that says nothing, if there is one."""
    for part in path.parts:
        stem = part.split(".", 1)[0].lstrip("_").lower()
        if stem in EMPTY_NAMES or EMPTY_PARTS & set(re.split(r"[-_]", stem)):
            return part
    return None


def lines_with(pattern: re.Pattern[str], text: str) -> list[str]:
    """The lines in which a pattern occurs."""
    return [f"line {n}: {line.strip()[:100]}" for n, line in enumerate(text.split("\n"), 1) if pattern.search(line)]


def test_every_file_is_named_by_a_noun_that_says_something():
    assert {str(path): part for path in tree.files() if (part := empty_name(path))} == {}


@pytest.mark.parametrize("path", [p for p in tree.files() if p.suffix == ".py"], ids=str)
def test_every_class_is_named_by_what_it_is(path):
    assert EMPTY_CLASS.findall(tree.text(path)) == []


@pytest.mark.parametrize("path", [p for p in tree.files() if p.suffix in (".py", ".sh", ".js", ".ts")], ids=str)
def test_nothing_is_left_unfinished_or_unchecked(path):
    assert "web/static/vendor" in path.as_posix() or lines_with(UNFINISHED, tree.text(path)) == []


def test_no_file_names_a_package_registry_or_a_path_of_one_machine():
    found = {
        str(path): lines_with(HOSTS, tree.text(path)) + lines_with(PATHS, tree.text(path)) for path in tree.files()
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize("name", ["links/helpers.py", "storage/data.py", "web/base.html", "web/upload_handler.py"])
def test_names_that_say_nothing_are_found(name):
    assert empty_name(Path(name)) is not None


@pytest.mark.parametrize("name", ["crypto/data_key.py", "web/pages/database.py", "transfer/processing.py"])
def test_names_that_only_sound_alike_are_left_alone(name):
    assert empty_name(Path(name)) is None


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (UNFINISHED, "# TO" + "DO: later"),
        (UNFINISHED, "raise NotImplemented" + "Error"),
        (UNFINISHED, "@pytest.mark.sk" + "ipif(x)"),
        (UNFINISHED, "@pytest.mark.x" + "fail(strict=True)"),
        (UNFINISHED, "    assert T" + "rue"),
        (HOSTS, "https://files.python" + "hosted.org/packages/"),
        (HOSTS, "registry.npm" + "js.org"),
        (PATHS, "cd /wo" + "rk/main"),
        (PATHS, "open('/ro" + "ot/x')"),
        (PATHS, "see /tm" + "p/scratch/x"),
        (PATHS, "'/ho" + "me/anna/x'"),
        (EMPTY_CLASS, "class Link" + "Manager:"),
    ],
)
def test_forbidden_words_are_found(pattern, line):
    assert lines_with(pattern, line) != []


@pytest.mark.parametrize(
    "line", ["path = tmp_path / 'work/'", "GET /u/{token}/files", "$root/x", "${TMPDIR:-/tm" + "p}/bilaga", "a/work/b"]
)
def test_paths_of_the_project_are_left_alone(line):
    assert lines_with(PATHS, line) == []
