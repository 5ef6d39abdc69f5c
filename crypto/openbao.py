"""OpenBao (or Vault) as the key manager: its transit engine. Engine of ``MasterKey``.

``openbao://host[:port]/KEY[?mount=transit][&namespace=…][&tls=on|off][&ca=/path]``. KEY, made by the operator, is the
master key. Beside it we make keys named ``KEY-<8 digits of the installation>-<16 random digits>``, one a generation,
and delete them: not versions of one key, as those can only be trimmed from the oldest on.

What binds a wrapping to its use is transit's ``associated_data``.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import final
from urllib.parse import unquote, urlsplit

from crypto.context import encode_fields
from crypto.key_address import asked_in, is_loopback, misconfigured
from crypto.master_key import KeyContext, MasterRefused
from crypto.openbao_http import Answer, OpenbaoServer
from domain.errors import KeysUnavailable, Misconfigured, WrongContext

log = logging.getLogger(__name__)

_PORT = 8200
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_TOKEN = re.compile(r"[!-~]{1,4096}")
_NAMES = frozenset({"mount", "namespace", "tls", "ca"})
_NOT_OURS = ("message authentication failed", "invalid ciphertext")
_RENEW_AGAIN = 60.0


@final
class Openbao:
    """Fulfils ``MasterKey``. Raises Misconfigured for an address or a token that cannot be one; asks nobody yet."""

    def __init__(self, url: str, token: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        parts = urlsplit(url)
        self._key = unquote(parts.path.removeprefix("/"))
        host, port = parts.hostname, _port(url)
        if parts.scheme != "openbao" or not host or not _KEY.fullmatch(self._key):
            raise misconfigured("must be openbao://host:port/KEY")
        if parts.username is not None or parts.password is not None:
            raise misconfigured("a token does not belong into the address; it has a setting of its own")
        asked = asked_in(parts.query, _NAMES, "openbao")
        if not _TOKEN.fullmatch(token):
            raise Misconfigured("KEYS_TOKEN: a token for OpenBao is needed, one line of ASCII", field="KEYS_TOKEN")
        namespace = asked.get("namespace")
        self._mount = asked.get("mount", "transit").strip("/")
        if not _PATH.fullmatch(self._mount) or (namespace is not None and not _PATH.fullmatch(namespace.strip("/"))):
            raise misconfigured("mount and namespace are paths")
        headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
        if namespace is not None:
            headers["X-Vault-Namespace"] = namespace.strip("/")
        self._host, self._port = host, port
        self._server = OpenbaoServer(host, port, tls=_tls(host, asked), headers=headers)
        self._monotonic = monotonic
        self._renewing = threading.Lock()
        self._renew_at = float("-inf")

    @property
    def name(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"openbao://{host}:{self._port}/{self._key}"

    def make(self, label: KeyContext) -> str:
        name = f"{self._key}-{label['installation'][:8]}-{secrets.token_hex(8)}"
        self._asked("POST", f"keys/{name}", {"type": "aes256-gcm96", "exportable": False})
        return name

    def wrap(self, key: str | None, plaintext: bytes, context: KeyContext) -> bytes:
        name = key or self._key
        # Transit silently makes a key where somebody encrypts under a name that it does not know, if he may make keys.
        self._look_for(name)
        body = {"plaintext": _base64(plaintext), "associated_data": _associated(context)}
        answer = self._asked("POST", f"encrypt/{name}", body)
        return _text(answer, "ciphertext").encode("ascii")

    def unwrap(self, key: str | None, wrapped: bytes, context: KeyContext) -> bytes:
        body = {"ciphertext": wrapped.decode("ascii", errors="replace"), "associated_data": _associated(context)}
        answer = self._asked("POST", f"decrypt/{key or self._key}", body)
        try:
            return base64.b64decode(_text(answer, "plaintext"), validate=True)
        except binascii.Error as failure:
            raise KeysUnavailable from failure

    def destroy(self, key: str) -> None:
        if not re.fullmatch(re.escape(self._key) + r"-[0-9a-f]{8}-[0-9a-f]{16}", key):
            raise ValueError("not a key of ours")
        # Deleting is allowed at the last moment only: until then nobody deletes it by mistake.
        allowed = self._ask("POST", f"keys/{key}/config", {"deletion_allowed": True})
        if allowed.status == 400 and "no existing key" in allowed.errors:
            return
        _check(allowed)
        gone = self._ask("DELETE", f"keys/{key}")
        if self._ask("GET", f"keys/{key}").status != 404:
            _check(gone)
            raise MasterRefused(f"still has the key {key} after deleting it")

    def ping(self) -> None:
        found = self._look_for(self._key).data
        if found.get("type") not in {"aes256-gcm96", "chacha20-poly1305"} or found.get("derived"):
            raise MasterRefused(f"has a key {self._key!r} of another type than aes256-gcm96, not derived")

    def _look_for(self, name: str) -> Answer:
        answer = self._ask("GET", f"keys/{name}")
        if answer.status == 404:
            raise MasterRefused(f"has no key {name!r} at {self._mount}/: make it, or mend the address")
        _check(answer)
        return answer

    def _asked(self, method: str, path: str, body: Mapping[str, object]) -> Answer:
        answer = self._ask(method, path, body)
        _check(answer)
        return answer

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        self._renew()
        return self._server.ask(method, f"/v1/{self._mount}/{path}", body)

    def _renew(self) -> None:
        """Let the token live on while the site does: renewed when half of its time is over. Never raises."""
        if self._monotonic() < self._renew_at or not self._renewing.acquire(blocking=False):
            return
        try:
            answer = self._server.ask("POST", "/v1/auth/token/renew-self", {})
            auth = answer.body.get("auth")
            length = auth.get("lease_duration") if isinstance(auth, dict) else None
            renewable = answer.status == 200 and isinstance(length, int) and length > 0
            self._renew_at = self._monotonic() + length / 2 if renewable and length else float("inf")
        except (KeysUnavailable, MasterRefused):
            self._renew_at = self._monotonic() + _RENEW_AGAIN
        finally:
            self._renewing.release()


def _check(answer: Answer) -> None:
    """Raises for what is no success: WrongContext, MasterRefused."""
    if answer.status < 300:
        return
    if answer.status == 403:
        raise MasterRefused("refuses our token: it is wrong, at its end, or its policy does not allow this")
    if answer.status == 400 and any(words in answer.errors for words in _NOT_OURS):
        raise WrongContext
    raise MasterRefused(f"refuses ({answer.status}): {answer.errors or 'no reason given'}")


def _text(answer: Answer, name: str) -> str:
    found = answer.data.get(name)
    if not isinstance(found, str) or not found.isascii():
        raise KeysUnavailable
    return found


def _associated(context: KeyContext) -> str:
    """The context in one order, each field behind its length."""
    return _base64(encode_fields(*(part.encode() for pair in sorted(context.items()) for part in pair)))


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or _PORT
    except ValueError as failure:
        raise misconfigured("the port is no number") from failure


def _tls(host: str, asked: Mapping[str, str]) -> ssl.SSLContext | None:
    local = is_loopback(host)
    match asked.get("tls", "off" if local and "ca" not in asked else "on"):
        case "on":
            try:
                return ssl.create_default_context(cafile=asked.get("ca"))
            except (OSError, ssl.SSLError) as failure:
                raise misconfigured(f"no certificates in {asked.get('ca')}") from failure
        case "off" if local:
            return None
        case "off":
            raise misconfigured("keys travel without TLS on this machine only (tls=off, loopback)")
        case _:
            raise misconfigured("tls is on or off")
