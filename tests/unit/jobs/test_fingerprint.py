"""Fingerprints: what changes one, what does not, and that every process finds the same."""

from __future__ import annotations

import pytest

from tests.unit.jobs.lab import FILES, Imprint, changed

T, H, C = "tables.py", "helpers.py", "constants.py"

NOTHING = {
    "a comment": (T, "  # the inputs", "  # what goes in"),
    "a comment on a line of its own": (T, "        global COUNTS\n", "        # counted\n        global COUNTS\n"),
    "the docstring": (T, '"""Compute it."""', '"""Compute something."""'),
    "the docstring of a helper": (H, '"""Smooth."""', "'Otherwise.'"),
    "no docstring": (H, '    """Smooth."""\n', ""),
    "the docstring of the class": (T, '    """The rate."""\n', ""),
    "blank lines": (T, "        model = Model", "\n\n\n        model = Model"),
    "formatting": (T, 'row["x"] * self.gain for', "(\n row [ 'x' ]\n * self . gain)\n for"),
    "an annotation": (T, "width: int = 3", "width = 3"),
    "annotations of parameters": (H, "def window(values):", "def window(values: list[int]) -> list[int]:"),
    "an annotation alone": (T, "        model = Model", "        model: object\n        model = Model"),
    "a local": (T, "model", "fitted"),
    "a local of comprehensions": (T, "row", "entry"),
    "a parameter": (H, "def window(values):\n    return values[1:-1]", "def window(given):\n    return given[1:-1]"),
    "a parameter of a nested function": (T, "item", "element"),
    "a nested function": (T, "nested", "inner"),
    "a parameter of a lambda": (T, "lambda one: one +", "lambda each: each +"),
    "self": (T, "def offset(self, key)", "def offset(this, key)"),
    "the key": (
        T,
        'def offset(self, key):\n        return key["session"]',
        'def offset(self, k):\n        return k["session"]',
    ),
    "moved lines": (T, "THRESHOLD = 0.5\n", "\n\n\n\nTHRESHOLD = 0.5\n"),
    "how numpy is imported": (T, "import numpy as np", "import numpy as np, os as _os"),
    "an unused method": (T, "return 17", "return 18"),
    "an unused function": (H, "return 51", "return 52"),
    "an unused constant": (C, "OTHER = 62", "OTHER = 63"),
    "the make of a table that is read": (T, 'return "other"', 'return "another"'),
    "another member of an enumeration": (H, "SLOW = 2", "SLOW = 3"),
    "the definition": (T, 'session : int32\n    """', 'session : int64\n    """'),
    "a pass": (H, "    return values[1:-1]", "    pass\n    return values[1:-1]"),
    "how a number is written": (H, "SCALE = 100", "SCALE = 0x64"),
    "how a text is written": (T, '"rate": total', "'rate': total"),
}

CHANGES = {
    "an operator": (T, 'row["x"] *', 'row["x"] +'),
    "a comparison": (T, "> THRESHOLD", ">= THRESHOLD"),
    "a constant in make": (T, "+ self.shared(1)", "+ self.shared(2)"),
    "the type of a constant": (T, "+ self.shared(1)", "+ self.shared(1.0)"),
    "a threshold": (T, "THRESHOLD = 0.5", "THRESHOLD = 0.25"),
    "a constant that is imported": (C, "LIMIT = 61", "LIMIT = 60"),
    "a constant of a helper": (H, "SCALE = 100", "SCALE = 101"),
    "a constant that is called for": (T, "sum([1, 2, 3])", "sum([1, 2, 4])"),
    "a value deep in a constant": (T, "(3.0, None, True)", "(3.0, None, False)"),
    "what a memo begins with": (T, "MEMO = {}", "MEMO = {1: 2}"),
    "what a counter begins with": (T, "COUNTS = 0", "COUNTS = 5"),
    "a member of an enumeration": (H, "FAST = 1", "FAST = 0"),
    "another member": (T, "Mode.FAST", "Mode.SLOW"),
    "another function": (T, "total = s(values, width=width)", "total = helpers.scaled(values, width)"),
    "a called function of numpy": (T, "np.linalg.norm", "np.linalg.det"),
    "a function of Python": (T, "sum(map(", "max(map("),
    "a name of math": (T, "math.pi", "math.e"),
    "a default": (H, "width=5", "width=6"),
    "a default by name": (H, "start=0", "start=1"),
    "a default of a nested function": (T, "power=2", "power=3"),
    "a nested function": (T, "item ** power", "item * power"),
    "a lambda": (T, "one + TOTAL", "one - TOTAL"),
    "a helper": (H, "[start:width]", "[start:-width]"),
    "the helper of a helper": (H, "values[1:-1]", "values[1:-2]"),
    "a function in a constant": (H, "sum(values) / len(values)", "sum(values) / 2"),
    "a recursive function": (H, "n * recursive(n - 1)", "n + recursive(n - 1)"),
    "a function in a partial": (H, "value * factor", "value / factor"),
    "an argument of a partial": (T, "factor=0.5", "factor=0.6"),
    "a cached function": (H, "value + 21", "value + 22"),
    "a decorated function": (H, "value - 31", "value - 32"),
    "a decorator": (H, "for _ in range(times)", "for _ in range(times + 1)"),
    "an argument of a decorator": (H, "@measured(2)", "@measured(3)"),
    "a method": (T, 'key["session"] - 1', 'key["session"] - 2'),
    "a method of a base": (T, "return value + 1\n", "return value + 2\n"),
    "a property": (T, "self.gain + 7", "self.gain + 8"),
    "a static method": (T, "value * 11", "value * 12"),
    "a class method": (T, "cls.gain / 13", "cls.gain / 14"),
    "an attribute of the class": (T, "gain = 2.0", "gain = 2.5"),
    "a method of a class that is made": (H, "self.step(values) +", "self.step(values) -"),
    "a method that such a method calls": (H, "max(values)", "min(values)"),
    "a method of its base": (H, "return 41", "return 42"),
    "its constructor": (H, "self.limit = limit", "self.limit = -limit"),
    "its attribute": (H, "tolerance = 0.01", "tolerance = 0.02"),
    "a column": (T, '"rate": total', '"rates": total'),
    "a keyword": (T, "width=width", "start=width"),
    "a statement less": (T, "        width: int = 3\n", ""),
}


@pytest.mark.parametrize("change", NOTHING)
def test_what_changes_nothing(imprint: Imprint, change: str) -> None:
    """How the code is written, and code that make does not use, are not in its fingerprint."""
    assert imprint(changed(NOTHING[change])) == imprint(FILES)


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_it(imprint: Imprint, change: str) -> None:
    """What make does, by itself and through all that it uses of its package, is in its fingerprint."""
    assert imprint(changed(CHANGES[change])) != imprint(FILES)


SEVERAL = {
    "a parameter that calls name": ((H, "width", "size"), (T, "width=width", "size=width")),
    "how numpy is named": ((T, "import numpy as np", "import numpy"), (T, "np.linalg", "numpy.linalg")),
    "what of numpy is imported": (
        (T, "import numpy as np", "from numpy.linalg import norm"),
        (T, "np.linalg.norm", "norm"),
    ),
    "where numpy is imported": (
        (T, "import numpy as np\n", ""),
        (T, "        global COUNTS\n", "        global COUNTS\n        from numpy import linalg as la\n"),
        (T, "np.linalg.norm", "la.norm"),
    ),
    "how a helper is imported": ((T, "import smooth as s", "import smooth as t"), (T, "s(values,", "t(values,")),
    "through what a helper is imported": (
        (T, "smooth as s, ", ""),
        (T, "s(values, width", "helpers.smooth(values, width"),
    ),
    "how its module is imported": ((T, "from . import helpers", "import lab.helpers as helpers"),),
    "where a helper is imported": (
        (T, "smooth as s, ", ""),
        (T, "        global COUNTS\n", "        global COUNTS\n        from lab.helpers import smooth as s\n"),
    ),
    "the order of methods": (
        (
            T,
            "    def unused(self):\n        return 17\n",
            "    def offset(self, key):\n        return key['session'] - 1\n",
        ),
        (T, '    def offset(self, key):\n        return key["session"] - 1\n', ""),
    ),
    "the order of methods of a class that is made": (
        (H, "    def step(self, values):\n        return max(values) * self.tolerance\n", ""),
        (
            H,
            "    tolerance = 0.01\n",
            "    tolerance = 0.01\n    def step(self, it):\n        return max(it) * self.tolerance\n",
        ),
    ),
    "where a constant comes from": ((T, "import LIMIT", "import LIMIT as MOST"), (T, "limit=LIMIT", "limit=MOST")),
}


@pytest.mark.parametrize("change", SEVERAL)
def test_what_changes_nothing_at_several_places(imprint: Imprint, change: str) -> None:
    """A rename at all its places, another way to import the same, and another order change nothing."""
    assert imprint(changed(*SEVERAL[change])) == imprint(FILES)
