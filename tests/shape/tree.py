"""The tree as the shape tests see it: what git tracks or would track, parsed once."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FLOORS: tuple[str, ...] = tuple(PYPROJECT["tool"]["importlinter"]["root_packages"])
BELOW_WEB = tuple(floor for floor in FLOORS if floor not in ("web", "cli"))
TOP = tuple(sorted(path.stem for path in ROOT.glob("*.py")))


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project, relative to its root; what git ignores is no part of it."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = sorted({Path(name) for name in listing.split("\0") if name})
    return tuple(name for name in names if (ROOT / name).is_file())


@cache
def text(path: Path) -> str:
    """A file's text; bytes that are no UTF-8 do not matter here."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def code() -> list[Path]:
    """The Python files that make the service: the floors and the three modules at the top."""
    return [path for path in files() if path.suffix == ".py" and top_of(path) in FLOORS + TOP]


def top_of(path: Path) -> str:
    """The floor, or the top module, that a file belongs to."""
    return path.parts[0] if len(path.parts) > 1 else path.stem


def module_of(path: Path) -> str:
    """The dotted name under which a file is imported."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> frozenset[str]:
    """The dotted names of all of the service's modules and folders."""
    return frozenset(module_of(path) for path in code())


@cache
def parsed(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(text(path), filename=str(path))


def imports(path: Path) -> list[tuple[int, str]]:
    """What a file imports, as (line, module): ``from storage import check`` counts as ``storage.check``."""
    return imports_of(parsed(path))


def imports_of(tree: ast.Module) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are refused by the linter"
            assert node.module
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                inner = deeper in modules() and alias.name not in shown(node.module)
                found.append((node.lineno, deeper if inner else node.module))
    return found


@cache
def shown(module: str) -> frozenset[str]:
    """What a folder's face lists in ``__all__``: a function there may bear its module's name."""
    path = Path(*module.split("."), "__init__.py")
    if path not in files():
        return frozenset()
    lists = [
        node.value for node in parsed(path).body if isinstance(node, ast.Assign) and "__all__" in ast.unparse(node)
    ]
    return frozenset(name for value in lists for name in ast.literal_eval(value))


def contract(name: str) -> dict[str, Any]:
    """One of import-linter's contracts, by its name."""
    return next(c for c in PYPROJECT["tool"]["importlinter"]["contracts"] if c["name"] == name)
