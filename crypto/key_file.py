"""The key ring in a file (S-37): the default, for one machine. Engine: handed out by ``server.py`` alone.

The file is only ever replaced as a whole: written beside, fsync, rename, fsync of the folder. Readers and writers hold
``flock`` on the file itself, so a command may rotate beside a running service; the service sees the file's new
identity at its next use. A writer holds the new file's lock until the folder is synced: nobody wraps a data key under
a generation that a power cut could still take back.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.context import Context
from crypto.data_key import DataKey
from crypto.key_document import KeyDocument
from crypto.key_ring import Generation, WrappedKey
from crypto.opened_keys import OpenedKeys
from crypto.secret import Secret
from crypto.wrapping import check_installation, unwrap_key, wrap_key
from domain.errors import KeysUnavailable, Misconfigured, WrongContext

log = logging.getLogger(__name__)

_MAX_SIZE = 1 << 24


@dataclass(frozen=True, slots=True)
class _Opened:
    """The keys as one version of the file has them; ``identity`` tells versions apart."""

    identity: tuple[int, ...]
    installation: str
    generations: tuple[Generation, ...]
    keks: Mapping[int, AESGCM]
    secrets: Mapping[str, Secret]


@final
class FileKeyRing:
    """Fulfils ``KeyRing`` and ``Portable``.

    Raises Misconfigured where the file is missing, malformed, or open to group or world.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._lock = Lock()
        self._in_doubt = False
        try:
            with _locked(self._path, fcntl.LOCK_SH) as descriptor:
                self._opened = _open(descriptor)
        except FileNotFoundError as failure:
            raise _misconfigured(path, "is missing") from failure
        except OSError as failure:
            raise _misconfigured(path, f"cannot be read: {os.strerror(failure.errno or 0)}") from failure
        except ValueError as failure:
            raise _misconfigured(path, f"cannot be used: {failure}") from failure

    @classmethod
    def create(cls, path: Path, now: datetime) -> FileKeyRing:
        """A new installation's key file, durable before this returns. Raises Misconfigured where there is one."""
        return cls._create(path.resolve(), KeyDocument.new(now))

    @classmethod
    def create_from(cls, path: Path, document: OpenedKeys) -> FileKeyRing:
        """The key file of an installation that leaves another ring. Raises Misconfigured where there is a file."""
        return cls._create(path.resolve(), KeyDocument.of(document))

    @staticmethod
    def discard(path: Path) -> None:
        """Overwrite and remove a key file, if there is one, and what a process that died left beside it."""
        path = path.resolve()
        for found in (path, *path.parent.glob(_beside(path, "*").name)):
            _shred(found)
        _sync_folder(path)

    @classmethod
    def _create(cls, path: Path, document: KeyDocument) -> FileKeyRing:
        beside = _beside(path)
        try:
            try:
                descriptor = _write_new(beside, document.encode())
                os.close(descriptor)
                os.link(beside, path)  # and not rename: it never replaces a key file
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(beside)  # noqa: PTH108  # the system's own words, as below
            _sync_folder(path)
        except FileExistsError as failure:
            raise _misconfigured(path, "exists already") from failure
        except OSError as failure:
            raise _misconfigured(path, f"cannot be made: {os.strerror(failure.errno or 0)}") from failure
        return cls(path)

    @property
    def installation(self) -> str:
        return self._opened.installation

    def wrap(self, key: DataKey, context: Context) -> WrappedKey:
        opened = self._current()
        check_installation(context, opened.installation)
        number = opened.generations[-1].number
        return wrap_key(opened.keks[number], number, key, context)

    def unwrap(self, wrapped: WrappedKey, context: Context) -> DataKey:
        opened = self._current()
        check_installation(context, opened.installation)
        kek = opened.keks.get(wrapped.generation)
        if kek is None:
            log.error("key generation unknown", extra={"generation": wrapped.generation})
            raise KeysUnavailable
        return unwrap_key(kek, wrapped, context)

    def generations(self) -> list[Generation]:
        return list(self._current().generations)

    def rotate(self, now: datetime) -> Generation:
        return self._change(lambda document: document.rotated(now)).generations[-1]

    def destroy(self, number: int) -> None:
        self._change(lambda document: document.destroyed(number))

    def secret(self, purpose: str) -> Secret:
        known = self._current().secrets.get(purpose)
        return known or self._change(lambda document: document.with_secret(purpose)).secrets[purpose]

    def ping(self) -> None:
        self._current()

    def export_document(self) -> OpenedKeys:
        try:
            with _locked(self._path, fcntl.LOCK_SH) as descriptor:
                return _read(descriptor).opened()
        except (OSError, ValueError, WrongContext) as failure:
            raise KeysUnavailable from failure

    def _current(self) -> _Opened:
        """The keys as the file has them now: one stat where nothing changed."""
        if self._in_doubt:
            raise KeysUnavailable
        try:
            if _identity(os.stat(self._path)) == self._opened.identity:  # noqa: PTH116
                return self._opened
            with self._lock, _locked(self._path, fcntl.LOCK_SH) as descriptor:
                return self._take(_open(descriptor))
        except (OSError, ValueError) as failure:
            log.error("key file unusable", extra={"error": type(failure).__name__})
            raise KeysUnavailable from failure

    def _change(self, change: Callable[[KeyDocument], KeyDocument]) -> _Opened:
        """Replace the file by what ``change`` makes of it, durably, and take that over."""
        self._current()
        try:
            with self._lock, _locked(self._path, fcntl.LOCK_EX) as descriptor:
                try:
                    before = _read(descriptor)
                except ValueError as failure:
                    raise KeysUnavailable from failure
                after = change(before)
                if after is not before:
                    self._replace(descriptor, after.encode())
        except OSError as failure:
            log.error("key file not changed", extra={"error": type(failure).__name__, "errno": failure.errno})
            raise KeysUnavailable from failure
        return self._current()

    def _replace(self, old: int, text: bytes) -> None:
        for leftover in self._path.parent.glob(_beside(self._path, "*").name):
            _shred(leftover)  # of a process that died here: it holds keys that may be destroyed by now
        beside = _beside(self._path)
        new = _write_new(beside, text, like=os.fstat(old))
        try:
            try:
                os.rename(beside, self._path)  # noqa: PTH104
            except OSError:
                _shred(beside)
                raise
            try:
                _sync_folder(self._path)
            except OSError:
                self._in_doubt = True  # nobody knows which file a power cut would leave; never ask again (S-12)
                raise
        finally:
            os.close(new)
        _overwrite(old)

    def _take(self, opened: _Opened) -> _Opened:
        if opened.installation != self._opened.installation:
            raise ValueError("it belongs to another installation")
        self._opened = opened
        return opened


def _beside(path: Path, mark: str | None = None) -> Path:
    return path.with_name(f".{path.name}.{mark or secrets.token_hex(8)}.new")


@contextlib.contextmanager
def _locked(path: Path, kind: int) -> Iterator[int]:
    """A descriptor of the file under ``flock``, and of the one that has the name now, not of one just replaced."""
    while True:
        descriptor = os.open(path, (os.O_RDWR if kind == fcntl.LOCK_EX else os.O_RDONLY) | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, kind)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> KeyDocument:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a file")
    if found.st_mode & 0o077:
        raise ValueError("others than its owner have rights on it; set its mode to 0600")
    if found.st_size > _MAX_SIZE:
        raise ValueError("it is too large")
    return KeyDocument.parse(os.pread(descriptor, _MAX_SIZE, 0))


def _open(descriptor: int) -> _Opened:
    document = _read(descriptor)
    try:
        keks, site_secrets = document.open_keks(), document.open_secrets()
    except WrongContext as failure:
        raise ValueError("it was changed by hand") from failure
    return _Opened(_identity(os.fstat(descriptor)), document.installation, document.generations, keks, site_secrets)


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _write_new(path: Path, text: bytes, like: os.stat_result | None = None) -> int:
    """A new file, only the owner's, synced and locked; its descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.fchmod(descriptor, 0o600)
        if like is not None and (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, like.st_uid, like.st_gid)  # root's command must leave it the service's
        written = 0
        while written < len(text):
            written += os.write(descriptor, text[written:])
        os.fsync(descriptor)
    except BaseException:
        os.close(descriptor)
        _shred(path)
        raise
    return descriptor


def _shred(path: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _overwrite(descriptor)
        finally:
            os.close(descriptor)
    path.unlink(missing_ok=True)


def _overwrite(descriptor: int) -> None:
    """Zeros over a file that is no longer wanted: the best that can be done where the file system writes in place."""
    try:
        os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
        os.fsync(descriptor)
    except OSError as failure:
        log.warning("old key file not overwritten", extra={"errno": failure.errno})


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _misconfigured(path: Path, what: str) -> Misconfigured:
    return Misconfigured(f"The key file {path} {what}.", field="KEYS_URL")
