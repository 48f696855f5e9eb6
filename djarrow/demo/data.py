"""Where the demo's files are: beside this module in an installed package, in `fixtures/` of a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from djarrow.errors import DemoError

if TYPE_CHECKING:
    import polars as pl

_PLACES = (Path(__file__).parent / "data", Path(__file__).parents[2] / "fixtures" / "flights")


def data_folder() -> Path:
    """The folder of the Parquet files. Raises DemoError where there is none."""
    for place in _PLACES:
        if (place / "flights.parquet").is_file():
            return place
    looked = " and ".join(map(str, _PLACES))
    raise DemoError(f"The flights' data are not in {looked}. Install djarrow again, from a wheel or a whole checkout.")


def read(name: str) -> pl.DataFrame:
    """One of airlines, airports, flights, planes, weather, as it was published. See README.md beside the files."""
    import polars as pl

    return pl.read_parquet(data_folder() / f"{name}.parquet")
