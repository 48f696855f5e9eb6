"""From the published files to frames that fit the pipeline's tables: renamed, with the holes kept as holes."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from djarrow.demo.data import read
from djarrow.demo.pipeline import Airport, Flight, Hour, Plane, Weather
from djarrow.table.table import Table


def frames() -> Iterator[tuple[type[Table], pl.DataFrame]]:
    """The tables to load and their rows, parents before children."""
    airports, planes, weather, flights = map(read, ("airports", "planes", "weather", "flights"))
    yield Airport, _airports(airports)
    yield Plane, _planes(planes)
    yield Hour, _hours(flights, weather)
    yield Weather, _weather(weather)
    yield Flight, _flights(flights, airports, planes)


def _airports(airports: pl.DataFrame) -> pl.DataFrame:
    return airports.select(
        "faa",
        airport_name="name",
        latitude="lat",
        longitude="lon",
        altitude="alt",
        utc_offset="tz",
        daylight_saving="dst",
        time_zone="tzone",
    )


def _planes(planes: pl.DataFrame) -> pl.DataFrame:
    return planes.select(
        "manufacturer",
        "model",
        "engines",
        "seats",
        tail_number="tailnum",
        year_built="year",
        plane_type="type",
        engine_type="engine",
        cruise_speed="speed",
    )


def _hours(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    columns = ("month", "time_hour", "day", "hour")
    return pl.concat([flights.select(columns), weather.select(columns)]).unique().sort("time_hour")


def _weather(weather: pl.DataFrame) -> pl.DataFrame:
    return weather.select(
        "origin",
        "month",
        "time_hour",
        "wind_speed",
        "wind_gust",
        "pressure",
        temperature="temp",
        dew_point="dewp",
        humidity="humid",
        wind_direction="wind_dir",
        precipitation="precip",
        visibility="visib",
    )


def _flights(flights: pl.DataFrame, airports: pl.DataFrame, planes: pl.DataFrame) -> pl.DataFrame:
    """What was recorded, and beside it the plane and the destination where those are known, else NULL."""
    registered = pl.col("tailnum").is_in(planes["tailnum"].to_list())
    listed = pl.col("dest").is_in(airports["faa"].to_list())
    return flights.select(
        "month",
        "time_hour",
        "origin",
        "carrier",
        "air_time",
        "distance",
        flight_number="flight",
        tail_number=pl.when(registered).then("tailnum"),
        destination=pl.when(listed).then("dest"),
        recorded_tail_number="tailnum",
        recorded_destination="dest",
        scheduled_departure="sched_dep_time",
        scheduled_arrival="sched_arr_time",
        departure="dep_time",
        arrival="arr_time",
        departure_delay="dep_delay",
        arrival_delay="arr_delay",
    )
