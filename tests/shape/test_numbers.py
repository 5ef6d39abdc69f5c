"""Numbers in documents equal the code's: ``<!-- code: crypto.SEGMENT_SIZE -->1048576`` names where a number comes from.

Thousands may be set off by commas, thin spaces or underscores; bytes may be told in KiB, MiB, GiB and TiB; a timedelta
in seconds, minutes, hours or days.
"""

from __future__ import annotations

import importlib
import re
from datetime import timedelta

import pytest

from tests.shape import tree

MARK = re.compile(r"<!-- code: (?P<name>[\w.]+) -->[`*]*(?P<said>\d[\d,_.\u2009]*(?: ?[A-Za-z]+)?|`[^`]*`|\w+)")
BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
TIMES = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def value(name: str) -> object:
    """What a dotted name stands for: a module's name, then attributes."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return getattr(value(module), attribute)


def agrees(said: str, real: object) -> bool:
    """Whether a document says what the code says."""
    match = re.match(r"(\d[\d,_.\u2009]*?)[.,]? ?([A-Za-z]+)?[.,]?$", said)
    if match is None or isinstance(real, str | bool):
        return said.strip("`") == str(real)
    digits, unit = re.sub(r"[,_\u2009]", "", match[1]), match[2] or ""
    number = float(digits)
    if isinstance(real, timedelta):
        return number * TIMES.get(unit.removesuffix("s"), 0) == real.total_seconds()
    return number * BYTES.get(unit, 1) == real


def wrong(text: str) -> list[str]:
    """The marked numbers of a document that are not the code's."""
    assert text.count("<!-- code:") == len(MARK.findall(text)), "a mark has no number behind it"
    return [
        f"{m['name']} is {value(m['name'])}, not {m['said']}"
        for m in MARK.finditer(text)
        if not agrees(m["said"], value(m["name"]))
    ]


@pytest.mark.parametrize("path", [p for p in tree.files() if p.suffix == ".md"], ids=str)
def test_documents_say_the_same_numbers_as_the_code(path):
    assert wrong(tree.text(path)) == []


@pytest.mark.parametrize("said", ["1048576", "1,048,576", "1 MiB", "1024 KiB,", "**1 MiB**"])
def test_a_true_number_is_accepted_however_it_is_written(said):
    assert wrong(f"segments of <!-- code: crypto.SEGMENT_SIZE -->{said} each") == []


@pytest.mark.parametrize("said", ["1048577", "2 MiB", "1 GiB"])
def test_a_wrong_number_is_noticed(said):
    assert wrong(f"segments of <!-- code: crypto.SEGMENT_SIZE -->{said} each") != []


def test_times_are_compared_whatever_their_unit():
    assert agrees("2 days", timedelta(days=2))
    assert agrees("48 hours", timedelta(days=2))
    assert not agrees("3 days", timedelta(days=2))
