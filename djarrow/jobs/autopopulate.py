"""Imported and Computed: tables that fill themselves by calling `make` for every key that is missing.

Specification: 000 "Computation", 001 9.1 and 9.2; design section 10.
"""

from __future__ import annotations

from typing import Any

from djarrow.errors import MakeError
from djarrow.jobs.key_source import default_key_source, source_keys
from djarrow.jobs.populate import Populated, pending_keys, populate
from djarrow.jobs.upstream import UpstreamRows
from djarrow.model import names
from djarrow.table.expression import QueryExpression
from djarrow.table.methods import on_class_too
from djarrow.table.table import BASES, Table, TableClass


class AutoPopulatedClass(TableClass):
    """The class of these classes: `Spikes.key_source` is that of an instance, also where a subclass overrides it."""

    @property
    def key_source(cls) -> QueryExpression:  # noqa: N805 - the methods of a metaclass have a class
        """The keys that rows are computed for."""
        found: QueryExpression = cls().key_source
        return found


class AutoPopulated(Table, metaclass=AutoPopulatedClass):
    """Base of Imported and Computed. A subclass defines `make(self, key)`, which inserts the rows of a key."""

    def make(self, key: dict[str, Any]) -> None:
        """Fetch the inputs of a key, compute, and insert into self. A subclass defines it.

        key: the primary-key values of one row of the key source. Runs in a transaction of its own.
        """
        text = "the class defines no `make(self, key)`."
        if getattr(self, "definition", None) is None:
            text += " It was made from the database, which keeps none: populate with the class that declares the table."
        raise MakeError(text, table=str(self.spec.name), key=key)

    @property
    def key_source(self) -> QueryExpression:
        """The keys that rows are computed for: the join of the parents that the primary key refers to.

        A subclass may override it with any query over the same attributes. Specification: 000 "Key Source".
        """
        return default_key_source(self)

    @property
    def upstream(self) -> UpstreamRows:
        """Inside of make, the rows that the key depends on: `self.upstream[Session]` is a query. docs/provenance.md."""
        return UpstreamRows(self)

    @on_class_too
    def populate(
        self,
        *restrictions: Any,
        suppress_errors: bool = False,
        max_calls: int | None = None,
        display_progress: bool = False,
    ) -> Populated:
        """Call make for every key of the key source that has no row yet, each in one transaction.

        restrictions: conditions on the key source that must all hold. suppress_errors: collect errors and go on
        instead of raising the first. max_calls: at most so many makes. display_progress: show a bar.

        Returns what was done. Raises what a make raises, or MakeError where one ends without its row; the rows of
        earlier makes stay. Specification: 001 9.1.2.
        """
        return populate(
            self,
            restrictions,
            suppress_errors=suppress_errors,
            max_calls=max_calls,
            display_progress=display_progress,
        )

    @on_class_too
    def progress(self, *restrictions: Any) -> tuple[int, int]:
        """(keys without rows, keys in all) of the key source."""
        return len(pending_keys(self, restrictions)), len(source_keys(self, restrictions))


class Imported(AutoPopulated):
    """A table that fills itself from data outside the pipeline."""

    tier = names.IMPORTED


class Computed(AutoPopulated):
    """A table that fills itself from data inside the pipeline."""

    tier = names.COMPUTED


BASES.update({names.IMPORTED: Imported, names.COMPUTED: Computed})
