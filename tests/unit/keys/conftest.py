"""The site that the tests of keys stand on."""

from __future__ import annotations

import pytest

from tests.small_site import SmallSite


@pytest.fixture
def site(tmp_path):
    site = SmallSite(tmp_path)
    yield site
    site.close()
