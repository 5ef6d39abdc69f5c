"""Where SQLite's files may be: on a local file system, closed to other accounts."""

from __future__ import annotations

import os
from pathlib import Path

from domain.errors import Misconfigured

# Kinds of mounts over a network: their locks or their shared memory do not hold what WAL needs of them (S-14).
_REMOTE = frozenset(
    {
        "afs",
        "ceph",
        "cifs",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "smb3",
        "smbfs",
    }
)
_MOUNTS = Path("/proc/self/mounts")
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700


def prepare(path: Path) -> None:
    """Make folder and file where they are missing, 0700 and 0600; SQLite gives its journal files the database's mode.

    Raises Misconfigured where that fails, or where the folder lies on a network's file system.
    """
    try:
        path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        _make_private(path)
        kind = file_system(path.parent.resolve(), _MOUNTS.read_text() if _MOUNTS.exists() else "")
    except OSError as error:
        raise Misconfigured(f"The database cannot be opened: {error.strerror}", field="database_url") from error
    if kind in _REMOTE:
        raise Misconfigured(
            f"SQLite needs a local file system, this one is {kind}; use PostgreSQL instead.", field="database_url"
        )


def _make_private(path: Path) -> None:
    # A database that is there is never opened here: closing any descriptor of it would drop the locks that SQLite holds
    # on it in this process (POSIX locks belong to process and file, not to a descriptor).
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_FILE))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(_PRIVATE_FILE)


def file_system(folder: Path, mounts: str) -> str | None:
    """The kind of file system a folder is on, from the text of ``/proc/self/mounts`` (proc(5)); None: it is silent."""
    kind: str | None = None
    longest = -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        # The last of equal mounts lies on top of the others.
        if folder.is_relative_to(point) and len(point.parts) >= longest:
            longest, kind = len(point.parts), fields[2]
    return kind
