"""The university of the manual (001 8.2): its tables with their types, and data of a size that queries feel.

The manual's names of types are written by their core names (`int unsigned` is uint32, `year` int16). The data are
made up here, from a fixed seed, but for the three students that 001 8.6.5 shows. No file is needed: `declare(schema)`
makes and fills everything in a second or two.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

import djarrow as dj

SEED = 20_230_915
STUDENTS = 2_000
DEFINITIONS: dict[str, str] = {
    "Student": """
        student_id    : uint32        # university ID
        ---
        first_name    : varchar(40)
        last_name     : varchar(40)
        sex           : enum('F', 'M', 'U')
        date_of_birth : date
        home_address  : varchar(200)  # street address
        home_city     : varchar(30)
        home_state    : char(2)       # two-letter abbreviation
        home_zipcode  : char(10)
        home_phone    : varchar(14)
        """,
    "Department": """
        dept         : char(6)       # abbreviated department name, e.g. BIOL
        ---
        dept_name    : varchar(200)  # full department name
        dept_address : varchar(200)  # mailing address
        dept_phone   : varchar(14)
        """,
    "StudentMajor": """
        -> Student
        ---
        -> Department
        declare_date : date  # when student declared her major
        """,
    "Course": """
        -> Department
        course      : uint32        # course number, e.g. 1010
        ---
        course_name : varchar(200)  # e.g. "Cell Biology"
        credits     : decimal(3,1)  # number of credits earned by completing the course
        """,
    "Term": """
        term_year : int16
        term      : enum('Spring', 'Summer', 'Fall')
        """,
    "Section": """
        -> Course
        -> Term
        section : char(1)
        ---
        room    : varchar(12)  # building and room code
        """,
    "CurrentTerm": """
        ---
        -> Term
        """,
    "Enroll": """
        -> Section
        -> Student
        """,
    "LetterGrade": """
        grade  : char(2)
        ---
        points : decimal(3,2)
        """,
    "Grade": """
        -> Enroll
        ---
        -> LetterGrade
        """,
}

SHOWN = [
    (112_360, "Rosie", "Aaronson", "F", "1988-10-24", "3 Ring Road", "Algoe", "NY", "12776", "2228477"),
    (123_460, "Aaron", "Aaronson", "M", "1980-02-12", "1 Drive Way", "Derry", "ME", "04401", "5553437"),
    (263_430, "Aaron", "Paul", "M", "1992-04-30", "123 Peppermint Tree", "Houston", "TX", "77401", "7135246"),
]
"""The students that 001 8.6.5 shows."""

FIRST = [
    "Ada",
    "Alan",
    "Alice",
    "Barbara",
    "Carl",
    "Dana",
    "Edsger",
    "Emmy",
    "Frances",
    "Grace",
    "Jean",
    "John",
    "Karen",
    "Leslie",
    "Mary",
    "Niklaus",
    "Sofia",
    "Tony",
]
LAST = [
    "Allen",
    "Backus",
    "Codd",
    "Dijkstra",
    "Floyd",
    "Gray",
    "Hamilton",
    "Hoare",
    "Hopper",
    "Knuth",
    "Lamport",
    "Liskov",
    "Lovelace",
    "Noether",
    "Turing",
]
CITIES = [
    ("Salt Lake City", "UT"),
    ("Provo", "UT"),
    ("Boise", "ID"),
    ("Houston", "TX"),
    ("Austin", "TX"),
    ("Derry", "ME"),
]
DEPARTMENTS = {
    "BIOL": ("Biology", "Cell Biology, Genetics, Ecology, Evolution, Neurobiology, Microbiology"),
    "CHEM": ("Chemistry", "Organic Chemistry, Physical Chemistry, Biochemistry, Spectroscopy, Polymers"),
    "CS": ("Computer Science", "Algorithms, Databases, Compilers, Operating Systems, Networks, Machine Learning"),
    "HIST": ("History", "Antiquity, Middle Ages, Renaissance, Industrial Revolution, Twentieth Century"),
    "MATH": ("Mathematics", "Calculus, Linear Algebra, Topology, Number Theory, Probability, Logic"),
    "MUSIC": ("Music", "Harmony, Counterpoint, Orchestration, Music History, Acoustics"),
    "PHYS": ("Physics", "Mechanics, Electrodynamics, Optics, Thermodynamics, Quantum Mechanics"),
    "PSYCH": ("Psychology", "Perception, Memory, Development, Statistics, Social Psychology"),
}
TERMS = [(year, term) for year in range(2019, 2024) for term in ("Spring", "Summer", "Fall")]
POINTS = "A:4.00 A-:3.67 B+:3.33 B:3.00 B-:2.67 C+:2.33 C:2.00 C-:1.67 D+:1.33 D:1.00 F:0.00"
GRADES = [(grade, points) for grade, _, points in (pair.partition(":") for pair in POINTS.split())]


def declare(schema: dj.Schema) -> SimpleNamespace:
    """The ten classes of the manual, as tables of this schema with their rows, by name."""
    made = {name: schema(type(name, (dj.Manual,), {"definition": text})) for name, text in DEFINITIONS.items()}
    classes: dict[str, Any] = made
    for name, rows in frames().items():
        classes[name].insert(rows)
    return SimpleNamespace(**made)


def frames() -> dict[str, pl.DataFrame]:
    """The rows of each table, parents first; the same at every call."""
    random = np.random.default_rng(SEED)
    students = _students(random)
    courses = _courses()
    sections = _sections(random, courses)
    enrolled = _enrolled(random, sections, students["student_id"])
    terms = pl.DataFrame(TERMS, schema={"term_year": pl.Int16, "term": pl.String}, orient="row")
    grades = pl.DataFrame(GRADES, schema=["grade", "points"], orient="row").with_columns(
        pl.col("points").cast(pl.Decimal(3, 2))
    )
    past = enrolled.filter((pl.col("term_year") < TERMS[-1][0]) | (pl.col("term") != TERMS[-1][1]))
    marks = random.choice([grade for grade, _ in GRADES], past.height, p=_falling(len(GRADES)))
    return {
        "Student": students,
        "Department": _departments(),
        "StudentMajor": _majors(random, students),
        "Course": courses,
        "Term": terms,
        "Section": sections,
        "CurrentTerm": terms.tail(1),
        "Enroll": enrolled,
        "LetterGrade": grades,
        "Grade": past.with_columns(grade=pl.Series(marks)),
    }


def _falling(count: int) -> Any:
    """Probabilities that fall evenly."""
    weights = np.arange(count, 0, -1)
    return weights / weights.sum()


def _students(random: np.random.Generator) -> pl.DataFrame:
    count = STUDENTS - len(SHOWN)
    city = random.integers(0, len(CITIES), count)
    born = np.datetime64("1992-01-01") + random.integers(0, 4500, count).astype("m8[D]")
    names = ["student_id", "first_name", "last_name", "sex", "date_of_birth", "home_address", "home_city", "home_state"]
    names += ["home_zipcode", "home_phone"]
    made = pl.DataFrame(
        {
            "student_id": 1000 + np.arange(count),
            "first_name": random.choice(FIRST, count),
            "last_name": random.choice(LAST, count),
            "sex": random.choice(["F", "M", "U"], count, p=[0.49, 0.49, 0.02]),
            "date_of_birth": born,
            "home_address": [f"{n} Elm Street" for n in random.integers(1, 2000, count)],
            "home_city": [CITIES[place][0] for place in city],
            "home_state": [CITIES[place][1] for place in city],
            "home_zipcode": [f"{n:05}" for n in random.integers(1000, 99_999, count)],
            "home_phone": [f"(555){n:03}-{m:04}" for n, m in random.integers(0, 1000, (count, 2))],
        }
    )
    shown = pl.DataFrame(SHOWN, schema=names, orient="row").with_columns(pl.col("date_of_birth").str.to_date())
    return pl.concat([made, shown])


def _departments() -> pl.DataFrame:
    rows = [
        (dept, name, f"{n} Campus Drive", f"(555)555-{n:04}")
        for n, (dept, (name, _)) in enumerate(DEPARTMENTS.items(), 1)
    ]
    return pl.DataFrame(rows, schema=["dept", "dept_name", "dept_address", "dept_phone"], orient="row")


def _majors(random: np.random.Generator, students: pl.DataFrame) -> pl.DataFrame:
    """Three students of four have a major."""
    chosen = students.filter(pl.Series(random.random(students.height) < 0.75))
    days = random.integers(0, 1500, chosen.height).astype("m8[D]")
    return chosen.select(
        "student_id",
        dept=pl.Series(random.choice(list(DEPARTMENTS), chosen.height)),
        declare_date=pl.Series(np.datetime64("2019-01-15") + days),
    )


def _courses() -> pl.DataFrame:
    rows = [
        (dept, 1010 + 1000 * (n // 2) + 10 * n, name, 3.0 if n % 3 else 4.0)
        for dept, (_, names) in DEPARTMENTS.items()
        for n, name in enumerate(names.split(", "))
    ]
    return pl.DataFrame(rows, schema=["dept", "course", "course_name", "credits"], orient="row")


def _sections(random: np.random.Generator, courses: pl.DataFrame) -> pl.DataFrame:
    """One to three sections of each course in spring and fall, and of a third of them in summer."""
    rows = []
    for dept, course in courses.select("dept", "course").rows():
        for year, term in TERMS:
            count = random.integers(1, 4) if term != "Summer" else int(random.random() < 1 / 3)
            rows += [(dept, course, year, term, "abc"[n], f"{dept} {random.integers(100, 400)}") for n in range(count)]
    names = ["dept", "course", "term_year", "term", "section", "room"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _enrolled(random: np.random.Generator, sections: pl.DataFrame, students: pl.Series) -> pl.DataFrame:
    """Ten to thirty students in each section; some sections have none."""
    rows = sections.drop("room")
    sizes = random.integers(10, 31, rows.height) * (random.random(rows.height) > 0.02)
    chosen = np.concatenate([random.choice(students.to_numpy(), size, replace=False) for size in sizes])
    repeated = rows[np.repeat(np.arange(rows.height), sizes)]
    return repeated.with_columns(student_id=pl.Series(chosen))
