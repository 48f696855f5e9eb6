"""Five questions to the pipeline, each a function that gives a query expression. What asks them is run.py.

An expression says which rows there are. Nothing runs until it is fetched, and then where its tables are: on the server,
or in files that were exported from it.
"""

from __future__ import annotations

from collections.abc import Callable

import djarrow as dj
from djarrow.demo.pipeline import Airline, Airport, DelayModel, Flight, Plane, Weather
from djarrow.table.expression import QueryExpression


def cancelled() -> QueryExpression:
    """The airlines that cancelled the largest part of their flights."""
    counts = Airline.aggr(Flight, "airline", flights="count(*)", cancelled="sum(departure is null)")
    return counts.proj(..., percent="round(100 * cancelled / flights, 2)") & dj.Top(3, "percent DESC")


def without_weather() -> QueryExpression:
    """The origins, and how many of their flights fall in how many hours without weather."""
    origins = Airport.proj(origin="faa") & Flight
    return origins.aggr(Flight - Weather, flights="count(*)", hours="count(distinct time_hour)")


def made_up_time() -> QueryExpression:
    """The flights of large planes that made up most time on the way, in minutes."""
    flights = Flight.proj("tail_number", made_up="departure_delay - arrival_delay")
    planes = Plane.proj("model", "seats") & "seats > 350"
    return flights * planes & dj.Top(3, "made_up DESC")


def bad_weather() -> QueryExpression:
    """The airlines with the longest delays, where and when the weather explains delays best."""
    flights = Flight & (DelayModel & dj.Top(1, "r_squared DESC"))
    delays = Airline.aggr(flights, "airline", flights="count(*)", mean_delay="avg(departure_delay)")
    return delays & dj.Top(3, "mean_delay DESC")


def wind() -> QueryExpression:
    """The origins and months in which wind delayed flights most surely, in minutes per mile an hour."""
    models = DelayModel * DelayModel.Coefficient & "term = 'wind_speed'"
    return models.proj("r_squared", "estimate", t="estimate / standard_error") & dj.Top(3, "t DESC")


Question = Callable[[], QueryExpression]

QUESTIONS: tuple[tuple[Question, str], ...] = (
    (cancelled, "percent DESC"),
    (without_weather, "KEY"),
    (made_up_time, "made_up DESC"),
    (bad_weather, "mean_delay DESC"),
    (wind, "t DESC"),
)
"""Each question, and the order in which its rows are shown."""
