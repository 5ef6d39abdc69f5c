"""A new file is whole under its name or not there, and takes nobody's place."""

from __future__ import annotations

import stat
from functools import partial

import pytest

from cli.new_file import new_file
from domain.errors import BadInput


@pytest.fixture(params=[True, False], ids=["nameless", "named"])
def opened(request):
    """Also as on a file system that knows no files without a name."""
    return partial(new_file, nameless=request.param)


def test_it_is_there_with_the_end_and_not_before_and_its_owners_alone(tmp_path, opened):
    path = tmp_path / "a.zip"
    with opened(path) as stream:
        stream.write(b"whole")
        stream.flush()
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["a.zip"]


def test_nothing_is_left_of_one_that_failed(tmp_path, opened):
    def fail():
        with opened(tmp_path / "a.zip") as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_is_there_stays_as_it_is(tmp_path, opened, when):
    path = tmp_path / "a.zip"

    def put():
        path.write_bytes(b"another's")

    def make():
        with opened(path) as stream:
            stream.write(b"ours")
            if when == "meanwhile":
                put()

    if when == "before":
        put()
    with pytest.raises(BadInput) as caught:
        make()
    assert caught.value.field == "to"
    assert path.read_bytes() == b"another's"
    assert [one.name for one in tmp_path.iterdir()] == ["a.zip"]


def test_a_dangling_link_is_not_followed(tmp_path, opened):
    (tmp_path / "a.zip").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput), opened(tmp_path / "a.zip"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path, opened):
    with pytest.raises(BadInput, match=r"a\.zip"), opened(tmp_path / "none" / "a.zip"):
        pass
