from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.vault import Nest, Vault


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These die at calls of the disk and in files of the embedded engines, and are mended at once by the next start,
    which is alone. What is killed on the big engines, where others may live on, is ``test_engines.py``."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.embedded("dies in the embedded engines, or brings engines of its own"))


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
