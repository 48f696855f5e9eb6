"""croissant.json: the tables as record sets of Croissant 1.0 (mlcommons.org), for machine learning's readers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from djarrow.model.heading import Attribute
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import Family
from djarrow.repo.companions.datapackage import resource_name
from djarrow.repo.manifest import Manifest, TableEntry

Json = dict[str, Any]

_TYPES = {
    Family.INTEGER: "sc:Integer",
    Family.FLOAT: "sc:Float",
    Family.DECIMAL: "sc:Float",
    Family.BOOLEAN: "sc:Boolean",
    Family.DATE: "sc:Date",
    Family.TIME: "sc:Time",
    Family.TIMESTAMP: "sc:DateTime",
    Family.DATETIME: "sc:DateTime",
}
"""Croissant has no type for the others, which are text."""

_PARQUET = "application/x-parquet"

_CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def text(document: Manifest, specs: Mapping[TableName, TableSpec]) -> str:
    """One distribution and one record set a table."""
    dataset: Json = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": document.project,
        "description": f"Tables of the schemas {', '.join(document.schemas)}, exported by djarrow.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "datePublished": document.created,
        "distribution": [_distribution(entry) for entry in document.tables],
        "recordSet": [_record_set(entry, specs[entry.name]) for entry in document.tables],
    }
    return json.dumps(dataset, indent=1, ensure_ascii=False) + "\n"


def _is_split(entry: TableEntry) -> bool:
    """Whether its rows lie in several files, or did at another time."""
    return bool(entry.partition_by) or len(entry.files) > 1


def _distribution(entry: TableEntry) -> Json:
    """One file is a FileObject with its hash; several are a FileSet, which has none."""
    name = {"@id": f"{resource_name(entry.name)}.parquet", "name": f"{resource_name(entry.name)}.parquet"}
    if _is_split(entry):
        paths = [file.path for file in entry.files]
        return {"@type": "cr:FileSet", **name, "encodingFormat": _PARQUET, "includes": paths}
    (file,) = entry.files
    return {
        "@type": "cr:FileObject",
        **name,
        "contentUrl": file.path,
        "contentSize": f"{file.size} B",
        "encodingFormat": _PARQUET,
        "sha256": file.sha256,
    }


def _record_set(entry: TableEntry, spec: TableSpec) -> Json:
    identity = resource_name(spec.name)
    record_set: Json = {"@type": "cr:RecordSet", "@id": identity, "name": identity}
    if spec.comment:
        record_set["description"] = spec.comment
    if spec.heading.primary_key:
        record_set["key"] = [{"@id": f"{identity}/{name}"} for name in spec.heading.primary_key]
    return {**record_set, "field": [_field(attribute, entry, spec) for attribute in spec.heading]}


def _field(attribute: Attribute, entry: TableEntry, spec: TableSpec) -> Json:
    identity = f"{resource_name(spec.name)}/{attribute.name}"
    field: Json = {"@type": "cr:Field", "@id": identity, "name": identity}
    if attribute.comment:
        field["description"] = attribute.comment
    field["dataType"] = _TYPES.get(attribute.type.family, "sc:Text")
    kind = "fileSet" if _is_split(entry) else "fileObject"
    source = {kind: {"@id": f"{resource_name(spec.name)}.parquet"}, "extract": {"column": attribute.name}}
    field["source"] = source
    return {**field, **_references(attribute, spec)}


def _references(attribute: Attribute, spec: TableSpec) -> Json:
    """The attribute that this one refers to. References of several are left out: readers join them wrongly."""
    for key in spec.foreign_keys:
        if key.attributes == (attribute.name,):
            ((_, parent),) = key.pairs
            return {"references": {"field": {"@id": f"{resource_name(key.parent)}/{parent}"}}}
    return {}
