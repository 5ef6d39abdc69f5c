"""The API's description is true to the code, both ways, and the service to the description."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp.web import UrlDispatcher
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.journeys.service import Service
from web import api_routes, app

METHODS = ("get", "put", "post", "delete", "head", "patch", "options")
SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def document(service: Service) -> Any:
    answer = service.anyone.get("/api/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    return answer.json()


def described(document: Any) -> set[str]:
    return {
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item if method in METHODS
    }


def routed() -> set[str]:
    """Every route under the API's base, as the router has it."""
    router = UrlDispatcher()
    app._api(router, "1")
    return {
        f"{route.method} {route.resource.canonical}"
        for route in router.routes()
        if route.resource.canonical.startswith("/api/v1/")
    }


def test_what_is_routed_is_described_and_what_is_described_is_routed(document) -> None:
    assert described(document) == routed() == {f"{route.method} /api/v1{route.path}" for route in api_routes()}


def test_the_document_is_openapi_3_1(document) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_the_document_names_no_host_no_secret_and_each_operation_once(service: Service, document) -> None:
    text = json.dumps(document)
    assert not re.search(r"127\.0\.0\.1|localhost|https?://(?!json-schema\.org)", text)
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))
    for secret in service.secrets:
        assert secret not in text


def test_every_operation_names_its_problems(document) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            answers = operation["responses"]
            assert {"401", "400"} <= answers.keys(), (method, path)
            for status, answer in answers.items():
                if int(status) >= 400:
                    assert "application/problem+json" in answer["content"], (method, path, status)


def test_the_page_of_it_shows_every_operation_without_a_script(service: Service, document) -> None:
    page = service.browser.get("/api/docs").text
    assert "<script" not in page
    for path in document["paths"]:
        assert path.replace("{", "&#123;") in page or path in page, path


@pytest.mark.parametrize("role", ["agent", "admin"])
def test_made_up_requests_are_answered_as_described(service: Service, role: str) -> None:
    """Schemathesis asks for everything there is, well-formed and not; a 500 or an answer not described fails."""
    service.as_("admin").put("/api/v1/organisations/o", json_body={})
    service.put_ticket("0", organisation="o")
    service.attach("0")
    done = subprocess.run(
        [
            SCHEMATHESIS, "run", f"{service.url}/api/openapi.json",
            "--header", f"Authorization: Bearer {service.key(role)}",
            "--checks", CHECKS,
            "--phases", "coverage,fuzzing",
            "--max-examples", "4",
            "--seed", "20261124",
            "--generation-database", "none",
            "--suppress-health-check", "all",
            "--request-timeout", "30",
            "--no-color",
        ],
        cwd=service.folder, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert service.anyone.get("/healthz").status == 200
