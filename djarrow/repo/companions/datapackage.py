"""datapackage.json: the tables as a Data Package (frictionlessdata.io), with types, keys and references."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from typing import Any

from djarrow.model.heading import Attribute
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec
from djarrow.model.types import Family
from djarrow.repo.manifest import Manifest, TableEntry, folder_of

Json = dict[str, Any]

_TYPES: dict[Family, Json] = {
    Family.INTEGER: {"type": "integer"},
    Family.FLOAT: {"type": "number"},
    Family.DECIMAL: {"type": "number"},
    Family.BOOLEAN: {"type": "boolean"},
    Family.STRING: {"type": "string"},
    Family.ENUM: {"type": "string"},
    Family.DATE: {"type": "date"},
    Family.TIME: {"type": "time"},
    Family.TIMESTAMP: {"type": "datetime"},
    Family.DATETIME: {"type": "datetime"},
    Family.UUID: {"type": "string", "format": "uuid"},
    Family.JSON: {"type": "any"},
    Family.BLOB: {"type": "any"},
}

_TEXT = frozenset({Family.STRING, Family.ENUM, Family.UUID, Family.JSON, Family.BLOB})
_NULLS = ["nan", "NaT"]
"""What NULL is to validators in columns that are not text: they read Parquet through pandas."""


def text(document: Manifest, specs: Mapping[TableName, TableSpec]) -> str:
    """One resource a table. Sizes and hashes stand in the manifest: validators refuse them of Parquet files."""
    split = {entry.name for entry in document.tables if len(entry.files) > 1}
    package: Json = {}
    if name := re.sub(r"[^a-z0-9._-]+", "-", document.project.lower()).strip("-."):
        package["name"] = name
    package |= {
        "title": document.project,
        "created": document.created,
        "resources": [_resource(entry, specs[entry.name], split) for entry in document.tables],
    }
    return json.dumps(package, indent=1, ensure_ascii=False) + "\n"


def resource_name(name: TableName) -> str:
    """The name of a table here: `flights.delay_model`."""
    return f"{name.schema}.{folder_of(name).name}"


def _resource(entry: TableEntry, spec: TableSpec, split: Container[TableName]) -> Json:
    paths = [file.path for file in entry.files]
    resource: Json = {
        "name": resource_name(spec.name),
        "type": "table",
        "path": paths[0] if len(paths) == 1 else paths,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
    }
    if spec.comment:
        resource["description"] = spec.comment
    return {**resource, "schema": _schema(spec, split)}


def _schema(spec: TableSpec, split: Container[TableName]) -> Json:
    """split: the tables of several files. References to them are left out: validators look in the first file only."""
    schema: Json = {"fields": list(map(_field, spec.heading)), "missingValues": []}
    if spec.heading.primary_key:
        schema["primaryKey"] = list(spec.heading.primary_key)
    if references := [_reference(key, spec) for key in spec.foreign_keys if key.parent not in split]:
        schema["foreignKeys"] = references
    return schema


def _field(attribute: Attribute) -> Json:
    field: Json = {"name": attribute.name, **_TYPES[attribute.type.family]}
    if attribute.comment:
        field["description"] = attribute.comment
    if attribute.type.family not in _TEXT:
        field["missingValues"] = _NULLS
    constraints: Json = {}
    if not attribute.nullable and attribute.type.family is not Family.FLOAT:  # validators take NaN for a missing value
        constraints["required"] = True
    if attribute.type.choices:
        constraints["enum"] = list(attribute.type.choices)
    if attribute.type.max_length is not None:
        constraints["maxLength"] = attribute.type.max_length
    return {**field, "constraints": constraints} if constraints else field


def _reference(key: ForeignKey, spec: TableSpec) -> Json:
    parents = [parent for _, parent in key.pairs]
    resource = "" if key.parent == spec.name else resource_name(key.parent)  # as the format names the table itself
    return {"fields": list(key.attributes), "reference": {"resource": resource, "fields": parents}}
