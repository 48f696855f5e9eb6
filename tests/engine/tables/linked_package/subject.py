"""Who is recorded. Refers to nothing."""

from __future__ import annotations

import djarrow as dj

schema = dj.schema()


def activate(schema_name: str | None, *, create_schema: bool = True, create_tables: bool = True) -> None:
    """Declare the tables of this module in a schema of the database."""
    schema.activate(schema_name, create_schema=create_schema, create_tables=create_tables)


@schema
class Strain(dj.Lookup):
    """A line of animals."""

    definition = """
    strain : varchar(16)
    """
    contents = zip(("C57BL/6", "Long-Evans"))


@schema
class Subject(dj.Manual):
    """An animal."""

    definition = """
    subject : varchar(8)
    ---
    sex = 'U' : enum('M', 'F', 'U')
    """

    class Line(dj.Part):
        definition = """
        -> master
        -> Strain
        """
