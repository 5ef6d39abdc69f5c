"""The pages' scripts: what is committed is what the sources make, it is sound, and it weighs little."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from tests.npm import ROOT, UI, installed, run
from web.pages import Languages
from web.pages.script import script_words

STATIC = ROOT / "web/pages/static"
BUILT = ["local-times.js", "upload.js"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("npm"))


def test_the_scripts_are_what_their_sources_make_byte_for_byte(sources: Path, tmp_path: Path) -> None:
    run(sources, "node", "build.mjs", str(tmp_path))
    assert sorted(file.name for file in tmp_path.iterdir()) == BUILT
    for name in BUILT:
        assert (tmp_path / name).read_bytes() == (STATIC / name).read_bytes(), f"{name} is old: make ui"


def test_the_sources_are_sound(sources: Path) -> None:
    run(sources, "npx", "--no-install", "tsc", "--noEmit", "-p", ".")


def test_one_package_of_others_is_in_them_and_it_is_named_where_licences_are() -> None:
    package = json.loads((UI / "package.json").read_text())
    assert list(package["dependencies"]) == ["tus-js-client"]
    assert f"tus-js-client {package['dependencies']['tus-js-client']}" in (ROOT / "NOTICE").read_text()


def test_the_lock_names_no_host_and_every_package_has_its_digest() -> None:
    lock = json.loads((UI / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert [name for name, entry in packages.items() if "resolved" in entry or "integrity" not in entry] == []


@pytest.mark.parametrize(("name", "most"), [("upload.js", 22_000), ("local-times.js", 1_000), ("bilaga.css", 8_000)])
def test_scripts_and_styles_weigh_little(name: str, most: int) -> None:
    assert len(gzip.compress((STATIC / name).read_bytes())) <= most


def test_no_script_writes_markup_or_runs_text() -> None:
    for name in BUILT:
        assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", text(name)) == []


def test_every_word_that_the_script_asks_for_is_there_and_none_besides() -> None:
    source = "".join(file.read_text() for file in sorted((UI / "source").glob("*.ts")))
    given = set(script_words(next(iter(Languages("en")))))
    quoted = set(re.findall(r'"([a-z-]+)"', source))
    asked = set(re.findall(r'say\("([a-z-]+)"', source))
    assert asked - given == set()
    assert given - quoted == set()


def text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
