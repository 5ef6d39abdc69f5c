"""The key ring whose master key stays in a key manager (S-33, S-37). Engines of the manager: ``aws_kms``, ``openbao``.

The manager wraps the generations' keys and the site's secrets; data keys are wrapped here, in memory, so that the
manager is asked a few times a minute and not for every file. What it wrapped rests in one small document beside the
data, changed by compare and set: any number of nodes may rotate, destroy and ask for secrets at the same time.

- A document is believed for ``FRESH`` seconds. So a node may wrap under a generation that another one retired a moment
  ago; nothing is lost by that, as a retired one still opens, and re-wrapping finds such keys by their number.
- A key-encryption key is kept opened for ``KEK_STALE`` seconds at the most, and a document for as long: after that no
  node opens anything with a generation that any of them destroyed, and none goes on without the manager.
- There is no other key to fall back on: no manager, no keys.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.context import Context
from crypto.data_key import DataKey
from crypto.hidden import Hidden
from crypto.key_documents import KeyDocuments
from crypto.key_managed_cache import FreshCache
from crypto.key_managed_document import PURPOSE, ManagedDocument, ManagedGeneration, ManagedState, is_sealed
from crypto.key_managed_founding import found, take_over
from crypto.key_ring import Generation, WrappedKey
from crypto.master_key import KeyContext, MasterKey, MasterRefused
from crypto.opened_keys import OpenedKeys
from crypto.patient_master import PatientMaster
from crypto.secret import Secret
from crypto.wrapping import check_installation, unwrap_key, wrap_key
from domain.clock import Clock
from domain.errors import KeysUnavailable, Misconfigured, Unavailable, WrongContext

log = logging.getLogger(__name__)

FRESH = 2.0
SETTLED = timedelta(minutes=2)
"""How long after its retirement a generation may be destroyed at the earliest. Every node has seen by then that it is
retired (a document is believed for a minute at most), and has committed what it wrapped under it before that."""
KEK_FRESH = 30.0
KEK_STALE = 60.0
KEKS = 64
PING_EVERY = 5.0
_ATTEMPTS = 50
_PAUSE = 0.05
_THE_DOCUMENT = 0


@final
class ManagedKeyRing:
    """Fulfils ``KeyRing`` and ``Portable``.

    Raises Misconfigured where there is no document, where it is not this manager's, or where the manager does not let
    us use its key; KeysUnavailable, naming it, where it does not answer. Changes (``rotate``, ``destroy``, a secret
    that is asked for the first time) must not be asked for inside a transaction of the place where the document is.
    """

    def __init__(
        self,
        master: MasterKey,
        documents: KeyDocuments,
        clock: Clock,
        *,
        fresh: float = FRESH,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._master = PatientMaster(master, sleep=sleep, monotonic=monotonic)
        self._documents = documents
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._views = FreshCache[ManagedDocument](fresh=fresh, stale=KEK_STALE, most=1, monotonic=monotonic)
        self._keks = FreshCache[AESGCM](fresh=KEK_FRESH, stale=KEK_STALE, most=KEKS, monotonic=monotonic)
        self._secrets: dict[str, Secret] = {}
        self._changing = threading.Lock()
        self._pinged = float("-inf")
        with _starting(master.name):
            self._master.ping()  # before anything is wrapped: a manager may make a key of that name on the way
            text = documents.load()
            if text is None:
                raise Misconfigured(
                    "KEYS_URL: the database holds no keys of this key manager, and it is not a new one.",
                    field="KEYS_URL",
                )
            document = ManagedDocument.parse(text)
            self._installation = document.installation
            self._seal = Secret(self._master.unwrap(None, document.seal_key, document.seal_context()))
            if not is_sealed(text, self._seal):
                raise ValueError("it was changed by hand")
            self._last = (text, document)
            self._views.put(_THE_DOCUMENT, document)
            self._keks.put(document.active.number, _cipher(self._open(document, document.active)))

    @classmethod
    def create(cls, master: MasterKey, documents: KeyDocuments, clock: Clock) -> ManagedKeyRing:
        """A new installation's ring; where another node made one at the same time, that one. Raises as the class."""
        with _starting(master.name):
            found(PatientMaster(master), documents, OpenedKeys.new(clock()))
        return cls(master, documents, clock)

    @classmethod
    def create_from(
        cls, master: MasterKey, documents: KeyDocuments, clock: Clock, document: OpenedKeys
    ) -> ManagedKeyRing:
        """The ring of an installation that leaves another one. Raises Misconfigured where there is a document."""
        with _starting(master.name):
            if not found(PatientMaster(master), documents, document):
                raise Misconfigured("KEYS_URL: the database holds keys already.", field="KEYS_URL")
        return cls(master, documents, clock)

    @classmethod
    def take_over(
        cls, master: MasterKey, documents: KeyDocuments, clock: Clock, document: OpenedKeys
    ) -> ManagedKeyRing:
        """As ``create_from``, also in place of an older document of the same installation: for one that comes back."""
        with _starting(master.name):
            if not take_over(PatientMaster(master), documents, document):
                raise Misconfigured("KEYS_URL: the database holds keys already.", field="KEYS_URL")
        return cls(master, documents, clock)

    @property
    def installation(self) -> str:
        return self._installation

    def wrap(self, key: DataKey, context: Context) -> WrappedKey:
        check_installation(context, self._installation)
        document = self._current()
        active = document.active
        return wrap_key(self._kek(document, active), active.number, key, context)

    def unwrap(self, wrapped: WrappedKey, context: Context) -> DataKey:
        check_installation(context, self._installation)
        document = self._current()
        if wrapped.generation > document.active.number:
            document = self._newest()  # another node has just rotated
        generation = document.openable(wrapped.generation)
        if generation is None:
            log.error("key generation unknown", extra={"generation": wrapped.generation})
            raise KeysUnavailable
        return unwrap_key(self._kek(document, generation), wrapped, context)

    def generations(self) -> list[Generation]:
        return [known.shown for known in self._newest().generations]

    def rotate(self, now: datetime) -> Generation:
        with _asking():
            reference = self._master.make({"installation": self._installation})
        kek = Hidden.generate()
        renewed: dict[bytes, bytes] = {}

        def change(document: ManagedDocument) -> ManagedDocument:
            if document.holds(reference):
                return document  # it was done, and nobody could tell us so
            number = document.active.number + 1
            context = document.generation_context(number)
            wrapped = self._master.wrap(None, self._master.wrap(reference, kek.reveal(), context), context)
            return self._renewed(document, renewed).rotated(now, reference, wrapped)

        try:
            after = self._change(change)
        except Exception:
            # Perhaps it stands in the document after all, so it must not be destroyed. If not, it opens nothing.
            log.error("generation perhaps not made", extra={"reference": reference})
            raise
        return next(known.shown for known in after.generations if known.reference == reference)

    def destroy(self, number: int) -> None:
        """First nobody opens anything with it any more, then its key in the manager goes, then that is written down:
        whatever ends in between, doing it again carries it through.

        Raises StateConflict also for one that was retired less than ``SETTLED`` ago.
        """
        document = self._change(lambda known: known.ending(number, self._clock() - SETTLED))
        self._keks.drop(number)
        generation = document.generations[number - 1]
        if generation.state is ManagedState.ENDING:
            with _asking():
                self._master.destroy(generation.reference)
            self._change(lambda known: known.destroyed(number))

    def secret(self, purpose: str) -> Secret:
        known = self._secrets.get(purpose)
        if known is not None:
            return known
        if not PURPOSE.fullmatch(purpose):
            raise ValueError("a purpose is lower case letters, digits and hyphens")
        document = self._current()
        if purpose not in document.secrets:
            document = self._with_secret(purpose)
        with _asking():
            opened = self._master.unwrap(None, document.secrets[purpose], document.secret_context(purpose))
            return self._secrets.setdefault(purpose, Secret(opened))

    def ping(self) -> None:
        document = self._current()
        if self._monotonic() - self._pinged >= PING_EVERY:
            with _asking():
                self._master.ping()
            self._pinged = self._monotonic()
        self._kek(document, document.active)

    def export_document(self) -> OpenedKeys:
        document = self._newest()
        with _asking():
            keks = {
                known.number: self._open(document, known)
                for known in document.generations
                if document.openable(known.number)
            }
            site_secrets = {
                purpose: Secret(self._master.unwrap(None, wrapped, document.secret_context(purpose)))
                for purpose, wrapped in document.secrets.items()
            }
        return OpenedKeys(
            document.installation,
            document.created_at,
            tuple(known.exported for known in document.generations),
            keks,
            site_secrets,
        )

    def _with_secret(self, purpose: str) -> ManagedDocument:
        made = Secret.generate()

        def change(document: ManagedDocument) -> ManagedDocument:
            if purpose in document.secrets:
                return document  # another node was first: that one it is
            wrapped = self._master.wrap(None, made.reveal(), document.secret_context(purpose))
            return replace(document, secrets={**document.secrets, purpose: wrapped})

        return self._change(change)

    def _renewed(self, document: ManagedDocument, done: dict[bytes, bytes]) -> ManagedDocument:
        """All that the master key itself wraps wrapped anew, so that its own earlier versions can be let go (S-35)."""

        def renew(wrapped: bytes, context: KeyContext) -> bytes:
            if wrapped not in done:
                done[wrapped] = self._master.wrap(None, self._master.unwrap(None, wrapped, context), context)
            return done[wrapped]

        return document.renewed(renew)

    def _kek(self, document: ManagedDocument, generation: ManagedGeneration) -> AESGCM:
        def fetch() -> AESGCM:
            with _asking():
                return _cipher(self._open(document, generation))

        return self._keks.get(generation.number, fetch)

    def _open(self, document: ManagedDocument, generation: ManagedGeneration) -> Hidden:
        context = document.generation_context(generation.number)
        inner = self._master.unwrap(None, generation.wrapped or b"", context)
        return Hidden(self._master.unwrap(generation.reference, inner, context))

    def _current(self) -> ManagedDocument:
        return self._views.get(_THE_DOCUMENT, self._load)

    def _newest(self) -> ManagedDocument:
        return self._views.renew(_THE_DOCUMENT, self._load)

    def _load(self) -> ManagedDocument:
        return self._loaded()[1]

    def _loaded(self) -> tuple[bytes, ManagedDocument]:
        try:
            text = self._documents.load()
        except Unavailable as failure:
            raise KeysUnavailable from failure
        last = self._last
        if text != last[0]:
            self._last = last = self._checked(text)
        return last

    def _checked(self, text: bytes | None) -> tuple[bytes, ManagedDocument]:
        try:
            if text is None:
                raise ValueError("it is gone")
            document = ManagedDocument.parse(text)
            if document.installation != self._installation or not is_sealed(text, self._seal):
                raise ValueError("it was changed by hand")
        except ValueError as failure:
            log.error("key document unusable", extra={"why": str(failure)})
            raise KeysUnavailable from failure
        return text, document

    def _change(self, change: Callable[[ManagedDocument], ManagedDocument]) -> ManagedDocument:
        """Replace the document by what ``change`` makes of it; asked again where another node was faster."""
        with self._changing, _asking():
            for _ in range(_ATTEMPTS):
                text, before = self._loaded()
                after = change(before)
                if after is before or self._replace(text, after.encode(self._seal)):
                    self._views.put(_THE_DOCUMENT, after)
                    return after
                self._sleep(random.uniform(0, _PAUSE))  # noqa: S311  jitter, no secret
        log.error("key document always changed by others")
        raise KeysUnavailable

    def _replace(self, old: bytes, new: bytes) -> bool:
        try:
            return self._documents.replace(old, new)
        except Unavailable as failure:
            raise KeysUnavailable from failure


def _cipher(kek: Hidden) -> AESGCM:
    return AESGCM(kek.reveal())


@contextmanager
def _asking() -> Iterator[None]:
    """While the site runs: whatever the manager says against it, the keys are not available (S-37)."""
    try:
        yield
    except MasterRefused as failure:
        log.error("key service refused", extra={"why": str(failure)})
        raise KeysUnavailable from failure
    except WrongContext as failure:
        # Our document was found whole, so the manager has another key under the same name now.
        log.error("key service opens nothing of ours")
        raise KeysUnavailable from failure


@contextmanager
def _starting(name: str) -> Iterator[None]:
    """At the start: one line that says what to mend."""
    try:
        yield
    except MasterRefused as failure:
        raise _misconfigured(name, str(failure)) from failure
    except WrongContext as failure:
        raise _misconfigured(name, "did not wrap the keys that the database holds") from failure
    except ValueError as failure:
        raise _misconfigured(name, f"has a document in the database that cannot be used: {failure}") from failure
    except KeysUnavailable as failure:
        raise KeysUnavailable(f"KEYS_URL: {name} does not answer.") from failure


def _misconfigured(name: str, what: str) -> Misconfigured:
    return Misconfigured(f"KEYS_URL: {name} {what}.", field="KEYS_URL")
