from __future__ import annotations

import pytest

from tests.transfers import TransferSite


@pytest.fixture
def site(tmp_path):
    site = TransferSite(tmp_path)
    yield site
    site.close()


@pytest.fixture
def make_site(tmp_path):
    """A site with parts of its own: ``make_site(limits=…)``."""
    made: list[TransferSite] = []

    def make(**parts):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(TransferSite(folder, **parts))
        return made[-1]

    yield make
    for one in made:
        one.close()
