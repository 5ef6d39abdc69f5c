"""Documents keep up with the code: every command, option, setting, event and file they name is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from cli import main
from settings import Settings
from storage.finding import FindingKind
from tests.shape import tree
from web.problems import TITLES

DOCUMENTS = [path for path in tree.files() if path.suffix == ".md" and not path.is_relative_to("tests")]
SAMPLES = [path for path in tree.files() if path.is_relative_to("deploy")]
UNITS = [path for path in SAMPLES if path.suffix == ".service"]
OPERATIONS = tree.text(Path("docs/operations.md"))
SOURCES = "\n".join(tree.text(path) for path in tree.files() if path.suffix == ".py" and path.parts[0] != "tests")
CODE = re.compile(r"```.*?```|^    .*?$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"\bbilaga (?=[a-z-])(?P<rest>[^\n`|;&()<>#…\\]*)")
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)")


def commands(text: str) -> Iterator[list[str]]:
    """The words behind each ``bilaga`` in code; ``text`` is code."""
    for match in COMMAND.finditer(re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", "TEXT", text)):
        yield match["rest"].split()


def wrong(words: list[str]) -> str | None:
    """What of a command there is not."""
    command: click.Command = main
    context = click.Context(command)
    known = options(command, context)
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word.startswith("-") and word != "-":  # that one is stdin
            name = word.split("=")[0]
            if name not in known:
                return f"{command.name} has no {name}"
            if known[name] and "=" not in word and waiting:
                waiting.pop(0)
        elif isinstance(command, click.Group):
            found = command.get_command(context, word)
            if found is None:
                return None if word.isupper() else f"{command.name} has no {word}"
            command = found
            known |= options(command, context)
    return None


def options(command: click.Command, context: click.Context) -> dict[str, bool]:
    """Option names of a command, and whether they take a value."""
    params = [one for one in command.get_params(context) if isinstance(one, click.Option)]
    return {name: not one.is_flag for one in params for name in (*one.opts, *one.secondary_opts)}


def names(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Settings as the environment spells them, without ``BILAGA_``."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from names(kind, f"{above}{name}__")
        else:
            yield f"{above}{name}".upper()


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_every_command_in_a_document_exists(path: Path) -> None:
    code = "\n".join(CODE.findall(tree.text(path)))
    assert [said for words in commands(code) if (said := wrong(words))] == []


@pytest.mark.parametrize("path", UNITS, ids=str)
def test_every_command_in_a_unit_exists(path: Path) -> None:
    assert [said for words in commands(tree.text(path)) if (said := wrong(words))] == []


@pytest.mark.parametrize("path", [*DOCUMENTS, *SAMPLES], ids=str)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    said = {name.removesuffix("_FILE") for name in re.findall(r"\bBILAGA_([A-Z][A-Z_]+[A-Z])\b", tree.text(path))}
    assert said - {*names(Settings), "NAME", "X"} == set()


def test_the_table_of_settings_has_all_of_them_with_their_defaults() -> None:
    table = OPERATIONS.split("<!-- settings -->")[1].split("<!-- settings end -->")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE))
    assert sorted(rows) == sorted(names(Settings))
    effective = Settings()
    for name, said in rows.items():
        value: object = effective
        for part in name.lower().split("__"):
            value = getattr(value, part)
        if value is None or value in ((), frozenset(), {}):
            assert "`" not in said.split("`DATA_DIR`")[0], f"{name} has no default"
        else:
            given = said.replace("`", "").strip()
            section = name.lower().split("__")
            nested: dict[str, object] = {section[-1]: given.replace(", ", ",")}
            for part in reversed(section[:-1]):
                nested = {part: nested}
            again: object = Settings.model_validate(nested)
            for part in section:
                again = getattr(again, part)
            assert again == value, name


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_every_file_that_is_linked_exists(path: Path) -> None:
    missing = [to for to in LINK.findall(tree.text(path)) if not (tree.ROOT / path.parent / to).exists()]
    assert missing == []


def test_the_manual_names_what_there_is_to_alert_on_and_look_up() -> None:
    watching = OPERATIONS.split("## Watching it")[1].split("## Disk full")[0]
    events = [
        event
        for row in re.findall(r"^\| (`[^|]+`) \| [^|]+\|$", watching.split("alert on these events")[1], re.MULTILINE)
        for event in re.findall(r"`([^`]+)`", row)
    ]
    assert len(events) > 15
    assert [event for event in events if f'"{event}"' not in SOURCES] == []
    metrics = re.findall(r"`(bilaga_\w+)", watching)
    assert [one for one in metrics if f'"{one.removesuffix("_total")}"' not in SOURCES] == []
    looked_up = re.findall(r"^\| (`[^|]+) \|", OPERATIONS.split("## When")[1], re.MULTILINE)
    problems = re.findall(r"`([a-z-]+)`", "".join(looked_up))
    assert len(problems) > 15
    assert set(problems) - set(TITLES) == set()
    findings = re.findall(r"`([a-z]+-[a-z]+)`", OPERATIONS.split("## fsck")[1].split("## Malware")[0])
    assert set(findings) - set(FindingKind) == set()


def test_the_readme_is_short_and_shows_the_product() -> None:
    readme = tree.text(Path("README.md"))
    assert len(readme.splitlines()) <= 200
    assert "docs/images/upload.png" in readme


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("bilaga sing --role agent", "main has no sing"),
        ("bilaga signin --rolle agent", "signin has no --rolle"),
        ("bilaga link uploads REF", "link has no uploads"),
        ("bilaga --config FILE purge --confirm 7 --dry", "purge has no --dry"),
        ("bilaga hold place REF --reason 'a b' --organisation ORG", None),
        ("bilaga keys list | rotate | rewrap | destroy 1", None),
        ('$(bilaga link upload SUP-17 --max-files 5 --note "Please.")', None),
    ],
)
def test_a_wrong_command_would_be_found(line: str, what: str | None) -> None:
    (words,) = commands(line)
    assert wrong(words) == what
