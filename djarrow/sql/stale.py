"""Which rows do not hold any more: the statement that follows changes from the logs down to the rows of one table.

Each table upstream is a few parts of one WITH: o, its rows that were changed, or whose parts were; i, its rows that a
change upstream reaches; s, its rows that are stale, if it fills itself; c, all of these, for the tables that refer to
it; and v and u, what its parts bring to o and i. They begin at the log, which is short, and not at the tables.

What passes down is an item: a row, with the time and the transaction of a change, or with a fingerprint. An item is
stuck where results upstream did not see it: then it counts whatever came later. docs/decisions/020-stale-results.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from attrs import define, field, frozen

from djarrow.model.flow import Part, Stage
from djarrow.model.heading import Attribute
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec
from djarrow.model.types import Family
from djarrow.sql import updates
from djarrow.sql.accepted import ACCEPTED, hash_of
from djarrow.sql.carried import server_of
from djarrow.sql.ddl import MADE, compared, full_name
from djarrow.sql.literals import identifier, quoted
from djarrow.sql.makes import MAKES, SNAPSHOT, TRANSACTION

ITEM = ("_at", "_tx", "_stuck", "_code")
"""The columns of an item beside those of its row: when, by which transaction, whether it is stuck, and, of a change of
code, the table and its fingerprint."""


@frozen
class Known:
    """What there is of a table beside its rows. fingerprint: of its code as it is now, None where there is none here.

    makes, accepted, updates: whether the database has these notes. numbered: the updates tell their transactions.
    """

    fingerprint: str | None = None
    makes: bool = False
    accepted: bool = False
    updates: bool = False
    numbered: bool = True


@frozen(cache_hash=True)
class Stale:
    """The keys of the rows of the last stage that do not hold. known: of each stage, and of each of its parts.

    ready: only those whose inputs hold, so that to make them again settles it.
    """

    stages: tuple[Stage, ...]
    known: tuple[tuple[TableName, Known], ...]
    ready: bool = False

    @property
    def tables(self) -> frozenset[TableName]:
        """The tables that it reads."""
        found = {name for name, _ in self.known}
        for name, known in self.known:
            notes = {MAKES: known.makes, ACCEPTED: known.accepted and known.makes, updates.LOG: known.updates}
            found |= {TableName(name.schema, note) for note, there in notes.items() if there}
        return frozenset(found)

    def __str__(self) -> str:
        return f"{self.stages[-1].spec.name}.stale()"

    def text(self) -> str:
        """The statement."""
        return _Writing(self.stages, dict(self.known)).text(ready=self.ready)


@define
class _Writing:
    """The parts of the WITH so far: those that can have no rows are left out. carried: table -> its part c."""

    stages: tuple[Stage, ...]
    known: dict[TableName, Known]
    named: list[str] = field(factory=list)
    carried: dict[TableName, str] = field(factory=dict)
    asked: dict[TableName, dict[str, None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """What of each row is asked for further down: its key, and what others refer to it by."""
        self.asked = {}
        for stage in self.stages:
            keys = [*stage.references, *stage.own, *(key for part in stage.parts for key in part.references)]
            keys += [part.owner for part in stage.parts]
            for spec in (stage.spec, *(part.spec for part in stage.parts)):
                self.asked.setdefault(spec.name, {}).update(dict.fromkeys(spec.heading.primary_key))
            for part in stage.parts:
                self.asked[part.spec.name].update(dict.fromkeys(part.owner.attributes))
            for key in keys:
                self.asked.setdefault(key.parent, {}).update(dict.fromkeys(parent for _, parent in key.pairs))
            for key in stage.own:
                self.asked[stage.spec.name].update(dict.fromkeys(parent for _, parent in key.pairs))

    def text(self, *, ready: bool) -> str:
        last = len(self.stages) - 1
        for number, stage in enumerate(self.stages):
            self._stage(number, stage, last=number == last)
        spec = self.stages[-1].spec
        key = ", ".join(f"r.{identifier(name)}" for name in spec.heading.primary_key)
        if f"s{last}" not in self._names:
            none = ", ".join(f"t.{identifier(name)}" for name in spec.heading.primary_key) or "1"
            return f"SELECT {none} FROM {full_name(spec.name)} AS t WHERE FALSE"
        text = f"WITH RECURSIVE {', '.join(self.named)}\nSELECT {key or '1'} FROM s{last} AS r"
        text += f" GROUP BY {key}" if key else ""
        having = ["count(*) > 0"] if not key else []
        having += ["NOT bool_or(r._stuck)"] if ready else []
        return text + (f" HAVING {' AND '.join(having)}" if having else "")

    @property
    def _names(self) -> set[str]:
        return {one.partition(" ")[0] for one in self.named}

    def _add(self, name: str, selects: Sequence[str], *, union: str = "\nUNION\n") -> str | None:
        """A part of the WITH, where it can have rows."""
        if not selects:
            return None
        self.named.append(f"{name} AS (\n{union.join(selects)}\n)")
        return name

    # --- one table -----------------------------------------------------------------------------------------------

    def _stage(self, number: int, stage: Stage, *, last: bool) -> None:
        """The parts of the WITH that tell of a table. last: what was changed in its own rows is no reason there."""
        spec, known = stage.spec, self.known[stage.spec.name]
        incoming = [self._reached(spec, key, self.carried[key.parent]) for key in self._carrying(stage.references)]
        incoming += self._of_parts(f"u{number}", stage, self._reaching)
        own = []
        if not last or stage.own:
            own = [self._changed(spec)] if known.updates else []
            own += self._of_parts(f"v{number}", stage, self._changing)
        if stage.own:
            changed, reached = self._climbed(number, stage, own, incoming)
        else:
            changed = self._add(f"o{number}", own)
            reached = self._add(f"i{number}", incoming)
        stale = self._stale(number, stage, reached, last=last)
        if last:
            return
        columns = (*self.asked[spec.name], *ITEM)
        passing = [f"SELECT {_columns(columns)} FROM {name}" for name in (changed, reached) if name is not None]
        passing += [f"SELECT {_columns(columns)} FROM {stale}"] if stale is not None else []
        if (name := self._add(f"c{number}", passing)) is not None:
            self.carried[spec.name] = name

    def _carrying(self, keys: Iterable[ForeignKey]) -> list[ForeignKey]:
        return [key for key in keys if key.parent in self.carried]

    def _of_parts(self, name: str, stage: Stage, of: Callable[[Part], list[str]]) -> list[str]:
        """Rows of a master whose parts, or the parts of these, have such rows."""
        found: list[tuple[Part, str]] = []
        for place, part in enumerate(stage.parts):
            spec = part.spec
            below = [self._brought(spec, one.owner, its) for one, its in found if one.owner.parent == spec.name]
            if (named := self._add(f"{name}_{place}", [*of(part), *below])) is not None:
                found.append((part, named))
        spec = stage.spec
        return [self._brought(spec, one.owner, its) for one, its in found if one.owner.parent == spec.name]

    def _reaching(self, part: Part) -> list[str]:
        """Rows of a part that refer to rows of others which a change has reached."""
        return [self._reached(part.spec, key, self.carried[key.parent]) for key in self._carrying(part.references)]

    def _changing(self, part: Part) -> list[str]:
        """Rows of a part that were changed themselves."""
        return [self._changed(part.spec)] if self.known[part.spec.name].updates else []

    # --- where items come from -----------------------------------------------------------------------------------

    def _row(self, spec: TableSpec) -> str:
        """What is asked of a row x, and of one that a make has written, that make."""
        made = [MADE] if self.known[spec.name].makes and spec.master is None else []
        return ", ".join(f"x.{identifier(name)}" for name in (*self.asked[spec.name], *made))

    def _selected(self, spec: TableSpec, items: str) -> str:
        row = self._row(spec)
        return f"SELECT {row + ', ' if row else ''}{items}"

    def _changed(self, spec: TableSpec) -> str:
        """Rows that were changed, by the log. All values that a transaction has changed are one item."""
        log = full_name(TableName(spec.name.schema, updates.LOG))
        key = spec.heading.primary_key
        same = " AND ".join(f"{compared(spec.heading[name], 'x')} = {_logged(spec.heading[name])}" for name in key)
        number = identifier(updates.TRANSACTION) if self.known[spec.name].numbered else "NULL::xid8"
        changes = (
            f'SELECT "key", {number} AS _tx, max("updated") AS _at FROM {log} '
            f'WHERE "table_name" = {quoted(spec.name.table)} GROUP BY 1, 2'
        )
        items = "u._at, u._tx, FALSE AS _stuck, NULL::jsonb AS _code"
        return (
            f"{self._selected(spec, items)}\nFROM ({changes}) AS u JOIN {full_name(spec.name)} AS x ON {same or 'TRUE'}"
        )

    def _reached(self, spec: TableSpec, key: ForeignKey, source: str) -> str:
        """Rows that refer to those of a part of the WITH."""
        rows = f"{source} AS c JOIN {full_name(spec.name)} AS x"
        return f"{self._selected(spec, _items('c'))}\nFROM {rows} ON {_refers(key)}"

    def _brought(self, spec: TableSpec, owner: ForeignKey, source: str) -> str:
        """Rows that those of a part of the WITH belong to."""
        same = " AND ".join(f"x.{identifier(parent)} = c.{identifier(child)}" for child, parent in owner.pairs)
        return f"{self._selected(spec, _items('c'))}\nFROM {source} AS c JOIN {full_name(spec.name)} AS x ON {same}"

    def _climbed(
        self, number: int, stage: Stage, own: Sequence[str], incoming: Sequence[str]
    ) -> tuple[str | None, str | None]:
        """The same of a hierarchy: rows that were changed, and those that are reached, by way of its own rows, too."""
        starts = [*(f"SELECT *, TRUE FROM ({one}) AS q" for one in own)]
        starts += [f"SELECT *, FALSE FROM ({one}) AS q" for one in incoming]
        if not starts:
            return None, None
        name = self._hierarchy(f"h{number}", stage, starts)
        changed = self._add(f"o{number}", [f"SELECT * FROM {name} WHERE _own"])
        return changed, self._add(f"i{number}", [f"SELECT * FROM {name} WHERE NOT _own"])

    def _hierarchy(self, name: str, stage: Stage, starts: Sequence[str]) -> str:
        """Rows, and all that refer to them in their own table. `_own`: it began at this row."""
        spec = stage.spec
        row = self._row(spec)
        step = " OR ".join(f"({_refers(key)})" for key in stage.own)
        columns = ", ".join([*(one.removeprefix("x.") for one in row.split(", ") if row), *ITEM, "_own"])
        start = "\nUNION\n".join(starts)
        more = (
            f"{self._selected(spec, _items('c'))}, FALSE\nFROM {name} AS c JOIN {full_name(spec.name)} AS x ON {step}"
        )
        self.named.append(f"{name} ({columns}) AS (\n({start})\nUNION\n{more}\n)")
        return name

    # --- what is stale -------------------------------------------------------------------------------------------

    def _stale(self, number: int, stage: Stage, reached: str | None, *, last: bool) -> str | None:
        """Items of rows that do not hold, of a table that fills itself. Of the last, stuck ones are reasons, too."""
        spec, known = stage.spec, self.known[stage.spec.name]
        if not known.makes:
            return None
        columns = ", ".join(f"i.{identifier(name)}" for name in (*self.asked[spec.name], MADE))
        stuck = "i._stuck" if last else "TRUE"
        makes = full_name(TableName(spec.name.schema, MAKES))
        selects = []
        if reached is not None:
            # PostgreSQL expects as many items as there are rows, and would read all makes: OFFSET has it look up each.
            unseen = _unseen("m", 'm."started"', 'm."started" + make_interval(secs => m."duration")')
            counts = f"(i._stuck OR {unseen})" if last else f"NOT i._stuck AND {unseen}"
            selects.append(
                f"SELECT {columns}, i._at, i._tx, {stuck} AS _stuck, i._code\n"
                f"FROM {reached} AS i CROSS JOIN LATERAL "
                f'(SELECT * FROM {makes} AS m WHERE m."make" = i.{identifier(MADE)} OFFSET 0) AS m\n'
                f"WHERE {counts}{self._uncovered(spec)}"
            )
        if known.fingerprint is not None:
            now = quoted(known.fingerprint)
            code = f"{quoted(json.dumps({str(spec.name): known.fingerprint}))}::jsonb"
            # Of most tables no make has another fingerprint: two ranges of the index tell it, where <> reads all makes.
            selects.append(
                f"SELECT {columns}, i._at, i._tx, {'FALSE' if last else 'TRUE'} AS _stuck, i._code\n"
                f"FROM (SELECT x.*, NULL::timestamptz AS _at, NULL::xid8 AS _tx, {code} AS _code\n"
                f'FROM {makes} AS m JOIN {full_name(spec.name)} AS x ON x.{identifier(MADE)} = m."make"\n'
                f'WHERE m."table_name" = {quoted(spec.name.table)} '
                f'AND (m."fingerprint" < {now} OR m."fingerprint" > {now})) AS i\n'
                f"WHERE TRUE{self._uncovered(spec)}"
            )
        if not stage.own or not selects:
            return self._add(f"s{number}", selects)
        return self._stale_below(number, stage, selects, last=last)

    def _stale_below(self, number: int, stage: Stage, selects: Sequence[str], *, last: bool) -> str | None:
        """Of a hierarchy of results, those that refer to stale ones are stale, too."""
        columns = ", ".join(f"q.{identifier(name)}" for name in (*self.asked[stage.spec.name], MADE))
        first = self._add(f"r{number}", selects)
        start = f"SELECT {columns}, q._at, q._tx, TRUE, q._code, TRUE FROM {first} AS q"
        below = self._hierarchy(f"b{number}", stage, [start])
        if not last:
            return below
        row = ", ".join(f"i.{identifier(name)}" for name in (*self.asked[stage.spec.name], MADE))
        further = f"SELECT {row}, {_items('i')} FROM {below} AS i WHERE NOT i._own{self._uncovered(stage.spec)}"
        return self._add(f"s{number}", [f"SELECT * FROM {first}", further])

    def _uncovered(self, spec: TableSpec) -> str:
        """That nobody has said, knowing of the item i, that the row holds."""
        if not self.known[spec.name].accepted:
            return ""
        unseen = _unseen("a", 'a."accepted"', 'a."accepted"')
        return (
            f"\nAND NOT EXISTS (SELECT FROM {full_name(TableName(spec.name.schema, ACCEPTED))} AS a "
            f'WHERE a."make" = i.{identifier(MADE)} AND a."_hash" = {hash_of(spec, "i")}\n'
            f'AND CASE WHEN i._code IS NULL THEN NOT {unseen} ELSE a."fingerprints" @> i._code END OFFSET 0)'
        )


def _unseen(note: str, began: str, ended: str) -> str:
    """That a make, or who accepted a result, has not seen the change of an item i. began, ended: when that was.

    Snapshots tell it exactly, also of changes that were under way; what the same transaction has changed, it knows. Of
    transactions of two servers, of which one was restored from a repository, times tell. The
    numbers of transactions begin anew where a dump is loaded into another server: what came after the end was not seen
    whatever they are, and of what came long before they tell nothing.
    """
    snapshot, itself = f"{note}.{identifier(SNAPSHOT)}", f"{note}.{identifier(TRANSACTION)}"
    apart = f"{server_of('i._tx')} <> {server_of(f'pg_snapshot_xmax({snapshot})')}"
    return (
        f"(i._at > {ended} OR CASE WHEN i._tx IS NULL OR {snapshot} IS NULL OR {apart}\n"
        f"THEN i._at > {began}\n"
        f"ELSE NOT pg_visible_in_snapshot(i._tx, {snapshot}) AND i._tx IS DISTINCT FROM {itself} "
        f"AND i._at > {began} - interval '1 day' END)"
    )


def _refers(key: ForeignKey) -> str:
    """That a row x refers to a row c."""
    return " AND ".join(f"x.{identifier(child)} = c.{identifier(parent)}" for child, parent in key.pairs)


def _items(row: str) -> str:
    return ", ".join(f"{row}.{name}" for name in ITEM)


def _columns(names: Iterable[str]) -> str:
    return ", ".join(map(identifier, names))


# --- keys as the log has them ----------------------------------------------------------------------------------------

_BOUNDS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}

_FORMS = {
    Family.UUID: "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
    Family.DATE: r"^\d{4,6}-\d\d-\d\d( BC)?$",
    Family.TIME: r"^\d\d:\d\d:\d\d(\.\d+)?$",
    Family.DATETIME: r"^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?( BC)?$",
    Family.TIMESTAMP: r"^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-][\d:]+( BC)?$",
}
"""How values of these families look in JSON."""


def _logged(attribute: Attribute) -> str:
    """The value of a key attribute in a line u of the log. NULL where it is no value of this type: the table of that
    time was another one.
    """
    kind, name = attribute.type, quoted(attribute.name)
    text, value = f'(u."key" ->> {name})', f'(u."key" -> {name})'
    match kind.family:
        case Family.STRING | Family.ENUM:
            return text
        case Family.BOOLEAN:
            return f"CASE jsonb_typeof({value}) WHEN 'boolean' THEN {text}::boolean END"
        case Family.INTEGER | Family.DECIMAL:
            bound = _BOUNDS.get(kind.postgres)
            inside = "" if bound is None else f" AND {text}::numeric >= -{bound} AND {text}::numeric < {bound}"
            cast = "numeric" if bound is None else kind.postgres
            number = f"CASE jsonb_typeof({value}) WHEN 'number' THEN {text}::numeric END"
            if not inside:
                return number
            return (
                f"CASE WHEN jsonb_typeof({value}) = 'number' THEN "
                f"CASE WHEN {inside.removeprefix(' AND ')} THEN {text}::numeric::{cast} END END"
            )
        case Family.FLOAT:
            named = f"{text} IN ('NaN', 'Infinity', '-Infinity')"
            return f"CASE WHEN jsonb_typeof({value}) = 'number' OR {named} THEN {text}::{kind.postgres} END"
        case _:
            return f"CASE WHEN {text} ~ {quoted(_FORMS[kind.family])} THEN {text}::{kind.postgres} END"
