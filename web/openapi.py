"""The API's description, OpenAPI 3.1, made from the very routes that serve it; and its offline page."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from domain.errors import BadInput, BilagaError, LoginRequired, RateLimited, Unavailable
from web.problems import CONTENT_TYPE, TITLES, of_error
from web.services import SERVICES
from web.spec import Kind, Route

BASE = "/api/v1"
ALWAYS: tuple[type[BilagaError], ...] = (BadInput, LoginRequired, RateLimited, Unavailable)
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:bilaga:problem:"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "field": {"type": "string"},
    },
}


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The description of these routes."""
    shapes = _shapes(routes)
    # An answer is described as it is written, a body as it is read.
    _, definitions = models_json_schema(
        [(shape, mode) for shape, mode in shapes],  # type: ignore[misc]
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(BASE + route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bilaga",
            "version": version,
            "summary": "Holds the attachments of support tickets, sealed, and erases them when their time is up.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Problem": PROBLEM},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-bilaga"},
            },
        },
    }


def _shapes(routes: Sequence[Route]) -> list[tuple[type[BaseModel], str]]:
    found: dict[tuple[type[BaseModel], str], None] = {}
    for route in routes:
        if route.body is not None:
            found[route.body, "validation"] = None
        for answer in route.answers.values():
            if isinstance(answer, type):
                found[answer, "serialization"] = None
    return list(found)


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_')}",
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if route.description:
        operation["description"] = route.description
    if route.body is not None:
        schema = {"$ref": f"#/components/schemas/{route.body.__name__}"}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}, "required": True}
    elif route.sends is not None:
        operation["requestBody"] = {"content": {route.sends: {"schema": _streamed(route.sends)}}, "required": True}
    return operation


def _streamed(media_type: str) -> dict[str, Any]:
    if media_type != "multipart/form-data":
        return {}
    file = {"type": "array", "items": {"type": "string", "contentMediaType": "application/octet-stream"}}
    return {"type": "object", "properties": {"file": file}, "required": ["file"]}


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    if route.query is not None:
        schema = route.query.model_json_schema()
        required = schema.get("required", [])
        found += [
            {"name": name, "in": "query", "required": name in required, "schema": of}
            for name, of in schema.get("properties", {}).items()
        ]
    if route.kind is Kind.WRITE or route.sends is not None:
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}})
    if route.sends is not None:
        # A form has no one file that a digest could be of, but a message that carries it.
        fields = (
            ("Content-Digest",)
            if route.sends == "multipart/form-data"
            else ("Content-Digest", "Repr-Digest", "Want-Repr-Digest")
        )
        found += [{"name": name, "in": "header", "required": False, "schema": {"type": "string"}} for name in fields]
    if route.path.endswith("/content") and route.method == "GET":
        found += [
            {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
            for name in ("Range", "If-Range", "If-None-Match")
        ]
    return found


def _responses(route: Route) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in sorted(route.answers.items()):
        response: dict[str, Any] = {"description": "OK" if status < 300 else "Not modified"}
        if isinstance(answer, str):
            response["content"] = {answer: {"schema": {}}}
        elif answer is not None:
            schema = {"$ref": f"#/components/schemas/{answer.__name__}"}
            response["content"] = {"application/json": {"schema": schema}}
        responses[str(status)] = response
    named: dict[int, set[str]] = {}
    for kind in (*ALWAYS, *route.problems):
        for one in (kind, *kind.__subclasses__()):
            problem = of_error(one())
            if problem.name in TITLES:
                named.setdefault(problem.status, set()).add(problem.name)
    named.setdefault(500, set()).add("internal")
    if route.body is not None or route.sends is not None:
        named.setdefault(413, set()).add("too-large")
        named.setdefault(415, set()).add("media-type")
    if route.kind is Kind.WRITE or route.sends is not None:
        named.setdefault(409, set()).add("state-conflict")
        named.setdefault(422, set()).add("idempotency-conflict")
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, names in sorted(named.items()):
        responses[str(status)] = {"description": ", ".join(sorted(names)), "content": content}
    return responses


class Description:
    """Serves the document, and a page of it that needs no script and nothing from elsewhere."""

    def __init__(self, routes: Sequence[Route], version: str) -> None:
        self.document = document(routes, version)
        self._body = json.dumps(self.document, ensure_ascii=False).encode()

    async def get_document(self, request: web.Request) -> web.Response:
        """``GET /api/openapi.json``."""
        return web.Response(body=self._body, content_type="application/json")

    async def get_page(self, request: web.Request) -> web.Response:
        """``GET /api/docs``."""
        return request.app[SERVICES].pages.answer(request, "api.html", document=self.document)
