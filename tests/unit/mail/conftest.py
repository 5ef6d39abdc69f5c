from __future__ import annotations

import pytest

from tests.transfers import TransferSite


@pytest.fixture
def site(tmp_path):
    site = TransferSite(tmp_path)
    yield site
    site.close()
