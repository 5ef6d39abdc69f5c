"""Every engine of the key ring. To try another one, add it to ``ENGINES`` and to ``place_of``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crypto import Context
from crypto.aws_kms import AwsKms
from crypto.openbao import Openbao
from tests.contract.keyring.masters import new_moto, new_transit
from tests.contract.keyring.places import FilePlace, ManagedPlace, MemoryPlace, Place

ENGINES = ["memory", "file", "aws-kms", "openbao"]

PlaceOf = Callable[[str], Place]


@pytest.fixture(scope="session")
def aws_kms() -> AwsKms:
    """One for all rings: making a client takes long, and under one master key any number of sites are strangers."""
    return AwsKms(new_moto().url)


@pytest.fixture
def place_of(request, tmp_path_factory) -> PlaceOf:
    """A new place of an engine, by its name."""

    def made(engine: str) -> Place:
        folder: Path = tmp_path_factory.mktemp("keys")
        match engine:
            case "memory":
                return MemoryPlace()
            case "file":
                return FilePlace(folder / "key")
            case "aws-kms":
                manager = request.getfixturevalue("aws_kms")
                return ManagedPlace(lambda: manager)
            case "openbao":
                transit = new_transit()
                return ManagedPlace(lambda: Openbao(transit.url, transit.token))
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
