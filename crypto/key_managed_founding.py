"""The first document of a managed ring: of a new installation, or of one that leaves another ring."""

from __future__ import annotations

import logging
from dataclasses import replace

from crypto.key_documents import KeyDocuments
from crypto.key_managed_document import ManagedDocument, ManagedGeneration, ManagedState, is_sealed
from crypto.key_ring import Generation
from crypto.master_key import MasterKey
from crypto.opened_keys import OpenedKeys
from crypto.secret import Secret

log = logging.getLogger(__name__)

_NO_KEY = "-"
"""The reference of a generation that was destroyed before it came here."""


def found(master: MasterKey, documents: KeyDocuments, opened: OpenedKeys) -> bool:
    """Wrap the keys and write the document, durably; False where there is one already.

    Raises Unavailable, MasterRefused. Keys that it made in the manager and that came to nothing open nothing.
    """
    if documents.load() is not None:
        return False
    master.ping()  # before anything is wrapped: a manager may make a key of that name on the way
    seal = Secret.generate()
    document = _wrapped(master, opened, seal)
    if documents.replace(None, document.encode(seal)):
        return True
    winner = documents.load()
    if winner is not None and ManagedDocument.parse(winner).holds(document.active.reference):
        return True  # ours, and nobody could tell us so
    for generation in document.generations:
        if generation.wrapped is not None:
            log.info("another node made the keys", extra={"reference": generation.reference})
            master.destroy(generation.reference)
    return False


def take_over(master: MasterKey, documents: KeyDocuments, opened: OpenedKeys) -> bool:
    """As ``found``, also in place of an older document of the same installation, which was left and is come back to.
    False where another node has been there meanwhile. Then what wrapped the older one is destroyed in the manager.

    Raises Unavailable, MasterRefused, and ValueError where the older document is another installation's or was changed
    by hand: it names what is destroyed.
    """
    old = documents.load()
    if old is None:
        return found(master, documents, opened)
    before = ManagedDocument.parse(old)
    if before.installation != opened.installation:
        raise ValueError("it belongs to another installation")
    master.ping()
    if not is_sealed(old, Secret(master.unwrap(None, before.seal_key, before.seal_context()))):
        raise ValueError("it was changed by hand")
    seal = Secret.generate()
    if not documents.replace(old, _wrapped(master, opened, seal).encode(seal)):
        return False
    for generation in before.generations:
        if generation.wrapped is not None:
            master.destroy(generation.reference)
    return True


def _wrapped(master: MasterKey, opened: OpenedKeys, seal: Secret) -> ManagedDocument:
    bare = ManagedDocument(opened.installation, opened.created_at, b"", (), {})
    return replace(
        bare,
        seal_key=master.wrap(None, seal.reveal(), bare.seal_context()),
        generations=tuple(_generation(master, opened, bare, known) for known in opened.generations),
        secrets={
            purpose: master.wrap(None, secret.reveal(), bare.secret_context(purpose))
            for purpose, secret in opened.secrets.items()
        },
    )


def _generation(
    master: MasterKey, opened: OpenedKeys, document: ManagedDocument, known: Generation
) -> ManagedGeneration:
    kek = opened.keks.get(known.number)
    if kek is None:
        return ManagedGeneration(known.number, known.created_at, ManagedState.DESTROYED, _NO_KEY, None)
    reference = master.make({"installation": document.installation})
    context = document.generation_context(known.number)
    wrapped = master.wrap(None, master.wrap(reference, kek.reveal(), context), context)
    return ManagedGeneration(known.number, known.created_at, ManagedState(known.state.value), reference, wrapped)
