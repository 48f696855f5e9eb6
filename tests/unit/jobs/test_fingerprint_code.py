"""Fingerprints of the forms that code takes: each small module, and what a change in it does."""

from __future__ import annotations

import hashlib
import sys
import textwrap
from pathlib import Path

import pytest

from djarrow.jobs.fingerprint import fingerprint
from tests.unit.jobs.lab import FILES, Imprint, forget, write

MAKE = """
import djarrow as dj
{before}

class Rate(dj.Computed):
    def make(self, key):
        return {make}
"""

# name: (what stands before the class, what make returns, what is replaced, by what)
FORMS: dict[str, tuple[str, str, str, str]] = {
    "two lambdas on a line": ("f, g = lambda x: x + 1, lambda x: x + 2", "g(key)", "x + 2", "x + 3"),
    "the other lambda on a line": ("f, g = lambda x: x + 1, lambda x: x + 2", "f(key)", "x + 1", "x + 3"),
    "a lambda in a lambda": ("f = lambda x: (lambda y: y + 1)(x)", "f(key)", "y + 1", "y + 2"),
    "a walrus": ("def f(x):\n    return [y for z in x if (y := z + 1)], y", "f(key)", "z + 1", "z + 2"),
    "a match": (
        "def f(x):\n    match x:\n        case {'a': a, **b}: return a\n        case _: return 1",
        "f(key)",
        "'a': a",
        "'b': a",
    ),
    "an except": (
        "def f(x):\n    try: return x()\n    except KeyError as e: return e",
        "f(key)",
        "KeyError",
        "ValueError",
    ),
    "an except of a group": (
        "def f(x):\n    try: x()\n    except* KeyError as e: raise e",
        "f(key)",
        "KeyError",
        "ValueError",
    ),
    "a with": ("def f(x):\n    with open(x) as g: return g.read(1)", "f(key)", "read(1)", "read(2)"),
    "an f-string": ("def f(x):\n    return f'{x!r:>{x}} a'", "f(key)", "!r", "!s"),
    "a format": ("def f(x):\n    return f'{x:.2f}'", "f(key)", ".2f", ".3f"),
    "a generator": ("def f(x):\n    yield x\n    yield from x", "list(f(key))", "yield x", "yield -x"),
    "a coroutine": ("async def f(x):\n    async for y in x: await y", "f(key)", "await y", "await y()"),
    "a class in a function": (
        "def f(x):\n    class A:\n        b = 1\n        def c(self): return self.b\n    return A",
        "f(key)",
        "b = 1",
        "b = 2",
    ),
    "a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    a: int\n    b: int = 1",
        "A(key)",
        "b: int = 1",
        "b: int = 2",
    ),
    "the order of fields": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    a: int\n    b: int",
        "A(1, 2)",
        "    a: int\n    b: int",
        "    b: int\n    a: int",
    ),
    "an attrs class": (
        "import attrs\n@attrs.frozen\nclass A:\n    a: int = 1\n    def b(self): return self.a",
        "A()",
        "return self.a",
        "return -self.a",
    ),
    "a default of an attrs class": (
        "import attrs\n@attrs.frozen\nclass A:\n    a: int = 1",
        "A()",
        "a: int = 1",
        "a: int = 2",
    ),
    "a named tuple": ("from collections import namedtuple\nA = namedtuple('A', 'a b')", "A(1, 2)", "'a b'", "'b a'"),
    "a typed named tuple": (
        "from typing import NamedTuple\nclass A(NamedTuple):\n    a: int = 1",
        "A()",
        "a: int = 1",
        "a: int = 2",
    ),
    "a member of an enumeration": ("import enum\nclass A(enum.Enum):\n    B = 1", "A.B", "B = 1", "B = 2"),
    "a method of an enumeration": (
        "import enum\nclass A(enum.Enum):\n    B = 1\n    def c(self): return 1",
        "A(1).c()",
        "return 1",
        "return 2",
    ),
    "an object of a class of the package": (
        "class A:\n    def __init__(self, a): self.a = a\n    def b(self): return 1\nB = A(1)",
        "B.b()",
        "return 1",
        "return 2",
    ),
    "its arguments": ("class A:\n    def __init__(self, a): self.a = a\nB = A(1)", "B.a", "A(1)", "A(2)"),
    "a closure": (
        "def outer(n):\n    def f(x): return x + n\n    return f\nf = outer(1)",
        "f(key)",
        "outer(1)",
        "outer(2)",
    ),
    "a function in a closure": (
        "def g(x): return x + 1\ndef outer(n):\n    def f(x): return n(x)\n    return f\nf = outer(g)",
        "f(key)",
        "x + 1",
        "x + 2",
    ),
    "a decorator of a library": (
        "import contextlib\n@contextlib.contextmanager\ndef f(x):\n    yield x + 1",
        "f(key)",
        "x + 1",
        "x + 2",
    ),
    "an object that a library makes of a function": (
        "import numpy as np\n@np.vectorize\ndef f(x):\n    return x + 1",
        "f(key)",
        "x + 1",
        "x + 2",
    ),
    "an argument of a library's decorator": (
        "from functools import lru_cache\n@lru_cache(maxsize=1)\ndef f(x):\n    return x",
        "f(key)",
        "maxsize=1",
        "maxsize=2",
    ),
    "a generic function": (
        "import functools\n@functools.singledispatch\ndef f(x):\n    return x\n"
        "@f.register\ndef _(x: int):\n    return 1",
        "f(key)",
        "return 1",
        "return 2",
    ),
    "a pattern": ("import re\nP = re.compile('a')", "P.match(key)", "'a'", "'b'"),
    "an array": ("import numpy as np\nA = np.array([1, 2])", "A @ A", "[1, 2]", "[1, 3]"),
    "an item of an array": ("import numpy as np\nA = np.zeros(3)\nB = A[1:]", "B @ B", "A[1:]", "A[2:]"),
    "a constant of a constant": ("A = 1\nB = A * 2\nC = (B, str(B))", "C[0]", "A = 1", "A = 3"),
    "a set": ("A = {'a', 'b', 'c'}", "A", "'c'", "'d'"),
    "minus zero": ("A = 0.0", "A", "0.0", "-0.0"),
    "a huge number": (f"A = {10**1000}", "A", f"{10**1000}", f"{10**1000 + 1}"),
    "a number of more digits than are written": ("A = 10**5000", "A", "5000", "5001"),
    "a literal of more digits": ("A = 0x1" + "0" * 5000, "A + 0x2" + "0" * 5000, "0x2", "0x3"),
    "a surrogate": ("A = '\\ud800'", "A", "ud800", "ud801"),
    "a deep sum": ("def f(x):\n    return " + "x + " * 600 + "1", "f(key)", "+ 1\n", "+ 2\n"),
    "a long sum that a constant is": ("A = " + "1 + " * 600 + "1", "A", "+ 1\n", "+ 2\n"),
    "a local import": ("", "__import__('math').pi", ".pi", ".e"),
    "arguments with stars": ("def f(*a, **b):\n    return a, b", "f(*key, **key)", "return a, b", "return b, a"),
    "a global that is shadowed": ("A = 1\ndef f(x):\n    return [A for A in x] + [A]", "f(key)", "A = 1", "A = 2"),
    "a global that a function sets": (
        "A = None\ndef f(x):\n    global A\n    A = x + 1\n    return A",
        "f(key)",
        "x + 1",
        "x + 2",
    ),
    "a function that two modules know": ("import math\nf = math.sin", "f(key)", "math.sin", "math.cos"),
    "a condition on a version": (
        "import sys\nif sys.version_info > (3, 0):\n    A = 1\nelse:\n    A = 0",
        "A",
        "A = 1",
        "A = 2",
    ),
    "a global of several names": ("A, B = 1, 2", "A", "1, 2", "3, 2"),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(imprint: Imprint, form: str) -> None:
    """A change within each form of code counts, and the same code elsewhere in its file gives the same."""
    before, make, old, new = FORMS[form]
    text = MAKE.format(before=before, make=make)
    assert old in text
    first = imprint({"__init__.py": "", "tables.py": text})
    assert (
        imprint({"__init__.py": "", "tables.py": text.replace("import djarrow", "# moved\n\nimport djarrow")}) == first
    )
    assert imprint({"__init__.py": "", "tables.py": text.replace(old, new)}) != first


def one_module(text: str) -> dict[str, str]:
    """The files of a package of one module."""
    return {"__init__.py": "", "tables.py": "import djarrow as dj\n" + textwrap.dedent(text)}


CLASSES = """
    class Mixin:
        def mixed(self): return 1

    class Base(dj.Computed, Mixin):
        def make(self, key): return self.step(key) + 2
        def step(self, key): return 3

    class Rate(Base):
        table = {"one": len}
        def make(self, key): return super().make(key) + type(self).of(key) + self.__class__.also(4)
        def step(self, key): return super().step(key) + 5 + self.mixed() + Helper().made(6)
        @classmethod
        def of(cls, key): return 7
        @staticmethod
        def also(value): return value + 8

    class Helper(dj.Manual):
        def made(self, value): return value + 9
        def unused(self): return 10
    """


@pytest.mark.parametrize("number", range(1, 10))
def test_methods(imprint: Imprint, number: int) -> None:
    """Methods are those that self has: overriding ones, those of super(), of mixins, of other tables where called."""
    text = (
        CLASSES.replace(f"return {number}\n", "return 11\n")
        .replace(f"+ {number}", "+ 11")
        .replace(f"({number})", "(11)")
    )
    assert text != CLASSES
    assert imprint(one_module(text)) != imprint(one_module(CLASSES))


def test_methods_that_are_not_used(imprint: Imprint) -> None:
    """A method of another table that make does not call is not in it."""
    assert imprint(one_module(CLASSES.replace("return 10", "return 11"))) == imprint(one_module(CLASSES))


MAKES = """
    class Rate(dj.Computed):
        def make_fetch(self, key): return 1
        def make_compute(self, key, rows): return 2
        def make_insert(self, key, result): return 3
        def make_batch(self, keys): return 4
        @property
        def make_query(self): return 5
        def other(self): return 6
    """


@pytest.mark.parametrize("number", range(1, 7))
def test_every_form_of_make(imprint: Imprint, number: int) -> None:
    """Each method that computes rows counts, in any order; another one does not."""
    same = imprint(one_module(MAKES.replace(f"return {number}", "return 7"))) == imprint(one_module(MAKES))
    assert same == (number == 6)


def test_bases_of_another_package(imprint: Imprint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A make that a base of another package defines counts, with the methods that it calls."""
    base = textwrap.dedent("""
        import djarrow as dj
        class Base(dj.Computed):
            def make(self, key): return self.step()
            def step(self): return 1
        """)
    found = []
    for number in (1, 2):
        folder = write(
            tmp_path / f"base{number}", {"__init__.py": base.replace("return 1", f"return {number}")}, "shared_lab"
        )
        forget("shared_lab")
        monkeypatch.syspath_prepend(str(folder))
        found.append(imprint(one_module("import shared_lab\nclass Rate(shared_lab.Base): pass")))
    forget("shared_lab")
    assert found[0] != found[1]


LATE = """
    class Rate(dj.Computed):
        def make(self, key):
            from .late import smooth, LIMIT
            from lab import late as other
            import lab.deep.deeper as deeper
            return smooth(key, LIMIT), other.second(key), deeper.third(), other.Settings.width, other.Mode.FAST
    """

LATE_FILES = {
    "__init__.py": "",
    "tables.py": "import djarrow as dj\n" + textwrap.dedent(LATE),
    "late.py": "import numpy as np\nfrom .more import base\nLIMIT = 1\nSCALE = np.float64(2)\n"
    "def smooth(x, limit=3):\n    return base(x) + SCALE + len(x)\ndef second(x):\n    return 4\n"
    "import enum\nclass Mode(enum.Enum):\n    FAST = 8\nclass Settings:\n    width = 9\n    other = 10\n",
    "more.py": "class A:\n    def b(self): return 5\ndef base(x):\n    return A().b() + 6\n",
    "deep/__init__.py": "",
    "deep/deeper.py": "from ..more import base\ndef third():\n    return base(7)\n",
}


def test_modules_that_are_imported_later(imprint: Imprint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What make imports by itself counts before it is imported, with the same result, and is not imported for it."""
    first = imprint(LATE_FILES)
    assert "lab.late" not in sys.modules
    assert "lab.deep" not in sys.modules
    found = sys.modules["lab.tables"]
    monkeypatch.syspath_prepend(str(Path(str(found.__file__)).parents[1]))
    found.Rate().make([1])
    assert "lab.deep.deeper" in sys.modules
    assert fingerprint(found.Rate) == first
    monkeypatch.setattr(sys.modules["lab.late"], "LIMIT", 100)
    assert fingerprint(found.Rate) != first


@pytest.mark.parametrize("number", range(1, 10))
def test_changes_of_modules_that_are_imported_later(imprint: Imprint, number: int) -> None:
    """A change in such a module, and in those that it imports, counts."""
    text = str(number)
    files = {
        name: content.replace(text, "99") if name != "late.py" or number != 4 else content.replace(" 4", " 99")
        for name, content in LATE_FILES.items()
    }
    files["late.py"] = files["late.py"].replace("float99", "float64")
    assert imprint(files) != imprint(LATE_FILES)


# --- nothing runs ----------------------------------------------------------------------------------------------------

HOSTILE = """
    import sys
    import types

    def fail(*args, **kwargs):
        raise AssertionError("ran")

    class Meta(type):
        def __getattribute__(cls, name): fail()
        def __eq__(cls, other): fail()
        __hash__ = type.__hash__
        def __instancecheck__(cls, other): fail()

    class Proxy:
        __class__ = property(fail)
        __eq__ = __getattr__ = __repr__ = __iter__ = __len__ = __bool__ = fail
        __hash__ = object.__hash__
        def __getattribute__(self, name): fail()

    class Text(str):
        __repr__ = __str__ = __eq__ = fail
        __hash__ = str.__hash__

    class Lazy(types.ModuleType):
        def __getattribute__(self, name): fail()

    class WithMeta(metaclass=Meta):
        pass

    class Descriptor:
        def __get__(self, instance, owner): fail()

    proxy = Proxy()
    text = Text("a")
    lazy = Lazy("lab.lazy")
    values = [proxy, text, {"a": proxy}, (lazy,)]
    default = object()

    def helper(value=proxy):
        return proxy.a, text, lazy.b, values, WithMeta.c, WithMeta(), default, proxy(), fail

    class Rate(dj.Computed):
        described = Descriptor()
        @property
        def level(self): fail()
        def make(self, key):
            return helper(), self.described, self.level, self.missing, lazy, proxy, values[0].a

    def __getattr__(name):
        fail()
    """


def test_nothing_runs(imprint: Imprint) -> None:
    """Properties, descriptors, proxies, lazy modules and metaclasses are not asked anything."""
    assert len(imprint(one_module(HOSTILE))) == 64


def test_circles(imprint: Imprint) -> None:
    """Functions that call each other, classes that make each other, and values that hold themselves end."""
    text = """
        A = []
        A.append(A)
        def f(x): return g(x)
        def g(x): return f(x) + len(A)
        class B:
            def c(self): return C()
        class C(B):
            def b(self): return B(), Rate.make
        class Rate(dj.Computed):
            def make(self, key): return f(1), B(), self.make(key)
        """
    assert imprint(one_module(text)) == imprint(one_module(text))
    assert imprint(one_module(text)) != imprint(one_module(text.replace("+ len", "- len")))


def test_no_make(imprint: Imprint) -> None:
    """A class without a make has a fingerprint, too, as every class without one."""
    assert imprint(one_module("class Rate(dj.Computed): pass")) == imprint(
        one_module("class Rate(dj.Manual): gain = 1")
    )


MEMOS = {
    "__init__.py": "",
    "memo.py": "KNOWN = {}\nLAST = None\nSEEN = [[]]\nclass State: pass\nSTATE = State()\nSTATE.count = 0\n",
    "tables.py": """
import functools
import djarrow as dj
from . import memo
from .memo import KNOWN

def counter():
    count = 0
    def counted():
        nonlocal count
        count += 1
        return count
    return counted

counted = counter()

@functools.lru_cache
def cached(x):
    return x

def collecting(x, into=[]):
    into.append(x)
    return into

class Rate(dj.Computed):
    memo = {}
    calls = 0
    def make(self, key):
        KNOWN[key] = 1
        memo.KNOWN.setdefault(key, 2)
        memo.LAST = key
        memo.SEEN[0].append(key)
        memo.STATE.count += 1
        self.memo[key] = 3
        Rate.calls += 1
        return counted(), cached(key), collecting(key), memo.LAST, self.calls
""",
}


def test_a_make_that_ran(imprint: Imprint) -> None:
    """What a make leaves behind in memos, counters, closures and defaults is not in the fingerprint of the next."""
    first = imprint(MEMOS)
    rate = sys.modules["lab.tables"].Rate
    rate.make(rate, 1)
    assert fingerprint(rate) == first
    del rate._fingerprint
    assert fingerprint(rate) == first


SETTINGS = """
    class Settings:
        width = 1
        other = 2
        class Deep:
            height = 3
            other = 4

    class Rate(dj.Computed):
        def make(self, key): return Settings.width, Settings.Deep.height
    """


@pytest.mark.parametrize("number", range(1, 5))
def test_a_class_of_constants(imprint: Imprint, number: int) -> None:
    """Of a class that is a list of settings, those that are read count."""
    same = imprint(one_module(SETTINGS.replace(f"= {number}", "= 5"))) == imprint(one_module(SETTINGS))
    assert same == (number in (2, 4))


PLACES = """
    import os, time, socket
    from pathlib import Path
    HERE = os.path.join(os.path.dirname(__file__), "data")
    FOLDER = Path(__file__).parent
    STARTED = time.time()
    WHERE = f"{socket.gethostname()} {os.getpid()} {__name__}"

    class Rate(dj.Computed):
        def make(self, key): return HERE, FOLDER, STARTED, WHERE
    """


def test_constants_of_a_machine(imprint: Imprint) -> None:
    """What differs by folder, process and time counts as it is written."""
    first = imprint(one_module(PLACES))
    assert imprint(one_module(PLACES)) == first
    assert imprint(one_module(PLACES.replace('"data"', '"other"'))) != first
    assert imprint(one_module(PLACES.replace("getpid", "getppid"))) != first


def test_the_form_is_kept(imprint: Imprint) -> None:
    """The fingerprint itself, which databases hold: a change of it, as by another Python, makes all results stale."""
    texts = [MAKE.format(before=before, make=make) for before, make, _, _ in FORMS.values()]
    found = [imprint(FILES), *(imprint({"__init__.py": "", "tables.py": text}) for text in texts)]
    digest = hashlib.sha256("".join(found).encode()).hexdigest()
    assert digest == "e08b053df23bf5388bd2b153c2d72dfaa8ccbf95ef6163a823325499e811d8fb"
