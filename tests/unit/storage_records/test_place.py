from __future__ import annotations

import stat
from pathlib import Path

import pytest

from domain.errors import Misconfigured
from storage.records.place import file_system, prepare

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /srv/nfs nfs4 rw 0 0
/dev/vdb /srv/nfs/local xfs rw 0 0
server:/a /with\\040space nfs rw 0 0
tmpfs /twice tmpfs rw 0 0
//host/share /twice cifs rw 0 0
broken
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/srv/nfs", "nfs4"),
        ("/srv/nfs/site", "nfs4"),
        ("/srv/nfsx", "ext4"),
        ("/srv/nfs/local/site", "xfs"),
        ("/with space/site", "nfs"),
        ("/twice", "cifs"),
    ],
)
def test_the_nearest_and_topmost_mount_says_what_a_folder_is_on(folder, kind):
    assert file_system(Path(folder), MOUNTS) == kind


def test_without_a_list_of_mounts_nothing_is_known():
    assert file_system(Path("/var"), "") is None


def test_folder_and_file_are_made_for_the_owner_alone(tmp_path):
    path = tmp_path / "a" / "b" / "records.sqlite"
    prepare(path)
    assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (0o600, 0o700, 0o777 & mode(tmp_path / "a"))


def test_a_file_that_others_could_read_is_closed_to_them_and_kept(tmp_path):
    path = tmp_path / "records.sqlite"
    path.write_bytes(b"what is there")
    path.chmod(0o644)
    prepare(path)
    assert mode(path) == 0o600
    assert path.read_bytes() == b"what is there"


def test_a_place_that_cannot_be_is_a_wrong_setting(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured) as raised:
        prepare(tmp_path / "file" / "records.sqlite")
    assert raised.value.field == "database_url"
