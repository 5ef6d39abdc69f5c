"""JSON bodies, bounded before they are parsed: bytes, depth, keys, digits, and no key twice (S-80)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from domain.errors import BadInput, TooLarge, TypeNotAllowed

MAX_BYTES = 256 << 10
MAX_DEPTH = 32
MAX_KEYS = 1000
MAX_DIGITS = 64


class _Counter:
    def __init__(self) -> None:
        self.keys = 0

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self.keys += len(pairs)
        if self.keys > MAX_KEYS:
            raise BadInput("The body has too many members.")
        made = dict(pairs)
        if len(made) != len(pairs):
            raise BadInput("A member of the body stands there twice.")
        return made


def _number(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise BadInput("A number of the body is too long.")
    return int(text)


def _decimal(text: str) -> float:
    if len(text) > MAX_DIGITS:
        raise BadInput("A number of the body is too long.")
    return float(text)


def _constant(text: str) -> float:
    raise BadInput(f"{text} is not JSON.")


def _depth(raw: bytes) -> int:
    """The deepest nesting of brackets outside strings; one pass, no recursion."""
    deepest = depth = 0
    inside = escaped = False
    for byte in raw:
        if inside:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def parse(raw: bytes) -> dict[str, Any]:
    """A JSON object. Raises BadInput on anything else."""
    if _depth(raw) > MAX_DEPTH:
        raise BadInput("The body is nested too deeply.")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_Counter().pairs,
            parse_int=_number,
            parse_float=_decimal,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError) as error:
        raise BadInput("The body is not valid JSON in UTF-8.") from error
    if not isinstance(value, dict):
        raise BadInput("The body must be a JSON object.")
    return value


async def read(request: web.Request) -> bytes:
    """The whole body of a small request. Raises TooLarge, TypeNotAllowed for any content coding but identity."""
    refuse_coding(request)
    if (request.content_length or 0) > MAX_BYTES:
        raise TooLarge("The body is larger than allowed.")
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > MAX_BYTES:
            raise TooLarge("The body is larger than allowed.")
    return bytes(raw)


async def read_json(request: web.Request) -> tuple[bytes, dict[str, Any]]:
    """The body's bytes, and the JSON object in them (an absent body is an empty object)."""
    raw = await read(request)
    if not raw:
        return raw, {}
    if request.content_type not in {"application/json", "application/octet-stream"}:
        raise TypeNotAllowed("The body must be application/json.", field="Content-Type")
    return raw, parse(raw)


def parse_form(raw: bytes) -> dict[str, str]:
    """The fields of an ``application/x-www-form-urlencoded`` body, each once. Raises BadInput."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=50, errors="strict"
        )
    except ValueError as error:
        raise BadInput("The form is malformed.") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadInput("A field of the form stands there twice.")
    return fields


def refuse_coding(request: web.Request) -> None:
    """Raises TypeNotAllowed where the body is coded: what is stored must be what was sent (S-2, 415)."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise TypeNotAllowed("A coded body is not taken; send it as it is.", field="Content-Encoding")
