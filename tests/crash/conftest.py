from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.vault import Nest, Vault


@pytest.fixture(scope="session")
def nest() -> Iterator[Nest]:
    made = Nest()
    yield made
    made.close()


@pytest.fixture
def vault(tmp_path: Path, nest: Nest) -> Iterator[Vault]:
    made = Vault(tmp_path, nest)
    yield made
    made.close()
