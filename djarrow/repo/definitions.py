"""The definitions in a manifest: TableSpec -> text, and the texts of all tables -> their specs. Nothing is executed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from djarrow.errors import RepositoryError, UnknownReference
from djarrow.model import names
from djarrow.model.definition import ReferenceLine
from djarrow.model.describe import describe
from djarrow.model.names import TableName
from djarrow.model.spec import Resolver, TableSpec, table_spec
from djarrow.repo.manifest import Manifest, TableEntry


def definition_of(spec: TableSpec) -> str:
    """The definition text of a table as the manifest keeps it."""
    return describe(spec, lambda name: names.class_reference(name, spec.name.schema))


def specs_of(manifest: Manifest) -> dict[TableName, TableSpec]:
    """The specs of a manifest's tables, from their definitions. Raises DefinitionError where one cannot be used."""
    specs: dict[TableName, TableSpec] = {}
    known = Known()
    for entry in manifest.tables:
        _check_master(entry, specs)
        specs[entry.name] = spec = table_spec(entry.definition, entry.name, _resolver(entry.name, specs, known))
        known.add(entry.name)
        for name in entry.partition_by:
            spec.heading.attribute(name, where=f"partition_by of {entry.name}")
    return specs


def _check_master(entry: TableEntry, before: Mapping[TableName, TableSpec]) -> None:
    master = names.master_of(entry.name)
    if master is not None and master not in before:
        raise RepositoryError(f"the manifest lists the part {entry.name} and, before it, no master {master.table!r}.")


# --- references --------------------------------------------------------------------------------------------------


class Known:
    """Tables by the text that refers to them. Each is found in one step, however many there are."""

    def __init__(self, tables: Iterable[TableName] = ()) -> None:
        self._tables: dict[tuple[str, str], TableName] = {}
        self._schemas: dict[str, set[str]] = {}
        for name in tables:
            self.add(name)

    def add(self, name: TableName) -> None:
        """One more table."""
        self._tables[name.schema, names.class_reference(name, name.schema)] = name
        self._schemas.setdefault(names.module_name(name.schema), set()).add(name.schema)

    def find(self, text: str, schema: str) -> TableName | None:
        """The table that a definition in a schema refers to by this text, or None."""
        if (schema, text) in self._tables:
            return self._tables[schema, text]
        module, _, rest = text.partition(".")
        others = self._schemas.get(module, set()) - {schema}
        return next((self._tables[other, rest] for other in sorted(others) if (other, rest) in self._tables), None)

    def texts(self, schema: str) -> list[str]:
        """All texts that a definition in a schema can refer to tables by."""
        return [names.class_reference(name, schema) for name in self._tables.values()]


def resolver(name: TableName, specs: Mapping[TableName, TableSpec]) -> Resolver:
    """How references in the definition of a table, as definition_of writes them, lead back to these tables."""
    return _resolver(name, specs, Known(specs))


def _resolver(name: TableName, specs: Mapping[TableName, TableSpec], known: Known) -> Resolver:
    own, master = names.class_reference(name, name.schema), names.master_of(name)

    def find(text: str, line: ReferenceLine) -> TableSpec | None:
        if text == own:
            return None
        found = master if text == "master" else known.find(text, name.schema)
        if found is None or found not in specs:
            candidates = known.texts(name.schema)
            raise UnknownReference(text, candidates, table=str(name), line=line.line, column=line.column)
        return specs[found]

    return find
