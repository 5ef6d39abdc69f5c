"""The site that the retention tests stand on."""

from __future__ import annotations

import pytest

from tests.small_site import PurgeSite


@pytest.fixture
def site(tmp_path):
    site = PurgeSite(tmp_path)
    yield site
    site.close()
