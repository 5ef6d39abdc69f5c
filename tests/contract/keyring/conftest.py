"""Every engine of the key ring. To try another one, add it to ``ENGINES`` and to ``place_of``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crypto import Context
from tests.contract.keyring.places import FilePlace, MemoryPlace, Place

ENGINES = ["memory", "file"]

PlaceOf = Callable[[str], Place]


@pytest.fixture
def place_of(tmp_path_factory) -> PlaceOf:
    """A new place of an engine, by its name."""

    def made(engine: str) -> Place:
        folder: Path = tmp_path_factory.mktemp("keys")
        match engine:
            case "memory":
                return MemoryPlace()
            case "file":
                return FilePlace(folder / "key")
        raise AssertionError(engine)

    return made


@pytest.fixture(params=ENGINES)
def place(request, place_of) -> Place:
    return place_of(request.param)


@pytest.fixture
def ring(place):
    return place.create()


@pytest.fixture
def context(ring):
    return Context(ring.installation, "owner", "attachment")
