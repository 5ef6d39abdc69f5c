"""A file is one noun of 400 lines at the very most, and a port asks for eight methods at most."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.shape import tree

MOST_LINES = 400
MOST_METHODS = 8


def protocols(module: ast.Module) -> list[tuple[str, int]]:
    """Ports of a module, with how many methods and properties each has."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef) and any(
            ast.unparse(base).split("[")[0].endswith("Protocol") for base in node.bases
        ):
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            found.append((node.name, len(methods)))
    return found


@pytest.mark.parametrize("path", [p for p in tree.code() if "migrations" not in p.parts], ids=str)
def test_no_file_is_longer_than_a_noun_needs(path):
    assert tree.text(path).count("\n") <= MOST_LINES


def test_the_composition_root_stays_under_two_hundred_lines():
    assert tree.text(Path("server.py")).count("\n") < 200


@pytest.mark.parametrize("path", tree.code(), ids=str)
def test_no_port_asks_for_more_than_eight_methods(path):
    assert [port for port in protocols(tree.parsed(path)) if port[1] > MOST_METHODS] == []


def test_ports_are_found_and_counted():
    source = "class Store(Protocol[T]):\n" + "".join(f"    def m{n}(self): ...\n" for n in range(9))
    assert protocols(ast.parse(source)) == [("Store", 9)]
