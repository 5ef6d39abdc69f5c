"""Certificates of purges in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, insert, select

from domain.disposal import Certificate
from domain.ids import AttachmentId, CertificateId
from storage.records.schema.core import certificates
from storage.records.sql.conflict import insert_new
from storage.records.sql.rows import columns_of, values_of

_SELECT = select(*columns_of(certificates, Certificate))
_BY_ID = _SELECT.where(certificates.c.id == bindparam("the_id"))
_OF_ATTACHMENT = _SELECT.where(certificates.c.attachment_id == bindparam("the_id"))
_PAGE = _SELECT.where(certificates.c.id > bindparam("after")).order_by(certificates.c.id).limit(bindparam("limit"))
_INSERT = insert(certificates)


class SqlCertificates:
    """``ports.disposals.Certificates`` on a connection. A second one for an attachment raises StateConflict."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, certificate: Certificate) -> None:
        insert_new(self._connection, _INSERT, values_of(certificate))

    def get(self, certificate_id: CertificateId) -> Certificate | None:
        row = self._connection.execute(_BY_ID, {"the_id": certificate_id}).one_or_none()
        return None if row is None else Certificate(*row)

    def of_attachment(self, attachment_id: AttachmentId) -> Certificate | None:
        row = self._connection.execute(_OF_ATTACHMENT, {"the_id": attachment_id}).one_or_none()
        return None if row is None else Certificate(*row)

    def page(self, *, after: CertificateId | None, limit: int) -> Sequence[Certificate]:
        return [Certificate(*row) for row in self._connection.execute(_PAGE, {"after": after or "", "limit": limit})]
