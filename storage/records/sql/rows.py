"""Rows as frozen values of ``domain`` and back. Columns and fields share their names, so nothing is listed twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def columns_of(table: Table, kind: type[DataclassInstance]) -> list[Column[Any]]:
    """The table's columns for a dataclass's fields, in their order: ``kind(*row)`` makes the value."""
    return [table.c[field.name] for field in fields(kind)]


def values_of(value: DataclassInstance, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """A dataclass's fields by name, as the parameters of an insert or an update; shallow, unlike ``asdict``."""
    return {field.name: getattr(value, field.name) for field in fields(value) if field.name not in without}
