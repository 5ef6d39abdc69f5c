from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from storage.records.sqlite import DATABASE
from storage.records.upgrade import upgrade
from tests.moving import embedded, fill


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moved") / "a"
    fill(embedded(folder))
    return folder


@pytest.fixture
def here(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "a")
    return tmp_path / "a"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database: making its schema takes longer than a test."""
    path = tmp_path_factory.mktemp("migrated") / DATABASE
    upgrade(path)
    return path


@pytest.fixture
def there(migrated: Path, tmp_path: Path) -> Path:
    """Where to: nothing but a database without rows."""
    (tmp_path / "b").mkdir(mode=0o700)
    shutil.copy(migrated, tmp_path / "b" / DATABASE)
    return tmp_path / "b"
