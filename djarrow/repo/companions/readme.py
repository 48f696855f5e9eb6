"""README.md: for people who find the folder: what it holds, how the tables hang together, and how to open it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from djarrow.model.names import TableName, class_reference
from djarrow.model.spec import TableSpec
from djarrow.repo.manifest import Extent, Manifest, TableEntry, folder_of
from djarrow.show.text import cut, seen
from djarrow.sql.ddl import full_name


def text(document: Manifest, specs: Mapping[TableName, TableSpec]) -> str:
    """The whole page."""
    sections = [_head(document)]
    for schema in document.schemas:
        sections.append(_tables(schema, document.tables, specs))
    sections += _which_rows(document.tables)
    sections += [_diagram(document, specs), _opening(document), _FILES]
    return "\n".join(sections)


def _head(document: Manifest) -> str:
    tables, rows = len(document.tables), document.rows
    return f"""\
# {_plain(document.project)}

{_count(tables, "table")} with {_count(rows, "row")}, exported on {document.created[:10]} from {document.source} \
by djarrow {document.software["djarrow"]}.
All tables show the database at one moment. The data are Parquet files; nothing here has to be run to read them.
"""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _plain(text: str) -> str:
    """Text from the database, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$!])", r"\\\1", text)


def _tables(schema: str, entries: Iterable[TableEntry], specs: Mapping[TableName, TableSpec]) -> str:
    lines = [f"## Schema `{schema}`", "", "| table | tier | rows | primary key | what it is |", "|---|---|--:|---|---|"]
    for entry in entries:
        if entry.schema == schema:
            spec = specs[entry.name]
            key = ", ".join(f"`{name}`" for name in spec.heading.primary_key) or "(one row at most)"
            tier = "part" if spec.master else spec.tier.name
            name = class_reference(entry.name, schema)
            lines.append(f"| `{name}` | {tier} | {entry.rows:,} | {key} | {_plain(spec.comment)} |")
    return (
        "\n".join(lines)
        + f"\n\nAttributes, with types and comments, are in [{schema}/schema.py]({schema}/schema.py).\n"
    )


def _which_rows(entries: Iterable[TableEntry]) -> list[str]:
    """Of which tables not all rows are here, and which these are. No section where all are."""
    lines: list[str] = []
    for entry in entries:
        if entry.extent in _EXTENTS:
            lines += [f"`{class_reference(entry.name, '')}`: {_EXTENTS[entry.extent]}", ""]
            if entry.restriction is not None:
                lines += ["```sql", cut(seen(entry.restriction.replace("\n", " ")), _LONGEST), "```", ""]
    head = ["## Which rows", "", "Of these tables not all rows of the database are here:", ""]
    return ["\n".join([*head, *lines])] if lines else []


_EXTENTS = {
    Extent.RESTRICTED: "those that this query of the database chooses, and those that other rows here need.",
    Extent.DEPENDENT: "those that depend on chosen rows of other tables, and those that other rows here need.",
    Extent.NEEDED: "those that other rows here refer to, or have as parts.",
}

_LONGEST = 1_000
"""Characters of a restriction, on one line: no value in it, which can be anybody's text, ends the block of code."""


# --- the diagram -------------------------------------------------------------------------------------------------


def _diagram(document: Manifest, specs: Mapping[TableName, TableSpec]) -> str:
    numbers = {entry.name: f"t{number}" for number, entry in enumerate(document.tables, 1)}
    lines = ["## How the tables depend on each other", "", "```mermaid", "flowchart TD"]
    for number, schema in enumerate(document.schemas, 1):
        lines.append(f'  subgraph s{number}["{schema}"]')
        names = [name for name in numbers if name.schema == schema]
        lines += [f'    {numbers[name]}["{class_reference(name, schema)}"]' for name in names]
        lines.append("  end")
    for name in numbers:
        lines += _arrows(specs[name], numbers)
    lines += [
        "```",
        "",
        "A solid arrow: the key of the upper table is part of the lower one's key. A dotted one: it is not.",
        "",
    ]
    return "\n".join(lines)


def _arrows(spec: TableSpec, numbers: Mapping[TableName, str]) -> list[str]:
    inside = {key.parent for key in spec.primary_foreign_keys}
    return [f"  {numbers[p]} {'-->' if p in inside else '-.->'} {numbers[spec.name]}" for p in spec.parents]


# --- how to open it ----------------------------------------------------------------------------------------------


def _opening(document: Manifest) -> str:
    """Code for the largest table, to be run in the folder."""
    entry = max(document.tables, key=lambda table: table.rows)
    folder = folder_of(entry.name)
    attribute = class_reference(entry.name, entry.schema)
    view = full_name(entry.name)
    return f"""\
## How to open it

The code runs in this folder. With djarrow, classes and query expressions work as they do on a database:

```python
import djarrow as dj

tables = dj.open(".")["{entry.schema}"]
print(tables.{attribute}.fetch(limit=5))
```

With DuckDB; [open.sql](open.sql) makes a view of every table:

```python
import duckdb

database = duckdb.connect()
database.execute("SET VARIABLE repo = '.'")
with open("open.sql") as script:
    database.execute(script.read())
print(database.sql('FROM {view} LIMIT 5'))
```

With Polars:

```python
import polars as pl

print(pl.scan_parquet("{folder}/**/*.parquet").head(5).collect())
```

With pandas:

```python
import pandas as pd

print(pd.read_parquet("{folder}").head(5))
```
"""


_FILES = """\
## Files

| file | what for |
|---|---|
| `manifest.json` | what djarrow reads: definitions of the tables, and each file with its rows, size and hash |
| `<schema>/tables/<table>/` | the rows: one file, or one a partition; the columns in it are complete |
| `<schema>/schema.py` | the definitions as Python classes |
| `open.sql` | the tables as views of DuckDB |
| `datapackage.json` | the tables as a Data Package |
| `croissant.json` | the tables as a Croissant data set |
| `SHA256SUMS` | `sha256sum -c SHA256SUMS` checks every file |
"""
