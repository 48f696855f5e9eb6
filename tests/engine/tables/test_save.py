"""Saving a schema as a module: what it declares is what the database holds, whatever is in names and comments."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import ModuleExists
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.table.declaring.declare import stored
from tests.processes import PLACES

from ...described import drop_schemas
from ...peer import Peer

Another = Callable[[str], dj.Schema]

DECLARE = """
import sys
import djarrow as dj

dj.conn(sys.argv[1])
import saved

saved.schema.activate()
print(len(saved.schema.tables))
"""

USE = """
import sys
import djarrow as dj

dj.conn(sys.argv[1])
import saved

for table in saved.schema.tables:
    table().fetch()
print(len(saved.schema.tables))
"""


@pytest.fixture
def another(schema: dj.Schema, connection: PostgresConnection) -> Iterator[Another]:
    """Makes other schemas by the ending of their names, dropped after the test."""
    made: list[dj.Schema] = []

    def make(ending: str) -> dj.Schema:
        made.append(dj.Schema(schema.name + ending, connection=connection))
        return made[-1]

    yield make
    for each in made:
        drop_schemas(connection, each.name)


def make(schema: dj.Schema, name: str, definition: str, base: type[dj.Table] = dj.Manual, **members: Any) -> Any:
    """A table class of this name and definition, declared in the schema."""
    return schema(type(name, (base,), {"definition": definition, **members}))


def part(name: str, definition: str) -> type[dj.Part]:
    """The class of a part."""
    return type(name, (dj.Part,), {"definition": definition})


def held(connection: PostgresConnection, schema: str) -> dict[TableName, TableSpec]:
    """What the database holds of a schema."""
    found = stored(connection, {schema}).specs
    return {name: spec for name, spec in found.items() if name.schema == schema}


def run(code: str, folder: Path, url: str) -> str:
    """What code prints in a new process that takes warnings for errors, with the folder's modules."""
    path = os.pathsep.join([str(folder), PLACES])
    environment = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ.get("PATH", "")}
    command = [sys.executable, "-W", "error", "-c", code, url]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=100, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_again(schema: dj.Schema, copy: dj.Schema, folder: Path, connection: PostgresConnection) -> str:
    """Check that the saved module declares the same in an empty schema, attribute by attribute. Returns its text."""
    text = schema.save()
    line = f'schema = dj.Schema("{schema.name}")'
    assert text.count(line) == 1
    (folder / "saved.py").write_text(text.replace(line, f'schema = dj.Schema("{copy.name}")'), "utf-8")
    count = len(held(connection, schema.name))
    assert run(DECLARE, folder, connection.url) == f"{count}\n"
    original, again = held(connection, schema.name), held(connection, copy.name)
    assert count == len(again)
    for name, spec in original.items():
        found = again[TableName(copy.name, name.table)]
        renamed = str(found).replace(f"'{copy.name}'", f"'{schema.name}'")
        for attribute in spec.heading:
            ours = str(found.heading[attribute.name]).replace(f"'{copy.name}'", f"'{schema.name}'")
            assert ours == str(attribute), (name, attribute.name)
        assert renamed == str(spec)
    return text


# --- what there can be -------------------------------------------------------------------------------------------

TYPES = r"""
# every type: it's "all" of them, with a \ and ''' and  # more
every_id : int64
---
i8 = -128 : int8
u8 = 255 : uint8
i16 = -1 : int16
u16 : uint16
i32 = null : int32
u32 = 4294967295 : uint32
i64 = -9223372036854775808 : int64
u64 = 18446744073709551615 : uint64  # the largest
f32 = 0.1 : float32
f64 = -1.5e300 : float64
price = 12.3400 : decimal(9,4)
wide = null : decimal(38,10)
yes = true : bool
no = false : bool
code = "a\"b" : char(4)  # default with a quote
label = "tab\\slash 'one' \"two\" # : -> ---" : varchar(80)
empty = "" : varchar(1)
day = "2024-02-29" : date
today = CURRENT_TIMESTAMP : date
clock = "23:59:59.999999" : time
moment = "2024-02-29 12:30:00.25" : timestamp
now = CURRENT_TIMESTAMP : timestamp
local = "1999-12-31 23:59:59" : datetime
ident = null : uuid
doc = null : json
raw = null : blob
kind = "it's" : enum('it''s', "say \"no\"", 'a:b', '#', 'é', 'with, comma', '(', '')
"""

COMMENTS = r"""
# <3> three quotes, ''' and \n, a slash \
key : uint8  # : colon, # hash, -> arrow, --- line
---
a : uint8  # <3>
b : uint8  # \" \\ {braces} %s $x$ `tick` é 🐁
c : uint8  # 'single' "double"
d : uint8  # index (a)
e : uint8  # unusual: tab	no-break thin line
f : uint8  # \N{BULLET} \x00 \u0041
g : uint8  # ends in a slash \
""".replace("<3>", '"""')

REGION = """
region_id : uint32
---
-> [nullable] Region.proj(parent_id='region_id')
index (region_id)
"""

PERSON = """
id : uint16
---
born : date
name : varchar(20)
email = null : varchar(50)
index (name, (year(born)))
unique index ((lower(email)))
index (born, id)
"""


@pytest.fixture
def rich(schema: dj.Schema, another: Another) -> dj.Schema:
    """A schema with all types, references, indexes and kinds of tables, which refers to two others."""
    hat = part("Hat", "-> master\nhat : uint8\n---")
    lab = SimpleNamespace(Person=make(another("_lab"), "Person", "person : varchar(16)  # who\n---", Hat=hat))
    two = SimpleNamespace(Place=make(another("-lab"), "Place", "city : varchar(16)\nstreet : varchar(32)\n---"))
    make(schema, "Every", TYPES)
    make(schema, "Comment", COMMENTS)
    make(schema, "Single", "# one row at most\n---\nversion = 1 : int32")
    make(schema, "Counted", "number : uint32 auto_increment  # counts\n---\nname : varchar(8)")
    make(schema, "Kind", "kind : enum('a', 'b')\nlevel : int8\n---\nunique index (level, kind)", dj.Lookup)
    make(schema, "Region", REGION)
    make(schema, "Person", PERSON)
    channel = make(schema, "Channel", "channel : uint8\n---", dj.Lookup)
    schema.activate(add_objects={"lab": lab, "two": two, "TopChannel": channel})

    @schema
    class Session(dj.Imported):
        definition = """
        -> Person
        -> [unique] Person.proj(helper='id')
        day = CURRENT_TIMESTAMP : timestamp
        ---
        -> [nullable] Kind
        -> [nullable, unique] Kind.proj(other_kind='kind', other_level='level')
        note = null : varchar(4)  # of the day
        """

        class Channel(dj.Part):
            definition = """
            # a part with the name of another table
            -> master
            -> TopChannel
            ---
            gain = null : float32
            """

        class Link(dj.Part):
            definition = """
            -> master
            -> Session.Channel.proj(first='channel')
            ---
            -> Session.Channel
            -> [nullable] Session.Link.proj(previous='first')
            """

    @schema
    class Result(dj.Computed):
        definition = """
        -> Session
        -> lab.Person
        -> lab.Person.Hat
        ---
        -> two.Place
        -> [nullable] two.Place.proj(old_city='city', old_street='street')
        -> [nullable] Session.Channel.proj(best='channel')
        """

    return schema


def test_the_module_declares_the_same(
    rich: dj.Schema, another: Another, tmp_path: Path, connection: PostgresConnection
) -> None:
    """Imported into an empty schema, the module makes tables that are equal in every fact that the catalog holds."""
    text = check_again(rich, another("_copy"), tmp_path, connection)
    assert f'{rich.name}_lab = dj.virtual("{rich.name}-lab")\n' in text
    assert f'{rich.name}_lab_ = dj.virtual("{rich.name}_lab")\n' in text
    assert "Channel_ = Channel  # a part has the same name\n" in text
    assert "-> Channel_\n" in text


def test_the_module_agrees_with_its_database(rich: dj.Schema, tmp_path: Path, connection: PostgresConnection) -> None:
    """Imported into a new process over the same database, every class can be used, without a warning."""
    rich.save(tmp_path / "saved.py")
    assert run(USE, tmp_path, connection.url) == "12\n"


def test_each_description_declares_the_same(rich: dj.Schema, another: Another) -> None:
    """describe() of each table, declared in another schema, gives a table that describes itself the same."""
    copy = another("_copy")
    for name in ("Every", "Comment", "Single", "Counted", "Kind", "Region", "Person"):
        described = rich[name].describe()
        again = make(copy, name, described, dj.Lookup if name == "Kind" else dj.Manual)
        assert again.describe() == described


@pytest.mark.parametrize("command", [["check"], ["format", "--check", "--diff"]])
def test_the_text_is_clean(rich: dj.Schema, tmp_path: Path, command: list[str]) -> None:
    """Ruff finds nothing to complain of in the module, and nothing to change in its form."""
    path = tmp_path / "saved.py"
    rich.save(path)
    every = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "120", str(path)]
    done = subprocess.run(every, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_comments_of_other_software(schema: dj.Schema, tmp_path: Path, connection: PostgresConnection) -> None:
    """Comments with line breaks and control characters, which no definition holds, become one line each."""
    make(schema, "A", "a : uint8\n---\nb : uint8").declare()
    table = f'"{schema.name}".a'
    connection.execute(f"COMMENT ON TABLE {table} IS E'one\\ntwo\\r\\nthree  '")
    connection.execute(f"COMMENT ON COLUMN {table}.b IS E':uint8: x\\ny\\u2028z\\x07'")
    text = schema.save(tmp_path / "saved.py")
    assert run(USE, tmp_path, connection.url) == "1\n"
    assert "    # one two three" in text
    assert "\\x07" in text


def test_what_no_class_can_say(schema: dj.Schema, tmp_path: Path, connection: PostgresConnection) -> None:
    """Such tables, and those that refer to them, are left out, with a warning and a remark that say why."""
    make(schema, "A", "a : int32\n---").declare()
    for text in (
        'CREATE TABLE "{0}".none (a integer PRIMARY KEY)',
        'CREATE TABLE "{0}".scan_2 (a integer PRIMARY KEY)',
        'CREATE TABLE "{0}".heap (a integer UNIQUE)',
        'CREATE TABLE "{0}".camel ("camelCase" integer PRIMARY KEY)',
        'CREATE TABLE "{0}".of_camel (a integer PRIMARY KEY, b integer REFERENCES "{0}".camel)',
        'CREATE TABLE "{0}".of_heap (a integer PRIMARY KEY, b integer REFERENCES "{0}".heap (a))',
        'CREATE TABLE "{0}".lone__part (a integer PRIMARY KEY)',
        'CREATE TABLE "{0}".a__part (a integer PRIMARY KEY)',
        'CREATE TABLE "{0}".kind (a integer PRIMARY KEY)',
        'CREATE TABLE "{0}"."#kind" (a integer PRIMARY KEY)',
    ):
        connection.execute(text.format(schema.name))
    with pytest.warns(UserWarning, match="have no class in the module") as caught:
        text = schema.save(tmp_path / "saved.py")
    reasons = {
        "none": "no class of Python",
        "scan_2": "no class of Python",
        "heap": "no primary key",
        "camel": "camelCase",
        "of_camel": "which has no class",
        "of_heap": "which has no class",
        "lone__part": "its master",
        "a__part": "-> master",
        "kind": "is Kind, too",
    }
    remarks = [line for line in text.splitlines() if line.startswith("# Without ")]
    assert len(remarks) == len(reasons)
    for name, why in reasons.items():
        assert why in next(line for line in remarks if line.startswith(f"# Without {schema.name}.{name}: ")), name
        assert f"{schema.name}.{name}: " in str(caught[0].message)
    assert run(USE, tmp_path, connection.url) == "2\n"


def test_two_tables_of_one_name(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Of two tables with one class name, the one with rows is kept, else the one that others need, with a warning."""
    for name in ("Full", "Needed", "Alike"):
        make(schema, name, "a : int32\n---").declare()
    make(schema, "Child", "-> Needed\n---").declare()
    again = dj.Schema(schema.name, connection=connection)
    lookups = {name: make(again, name, "a : int32\n---", dj.Lookup) for name in ("Full", "Needed", "Alike")}
    again.activate(add_objects=lookups)
    make(again, "OfEmpty", "-> Full\n---").declare()
    schema["full"].insert1((1,))
    with pytest.warns(UserWarning, match="have no class in the module") as caught:
        text = schema.save()
    expected = [
        f"{schema.name}.alike: {schema.name}.#alike is Alike, too",
        f"{schema.name}.#full: {schema.name}.full is Full, too, and holds rows, which this one does not",
        f"{schema.name}.#needed: {schema.name}.needed is Needed, too, and more tables refer to it",
        f"{schema.name}.of_empty: it refers to {schema.name}.#full, which has no class",
    ]
    assert str(caught[0].message).splitlines()[1:] == [f"  - {line}" for line in expected]
    assert [line for line in text.splitlines() if line.startswith("class ")] == [
        "class Alike(dj.Lookup):",
        "class Full(dj.Manual):",
        "class Needed(dj.Manual):",
        "class Child(dj.Manual):",
    ]


def test_references_to_tables_of_one_name(
    schema: dj.Schema, another: Another, tmp_path: Path, connection: PostgresConnection
) -> None:
    """Tables of another schema that are no attributes of it are referred to by their names, each the right one."""
    lab = another("_lab")
    lab.activate(create_tables=True)
    make(lab, "Rig", "a : int32\n---", P=part("P", "-> master\np : int32")).declare()
    for table in ("#rig", "scan_2", "None", "lone__part"):
        connection.execute(f'CREATE TABLE "{lab.name}"."{table}" (a integer PRIMARY KEY)')
    found = dj.virtual(lab.name, connection=connection)
    tables = ("rig", "#rig", "rig__p", "scan_2", "None", "lone__part")
    schema.activate(add_objects={f"t{number}": found[table] for number, table in enumerate(tables)})
    for number in range(len(tables)):
        make(schema, f"Of{number}", f"-> t{number}\n---").declare()
    before = held(connection, schema.name)
    text = schema.save(tmp_path / "saved.py")
    assert f'{lab.name}__rig = {lab.name}["#rig"]\n' in text
    assert run(USE, tmp_path, connection.url) == f"{len(tables)}\n"
    connection.execute(f'DROP SCHEMA "{schema.name}" CASCADE')
    assert run(DECLARE, tmp_path, connection.url) == f"{len(tables)}\n"
    assert held(connection, schema.name) == before


def test_a_part_that_came_after(schema: dj.Schema, tmp_path: Path, connection: PostgresConnection) -> None:
    """A part that refers to a table which refers to its master is left out: a class is declared with its parts."""
    make(schema, "A", "a : uint8\n---")
    make(schema, "B", "-> A\n---")
    make(schema, "A", "a : uint8\n---", P=part("P", "-> master\n---\nn : uint8")).declare()
    connection.execute(f'ALTER TABLE "{schema.name}".a__p ADD FOREIGN KEY (a) REFERENCES "{schema.name}".b')
    with pytest.warns(UserWarning, match=f"{schema.name}.a__p: a class is declared with its parts"):
        schema.save(tmp_path / "saved.py")
    assert run(USE, tmp_path, connection.url) == "2\n"


def test_a_schema_named_by_a_word_of_python(schema: dj.Schema, tmp_path: Path, connection: PostgresConnection) -> None:
    """Another schema whose name Python, or the grammar, keeps for itself gets another name in the module."""
    words = [dj.Schema(name, connection=connection) for name in ("class", "master")]
    try:
        one, two = (SimpleNamespace(A=make(word, "A", f"{word.name}_a : uint8\n---")) for word in words)
        schema.activate(add_objects={"one": one, "two": two})
        make(schema, "All", "-> one.A\n---", B=part("B", "-> master\n-> two.A\n---"))
        text = schema.save(tmp_path / "saved.py")
        assert 'class_ = dj.virtual("class")\nmaster_ = dj.virtual("master")\n' in text
        assert run(USE, tmp_path, connection.url) == "2\n"
    finally:
        for word in words:
            drop_schemas(connection, word.name)


# --- the file ----------------------------------------------------------------------------------------------------


def test_a_file_that_is_there(schema: dj.Schema, tmp_path: Path) -> None:
    """A file is not replaced unless told to, and nothing else is left in the folder."""
    make(schema, "A", "a : uint8\n---")
    path = tmp_path / "saved.py"
    path.write_text("precious", "utf-8")
    with pytest.raises(ModuleExists, match="overwrite=True") as caught:
        schema.save(path)
    assert isinstance(caught.value, FileExistsError)
    assert path.read_text("utf-8") == "precious"
    text = schema.save(str(path), overwrite=True)
    assert path.read_text("utf-8") == text
    assert [each.name for each in tmp_path.iterdir()] == ["saved.py"]


def test_where_no_file_can_be(schema: dj.Schema, tmp_path: Path) -> None:
    """A folder that is missing, one in the place of the file, and a name that is too long are named as given."""
    make(schema, "A", "a : uint8\n---")
    (tmp_path / "folder.py").mkdir()
    for path, error in (
        (tmp_path / "missing" / "saved.py", FileNotFoundError),
        (tmp_path / "folder.py", IsADirectoryError),
        (tmp_path / f"{'n' * 254}.py", OSError),
    ):
        for overwrite in (False, True):
            with pytest.raises(error) as caught:
                schema.save(path, overwrite=overwrite)
            assert caught.value.filename == str(path)
    assert [each.name for each in tmp_path.rglob("*")] == ["folder.py"]


def test_an_empty_schema(schema: dj.Schema, tmp_path: Path, connection: PostgresConnection) -> None:
    """A schema without tables gives a module without classes."""
    schema.save(tmp_path / "saved.py")
    assert run(USE, tmp_path, connection.url) == "0\n"


def test_it_saves_what_the_database_holds(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Tables that others made are saved, too, and classes that wait for their first use are made before."""
    make(dj.Schema(schema.name, connection=connection), "B", "b : uint8\n---").declare()
    make(schema, "A", "a : uint8\n---")
    text = schema.save()
    assert "class A(dj.Manual)" in text
    assert "class B(dj.Manual)" in text


# --- DataJoint-Python --------------------------------------------------------------------------------------------

PEER = """
schema = dj.Schema(name)

@schema
class Kind(dj.Lookup):
    definition = '''
    kind : enum('x', 'it is: "y"')  # of it
    ---
    code = "a" : char(4)
    '''

@schema
class Thing(dj.Manual):
    definition = '''
    # things, "all"
    thing : int32
    ---
    -> [nullable] Kind
    seen = CURRENT_TIMESTAMP : datetime
    data = null : <blob>
    index (seen)
    '''

    class Piece(dj.Part):
        definition = '''
        -> master
        piece : int16
        '''

@schema
class Weight(dj.Computed):
    definition = '''
    -> Thing.Piece
    ---
    weight : float64
    '''

    def make(self, key): ...

result = schema.database
"""


@pytest.mark.timeout(600)
def test_a_schema_of_the_peer(peer: Peer, schema: dj.Schema, tmp_path: Path, connection: PostgresConnection) -> None:
    """The module of a schema that DataJoint-Python made agrees with it."""
    assert peer.run(PEER, name=schema.name) == schema.name
    text = schema.save(tmp_path / "saved.py")
    assert run(USE, tmp_path, connection.url) == "4\n"
    assert "    class Piece(dj.Part)" in text
