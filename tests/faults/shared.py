"""A new site on PostgreSQL, S3 on Ceph and OpenBao, as the environment or a test names them; gone at its end.

Its nodes are processes of their own, started and killed as ``tests/crash/vault.py`` does it.
"""

from __future__ import annotations

import os
import secrets
import socket
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import psycopg
from botocore.config import Config
from psycopg import sql

from tests.crash.vault import Nest, Vault

ENGINES = ("TEST_POSTGRES_URL", "TEST_CEPH_URL", "TEST_OPENBAO_URL", "TEST_OPENBAO_TOKEN")
UNLIMITED = {"BILAGA_RATES__LINK": "0", "BILAGA_RATES__ADDRESS": "0"}


def free_port() -> int:
    """A port of the loopback that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class SharedSite:
    """``with SharedSite(folder) as site``: its settings, its nodes, its bucket.

    ``engines``: where they are, by the names that ``services/`` prints; what is not in it, the environment says.
    ``through``: what nodes use instead, by the same names, such as a proxy's address. ``versioned``: a bucket that
    keeps old versions.
    """

    def __init__(
        self,
        folder: Path,
        *,
        versioned: bool = False,
        engines: Mapping[str, str] | None = None,
        through: Mapping[str, str] | None = None,
        **settings: str,
    ) -> None:
        self.folder = folder
        self._versioned = versioned
        self._engines = {**os.environ, **(engines or {})}
        self._through = through or {}
        self._settings = settings
        self._name = f"bilaga-{secrets.token_hex(6)}"
        for name in ENGINES:
            assert name in self._engines, f"{name} is not set: services/engines.sh around COMMAND starts the engines"
        self.bucket = self._name
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=self._engines["TEST_CEPH_URL"],
            region_name="us-east-1",
            config=Config(max_pool_connections=32, s3={"addressing_style": "path"}),
        )
        self.nest = Nest()
        self.nodes: list[Vault] = []

    def __enter__(self) -> SharedSite:
        with self._postgres() as database:
            database.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._name)))
        self.s3.create_bucket(Bucket=self.bucket)
        if self._versioned:
            self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self._make_master_key()
        self.node().bilaga("db", "upgrade")
        first = self.nodes[0]
        first.agent, first.admin = first.key("agent"), first.key("admin")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.close()
        self.nest.close()
        self.empty()
        self.s3.delete_bucket(Bucket=self.bucket)
        with self._postgres() as database:
            database.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self._name)))

    def _postgres(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._engines["TEST_POSTGRES_URL"], autocommit=True)

    def _make_master_key(self) -> None:
        """As an operator does it: a key of OpenBao's transit engine."""
        request = urllib.request.Request(
            f"{self._engines['TEST_OPENBAO_URL']}/v1/transit/keys/{self._name}",
            data=b'{"type": "aes256-gcm96"}',
            headers={"X-Vault-Token": self._engines["TEST_OPENBAO_TOKEN"]},
            method="POST",
        )
        urllib.request.urlopen(request, timeout=10).close()

    @property
    def settings(self) -> dict[str, str]:
        """What every node is told."""
        where = {**self._engines, **self._through}
        database = urlsplit(where["TEST_POSTGRES_URL"])._replace(path=f"/{self._name}")
        endpoint = quote(where["TEST_CEPH_URL"], safe="")
        return {
            **UNLIMITED,
            "BILAGA_DATABASE_URL": database.geturl(),
            "BILAGA_STORAGE_URL": f"s3://{self.bucket}/blobs?endpoint={endpoint}&region=us-east-1",
            "BILAGA_KEYS_URL": f"openbao://{urlsplit(where['TEST_OPENBAO_URL']).netloc}/{self._name}?tls=off",
            "BILAGA_KEYS_TOKEN": where["TEST_OPENBAO_TOKEN"],
            **self._settings,
        }

    def node(self, **settings: str) -> Vault:
        """A further node, not started yet; it knows the keys of the first."""
        folder = self.folder / f"node{len(self.nodes)}"
        folder.mkdir(parents=True)
        made = Vault(folder, self.nest, made=False, **{**self.settings, **settings})
        if self.nodes:
            made.agent, made.admin = self.nodes[0].agent, self.nodes[0].admin
        self.nodes.append(made)
        return made

    # -- the bucket ----------------------------------------------------------------------------------------------------
    def versions(self) -> list[tuple[str, str]]:
        """Key and version of everything in the bucket, delete markers too, but for what only asked whether the store
        can be written, and was cut off before it was taken away again: it is nobody's."""
        found: list[tuple[str, str]] = []
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            ours: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            found += [(one["Key"], one["VersionId"]) for one in ours]
        return [one for one in found if "/probe-" not in one[0]]

    def parts(self) -> list[str]:
        """Keys of uploads in parts that nobody finished."""
        pages = self.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket)
        return [one["Key"] for page in pages for one in page.get("Uploads", [])]

    def empty(self) -> None:
        """Remove everything from the bucket."""
        pages = self.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket)
        for one in [one for page in pages for one in page.get("Uploads", [])]:
            self.s3.abort_multipart_upload(Bucket=self.bucket, Key=one["Key"], UploadId=one["UploadId"])
        with ThreadPoolExecutor(16) as threads:
            for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
                for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    threads.submit(
                        self.s3.delete_object, Bucket=self.bucket, Key=one["Key"], VersionId=one["VersionId"]
                    )
