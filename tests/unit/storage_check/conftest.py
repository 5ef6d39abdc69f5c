from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.storage_check.installation import Installation


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose schema is made: that takes longer than a test."""
    folder = tmp_path_factory.mktemp("check") / "site"
    Installation(folder).records.close()
    return folder


@pytest.fixture
def site(migrated: Path, tmp_path: Path) -> Iterator[Installation]:
    shutil.copytree(migrated, tmp_path / "site")
    made = Installation(tmp_path / "site", begin=False)
    yield made
    made.records.close()
