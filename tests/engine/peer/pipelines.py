"""A pipeline of two modules, in source that runs with the peer and with djarrow alike, and the rows that are put in.

`connection` is a variable of the module: None with the peer, which has a default one.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import numpy as np

PEER_HEAD = "import datajoint as dj\nconnection = None\n"
OUR_HEAD = "import djarrow as dj\n"

LAB = '''
schema = dj.Schema("peer_lab", connection=connection)


@schema
class Species(dj.Lookup):
    definition = """
    # kinds of animals: "which" there are, #1 of the lists, the lab's own
    species : varchar(32)   # common name: 'mouse', "rat", see #2
    ---
    legs = 4 : int8   # how many: none, two, "four"
    """
    contents = [("mouse", 4), ("rat", 4), ("starling", 2)]


@schema
class Rig(dj.Lookup):
    definition = """
    kind : enum('patch', '2p')   # not in the order of the alphabet
    code : char(4)
    ---
    room = "" : varchar(10)
    """
    contents = [("2p", "a1", "north"), ("2p", "b", ""), ("patch", "a1", "south")]


@schema
class Person(dj.Manual):
    definition = """
    name : varchar(20)
    """


@schema
class Animal(dj.Manual):
    definition = """
    animal_id : int32   # ear tag
    ---
    -> Species
    -> [nullable] Person
    sex = 'U' : enum('U', 'M', 'F')
    born = null : date
    tag = null : uuid
    index (born, sex)
    unique index (tag)
    """


@schema
class Setting(dj.Manual):
    definition = """
    # one row
    ---
    version : int32
    """


@schema
class Everything(dj.Manual):
    definition = """
    value_id : int32
    ---
    a_int8 = null : int8
    a_int16 = null : int16
    a_int32 = null : int32
    a_int64 = null : int64
    a_float32 = null : float32
    a_float64 = null : float64
    a_bool = null : bool
    a_uuid = null : uuid
    a_bytes = null : bytes
    a_json = null : json
    a_date = null : date
    a_datetime = null : datetime
    a_datetime3 = null : datetime(3)
    a_char = null : char(4)
    a_varchar = null : varchar(12)
    an_enum = null : enum('one', 'two', 'it is: three')
    a_decimal = null : decimal(12,4)
    a_blob = null : <blob>
    n_smallint = null : smallint
    n_integer = null : integer
    n_bigint = null : bigint
    n_real = null : real   # no colon
    n_numeric = null : numeric(8,3)
    n_text = null : text   # a comment: of a native type
    n_time = null : time
    """


@schema
class Defaults(dj.Manual):
    definition = """
    default_id : int32
    ---
    a_int8 = -3 : int8
    a_int16 = 4 : int16
    a_int32 = 5 : int32
    a_int64 = 9007199254740993 : int64
    a_float32 = 1.5 : float32
    a_float64 = 2.5e-3 : float64
    a_bool = 1 : bool
    b_bool = 0 : bool
    a_date = "2020-02-29" : date
    a_datetime = "2020-01-01 12:30:00" : datetime
    a_datetime3 = "2020-01-01 12:30:00.125" : datetime(3)
    a_now = CURRENT_TIMESTAMP : datetime
    a_char = "ab" : char(4)
    a_varchar = "it's: #1" : varchar(12)
    an_enum = 'b' : enum('a', 'b')
    a_decimal = 1.50 : decimal(6,2)
    n_smallint = 7 : smallint
    n_real = 0.5 : real
    n_text = "" : text
    n_time = "12:30:00" : time
    """


@schema
class Blob(dj.Manual):
    definition = """
    blob_id : int32
    ---
    value : <blob>   # any value
    """
'''

EPHYS = '''
import lab

schema = dj.Schema("peer_ephys", connection=connection)


@schema
class Session(dj.Manual):
    definition = """
    -> lab.Animal
    session : int16
    ---
    -> lab.Rig
    -> [nullable] lab.Species.proj(companion="species")
    -> [nullable, unique] lab.Person
    note = "" : varchar(100)
    """

    class Trial(dj.Part):
        definition = """
        -> master
        trial : int16
        ---
        outcome : enum('hit', 'miss')
        """

    class Probe(dj.Part):
        definition = """
        -> master
        -> [unique] lab.Person.proj(owner="name")
        """


@schema
class Pairing(dj.Manual):
    definition = """
    -> lab.Animal.proj(mother="animal_id")
    -> lab.Animal.proj(father="animal_id")
    """


@schema
class Scan(dj.Imported):
    definition = """
    -> Session
    ---
    frames : int32
    """

    def make(self, key):
        self.insert1(dict(key, frames=10 * key["animal_id"] + key["session"]))


@schema
class Mask(dj.Computed):
    definition = """
    -> Scan
    ---
    area : float64
    """

    def make(self, key):
        self.insert1(dict(key, area=(Scan & key).fetch1("frames") / 2))


@schema
class Trace(dj.Computed):
    definition = """
    -> Scan
    ---
    peak : float64
    """

    def make(self, key):
        self.insert1(dict(key, peak=(Scan & key).fetch1("frames") / 4))


@schema
class Activity(dj.Computed):
    definition = """
    -> Mask
    -> Trace
    ---
    total : float64
    """

    def make(self, key):
        self.insert1(dict(key, total=(Mask & key).fetch1("area") + (Trace & key).fetch1("peak")))
'''

NATIVE = """
schema = dj.Schema("peer_native", connection=connection)


@schema
class Native(dj.Manual):
    definition = '''
    number : serial
    ---
    a_float : float
    a_double = null : float
    a_moment = CURRENT_TIMESTAMP : timestamp
    '''
"""
"""Native types of PostgreSQL whose names mean something else in djarrow: `float` is 32 bits wide, `serial` counts in
64 bits. A database with them opens; the class has to be changed. `timestamp` has no zone there; it is read as UTC."""

MOMENT = datetime.datetime(2021, 6, 1, 1, 2, 3)
MOMENT_UTC = MOMENT.replace(tzinfo=datetime.UTC)

TAGS = [uuid.UUID(int=number << 64 | 7) for number in range(3)]

ANIMALS: list[dict[str, Any]] = [
    {"animal_id": 1, "species": "mouse", "name": "ann", "sex": "F", "born": datetime.date(2024, 2, 29), "tag": TAGS[0]},
    {"animal_id": 2, "species": "mouse", "name": None, "sex": "M", "born": None, "tag": TAGS[1]},
    {"animal_id": 3, "species": "rat", "name": "bo", "sex": "U", "born": datetime.date(1999, 12, 31), "tag": None},
]

SESSIONS: list[dict[str, Any]] = [
    {"animal_id": 1, "session": 1, "kind": "2p", "code": "a1", "companion": "rat", "name": "ann", "note": "x"},
    {"animal_id": 1, "session": 2, "kind": "2p", "code": "b", "companion": None, "name": None, "note": ""},
    {"animal_id": 3, "session": 1, "kind": "patch", "code": "a1", "companion": "rat", "name": "bo", "note": "é 漢"},
]

TRIALS: list[dict[str, Any]] = [
    {"animal_id": 1, "session": 1, "trial": 1, "outcome": "hit"},
    {"animal_id": 1, "session": 1, "trial": 2, "outcome": "miss"},
    {"animal_id": 3, "session": 1, "trial": 1, "outcome": "miss"},
]

FULL: dict[str, Any] = {
    "value_id": 1,
    "a_int8": -128,
    "a_int16": -(2**15),
    "a_int32": -(2**31),
    "a_int64": -(2**63),
    "a_float32": 1.5,
    "a_float64": 0.1,
    "a_bool": True,
    "a_uuid": uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    "a_bytes": b"\0\x01mYm\0",
    "a_json": {"a": [1, 2.5, None, "é"], "b": {"c": False}},
    "a_date": datetime.date(2020, 2, 29),
    "a_datetime": datetime.datetime(1969, 12, 31, 23, 59, 59, 123456),
    "a_datetime3": datetime.datetime(2020, 1, 1, 12, 30, 0, 125000),
    "a_char": "ab",
    "a_varchar": 'it\'s \\ "x"',
    "an_enum": "it is: three",
    "a_decimal": decimal.Decimal("-12345678.1250"),
    "a_blob": np.arange(6, dtype="int32").reshape(2, 3),
    "n_smallint": 32767,
    "n_integer": 2**31 - 1,
    "n_bigint": 2**63 - 1,
    "n_real": -0.25,
    "n_numeric": decimal.Decimal("12345.678"),
    "n_text": "a\nlong text",
    "n_time": datetime.time(12, 30, 0, 250000),
}
EMPTY: dict[str, Any] = dict.fromkeys(FULL) | {"value_id": 2}
EVERYTHING = [FULL, EMPTY]

BLOBS: list[Any] = [
    np.arange(5),
    np.zeros((0, 3), dtype="float32"),
    np.array([[1.5, np.nan], [np.inf, -0.0]]),
    np.array([True, False]),
    np.array([1 + 2j, 3 - 4j]),
    np.asfortranarray(np.arange(12, dtype="uint8").reshape(3, 4)),
    np.array(["2020-01-01", "1970-01-02"], dtype="datetime64[D]"),
    np.array([(1, 2.5), (3, -1.0)], dtype=[("a", "<i4"), ("b", "<f8")]),
    np.random.default_rng(0).standard_normal((50, 20)),
    {"a": np.arange(3.0), "list": [1, 2.5, "x", None, True], "nested": {"t": (1, (2, 3)), "s": {1, 2}}},
    {1: "one", (2, 3): "a tuple as key"},
    [datetime.datetime(2020, 1, 2, 3, 4, 5, 6), datetime.date(2020, 1, 2), datetime.time(3, 4, 5)],
    [uuid.UUID(int=5), decimal.Decimal("1.250"), 2**70, -1, 3.5, 1j, b"\0bytes", "é 漢"],
    "text",
    b"bytes",
    12,
    [],
    {},
    (),
]

FILL = """
dj.config.jobs.add_job_metadata = True
import lab, ephys, native


def insert(table, rows, tag):
    # The peer cannot insert a uuid on PostgreSQL: it goes in afterwards.
    key = table.primary_key[0]
    for row in rows:
        table.insert1({name: value for name, value in row.items() if name != tag})
        where = f'UPDATE {table().full_table_name} SET "{tag}" = %s WHERE "{key}" = %s'
        dj.conn().query(where, (row[tag] and str(row[tag]), row[key]))


lab.Person.insert([{"name": "ann"}, {"name": "bo"}])
insert(lab.Animal, animals, "tag")
lab.Setting.insert1({"version": 7})
native.Native.insert([{"a_float": 0.1, "a_moment": moment}, {"a_float": 1e300, "a_moment": moment}])
insert(lab.Everything, everything, "a_uuid")
lab.Defaults.insert1({"default_id": 1})
lab.Blob.insert({"blob_id": number, "value": value} for number, value in enumerate(blobs))
ephys.Session.insert(sessions)
ephys.Session.Trial.insert(trials)
ephys.Session.Probe.insert1({"animal_id": 1, "session": 1, "owner": "bo"})
ephys.Pairing.insert1({"mother": 1, "father": 2})
ephys.Scan.populate(reserve_jobs=True)
ephys.Mask.populate()
ephys.Trace.populate()
ephys.Activity.populate({"animal_id": 1})
"""
