"""What import-linter can't hold: faces, the ground floor, where async may be, who reads clock and environment."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.shape import tree

FLOORS = "floors: arrows go down, siblings do not meet"
ENGINES = frozenset(tree.contract("engines.py and cli alone know the engines")["protected_modules"])
# A folder's face is its __init__.py. Storage has two rooms with a face each.
FACES = frozenset({*tree.FLOORS, "storage.blobs", "storage.records"})
KINDS = frozenset(tree.contract("desks.py alone knows the kinds of ticket systems")["protected_modules"])
WIRING = ENGINES | KINDS | frozenset(tree.contract("engines.py and cli alone open a site")["protected_modules"])
WIRES = {"desks", "engines", "server", "service", "cli"}


def strays(top: str, imports: Iterable[tuple[int, str]]) -> list[str]:
    """Imports that reach past another folder's face."""
    found = []
    for line, target in imports:
        other = target.split(".", 1)[0]
        if other not in tree.FLOORS or other in (top, "domain") or target in FACES:
            continue
        if top in WIRES and (target in WIRING or target.rpartition(".")[0] in WIRING):
            continue
        found.append(f"line {line}: {target}")
    return found


def foreign(imports: Iterable[tuple[int, str]]) -> list[str]:
    """Imports that are neither the standard library's nor the project's."""
    own = {*tree.FLOORS, *tree.TOP, "__future__"}
    names = [(line, target.split(".", 1)[0]) for line, target in imports]
    return [f"line {line}: {name}" for line, name in names if name not in own and name not in sys.stdlib_module_names]


def asynchronous(module: ast.Module) -> list[str]:
    """Where a module awaits, or imports asyncio."""
    found = [
        f"line {node.lineno}"
        for node in ast.walk(module)
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await)
    ]
    return found + [f"line {line}" for line, name in tree.imports_of(module) if name.split(".")[0] == "asyncio"]


def reads(module: ast.Module, names: frozenset[str]) -> list[str]:
    """Where a module uses one of the dotted names."""
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in names
    ]


CLOCKS = frozenset(
    {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "datetime.datetime.now"}
)
ENVIRONMENT = frozenset({"os.environ", "os.getenv", "os.environb"})


def in_floors(*floors: str) -> list[Path]:
    return [path for path in tree.code() if tree.top_of(path) in floors]


@pytest.mark.parametrize("path", tree.code(), ids=str)
def test_other_folders_are_imported_by_their_faces(path):
    assert strays(tree.top_of(path), tree.imports(path)) == []


def test_every_folder_of_code_is_known_to_every_tool():
    folders = {path.parts[0] for path in tree.files() if path.parts[1:] == ("__init__.py",)}
    assert set(tree.FLOORS) == folders
    assert set(tree.contract("the top modules are cli's alone")["forbidden_modules"]) == set(tree.TOP)
    shipped = set(tree.PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["include"])
    assert shipped == {*(f"/{folder}" for folder in folders), "/*.py"}
    layers = {name for layer in tree.contract(FLOORS)["layers"] for name in layer.split(" | ")}
    assert layers == folders


def test_every_engine_of_the_contract_is_there():
    assert sorted(WIRING - tree.modules()) == []


def test_every_engine_is_held_to_the_contract_of_its_port():
    # What stands in for a ticket system names the connector that the suite of all of them makes for it.
    places = {("tests", "contract"), ("tests", "desks")}
    suites = [path for path in tree.files() if path.parts[:2] in places and path.suffix == ".py"]
    tried = {
        name for path in suites for _, target in tree.imports(path) for name in (target, target.rpartition(".")[0])
    }
    assert sorted((ENGINES | KINDS) - tried) == []


def test_a_face_does_not_import_its_engines():
    for path in tree.code():
        if path.name == "__init__.py":
            assert {target for _, target in tree.imports(path)} & WIRING == set(), path


@pytest.mark.parametrize("top", tree.TOP)
def test_the_modules_at_the_top_import_no_command(top):
    assert [name for _, name in tree.imports(Path(f"{top}.py")) if name.split(".")[0] == "cli"] == []


@pytest.mark.parametrize("top", sorted({*tree.TOP} - {"settings"}))
def test_the_modules_at_the_top_leave_other_packages_to_the_floors(top):
    assert foreign(tree.imports(Path(f"{top}.py"))) == []


@pytest.mark.parametrize("path", in_floors("domain"), ids=str)
def test_the_ground_floor_imports_the_standard_library_alone(path):
    assert foreign(tree.imports(path)) == []
    assert {name.split(".")[0] for _, name in tree.imports(path)} & {*tree.FLOORS, *tree.TOP} <= {"domain"}


@pytest.mark.parametrize("path", in_floors(*tree.BELOW_WEB), ids=str)
def test_nothing_below_web_is_asynchronous_but_the_pump_and_nothing_of_mail_but_its_door(path):
    assert path in {Path("transfer/pump.py"), Path("mail/door.py")} or asynchronous(tree.parsed(path)) == []


@pytest.mark.parametrize("path", in_floors(*tree.BELOW_WEB), ids=str)
def test_the_core_is_handed_its_clock(path):
    assert path == Path("domain/clock.py") or reads(tree.parsed(path), CLOCKS) == []


@pytest.mark.parametrize("path", in_floors(*tree.BELOW_WEB, "web"), ids=str)
def test_settings_alone_reads_the_environment(path):
    assert reads(tree.parsed(path), ENVIRONMENT) == []


def sample(source: str) -> ast.Module:
    return ast.parse(source)


def test_the_checks_themselves_find_what_they_look_for():
    assert strays("links", tree.imports_of(sample("from storage.records.ports.links import Links"))) != []
    assert strays("links", tree.imports_of(sample("from storage.blobs.file import FileBlobs"))) != []
    assert strays("server", tree.imports_of(sample("from crypto.format import SEGMENT_SIZE"))) != []
    assert strays("links", tree.imports_of(sample("from storage.records import Unit"))) == []
    assert foreign(tree.imports_of(sample("import pydantic"))) == ["line 1: pydantic"]
    assert asynchronous(sample("import asyncio")) != []
    assert asynchronous(sample("async def f(): pass")) != []
    assert reads(sample("from datetime import datetime\nx = datetime.now(UTC)"), CLOCKS) != []
    assert reads(sample("import os\nx = os.environ['A']"), ENVIRONMENT) != []
