"""Every error has its place: defined in ``domain.errors``, a row in both tables, a sentence for a person."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from cli.exits import EXITS
from domain import errors
from tests.shape import tree
from web.problems import PROBLEMS


def leaves(kind: type[errors.BilagaError]) -> list[type[errors.BilagaError]]:
    """The errors that are raised: those that nothing is derived from, and those that have a code of their own."""
    below = [leaf for sub in kind.__subclasses__() for leaf in leaves(sub)]
    return below if below and "code" not in vars(kind) else [*below, kind]


LEAVES = sorted(set(leaves(errors.BilagaError)) - {errors.BilagaError}, key=lambda kind: kind.__name__)


def covered(kind: type[errors.BilagaError], table: Collection[type]) -> bool:
    """Whether a table has a row for an error or for one of its families; a row for all errors is none."""
    families = [family for family in kind.__mro__ if issubclass(family, errors.BilagaError)]
    return any(family in table for family in families if family is not errors.BilagaError)


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_every_error_has_a_row_in_both_tables(kind):
    assert covered(kind, PROBLEMS), "web/problems.py"
    assert covered(kind, EXITS), "cli/exits.py"


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_every_error_is_a_sentence_for_a_person(kind):
    first = (kind.__doc__ or "").split("\n", 1)[0]
    assert first.endswith("."), first
    assert first[0].isupper()


def test_no_error_is_defined_outside_the_one_module():
    known = {name for name in vars(errors) if not name.startswith("_")}
    for path in tree.code():
        if path != Path("domain/errors.py"):
            bases = [line for line in tree.text(path).split("\n") if line.startswith("class ") and "(" in line]
            derived = [line for line in bases if known & set(line.split("(", 1)[1].rstrip("):").split(", "))]
            assert derived == [], path


def test_the_tables_name_errors_of_the_one_module_alone():
    for table in (PROBLEMS, EXITS):
        assert [kind for kind in table if kind.__module__ != errors.__name__] == []


def test_an_error_without_a_row_is_noticed():
    assert not covered(errors.LinkExpired, {errors.BilagaError})
    assert covered(errors.LinkExpired, {errors.Gone})
    assert {errors.Gone, errors.LinkExpired, errors.StateConflict, errors.UnderHold} <= set(LEAVES)
