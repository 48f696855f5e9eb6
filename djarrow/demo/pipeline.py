"""The flights that left New York in 2013 as a pipeline: seven tables of data, and one that computes itself.

A table is a class. Its `definition` lists the attributes, one a line: above `---` those that tell its rows apart, below
it all others. An arrow refers to another table and brings the attributes that tell apart the rows there. Importing this
module needs no database: `schema` connects when one of its tables is first used. How the data get in: loading.py.
"""

from typing import Any

import numpy as np

import djarrow as dj

schema = dj.Schema("flights")


@schema
class Airline(dj.Lookup):
    """A lookup table holds facts that are part of the design: its `contents` are there from the start."""

    definition = """
    # airlines that fly from New York
    carrier : char(2)  # two-letter code
    ---
    airline : varchar(40)
    """
    contents = (
        ("9E", "Endeavor Air Inc."),
        ("AA", "American Airlines Inc."),
        ("AS", "Alaska Airlines Inc."),
        ("B6", "JetBlue Airways"),
        ("DL", "Delta Air Lines Inc."),
        ("EV", "ExpressJet Airlines Inc."),
        ("F9", "Frontier Airlines Inc."),
        ("FL", "AirTran Airways Corporation"),
        ("HA", "Hawaiian Airlines Inc."),
        ("MQ", "Envoy Air"),
        ("OO", "SkyWest Airlines Inc."),
        ("UA", "United Air Lines Inc."),
        ("US", "US Airways Inc."),
        ("VX", "Virgin America"),
        ("WN", "Southwest Airlines Co."),
        ("YV", "Mesa Airlines Inc."),
    )


@schema
class Month(dj.Lookup):
    """What the pipeline computes, it computes month by month."""

    definition = """
    # months of 2013
    month : uint8  # 1 to 12
    """
    contents = tuple((month,) for month in range(1, 13))


@schema
class Airport(dj.Manual):
    """A manual table takes what comes from outside: here, from a file."""

    definition = """
    # airports of the United States
    faa : char(3)  # code of the Federal Aviation Administration
    ---
    airport_name : varchar(60)
    latitude  : float64  # degrees north
    longitude : float64  # degrees east
    altitude  : int16    # feet
    utc_offset : int8    # hours from UTC, in winter
    daylight_saving : enum('A', 'N', 'U')  # US rules, none, unknown
    time_zone = null : varchar(30)         # IANA name
    """


@schema
class Plane(dj.Manual):
    """Types say what a value can be, comments what it means. `= null`: it may be missing."""

    definition = """
    # planes on the aircraft register
    tail_number : varchar(6)
    ---
    year_built = null : uint16
    plane_type : enum('Fixed wing multi engine', 'Fixed wing single engine', 'Rotorcraft')
    manufacturer : varchar(40)
    model : varchar(20)
    engines : uint8
    engine_type : enum('4 Cycle', 'Reciprocating', 'Turbo-fan', 'Turbo-jet', 'Turbo-prop', 'Turbo-shaft')
    seats : uint16
    cruise_speed = null : uint16  # miles per hour
    """


@schema
class Hour(dj.Manual):
    """Where flights and weather meet: both refer to it, so that `Flight * Weather` knows which rows belong together."""

    definition = """
    # hours in which flights leave or the weather is taken
    -> Month               # in New York
    time_hour : timestamp  # start of the hour, UTC
    ---
    day  : uint8  # of the month, in New York
    hour : uint8  # of the day, in New York
    unique index (time_hour)
    """


@schema
class Weather(dj.Manual):
    """Told apart by two references, one of them under a name of its own: `origin` is an airport's `faa`."""

    definition = """
    # weather at the airports of New York
    -> Airport.proj(origin='faa')
    -> Hour
    ---
    temperature = null : float64     # degrees Fahrenheit
    dew_point = null : float64       # degrees Fahrenheit
    humidity = null : float64        # percent
    wind_direction = null : uint16   # degrees
    wind_speed = null : float64      # miles per hour
    wind_gust = null : float64       # miles per hour
    precipitation : float64          # inches
    pressure = null : float64        # millibars at sea level
    visibility : float64             # miles
    """


@schema
class Flight(dj.Manual):
    """Real data have holes. What was recorded is kept; the reference beside it is NULL where it would lead nowhere."""

    definition = """
    # scheduled departures from New York; clock times are local, HHMM
    -> Hour
    -> Airport.proj(origin='faa')
    -> Airline
    flight_number : uint16
    ---
    -> [nullable] Plane
    -> [nullable] Airport.proj(destination='faa')
    recorded_tail_number = null : varchar(6)
    recorded_destination : char(3)
    scheduled_departure : uint16     # clock time
    scheduled_arrival : uint16       # clock time
    departure = null : uint16        # clock time; NULL: cancelled
    arrival = null : uint16          # clock time
    departure_delay = null : int16   # minutes; negative is early
    arrival_delay = null : int16     # minutes; negative is early
    air_time = null : uint16         # minutes
    distance : uint16                # miles
    """


@schema
class DelayModel(dj.Computed):
    """A computed table fills itself: `DelayModel.populate()` calls `make` for every key that has no row yet."""

    definition = """
    # how far the weather explains the delays of an airport in a month: a linear model, by least squares
    -> Airport.proj(origin='faa')
    -> Month
    ---
    flights : uint32        # that departed, in an hour with complete weather
    r_squared : float64     # share of the variance of the delays that the model explains
    residual_std : float64  # minutes; what it leaves unexplained
    """

    class Coefficient(dj.Part):
        """A part holds the rows that belong to one row of its master. They come and go together."""

        definition = """
        # delay = sum of estimate * term
        -> master
        term : enum('intercept', 'hour', 'wind_speed', 'precipitation', 'visibility')
        ---
        estimate : float64        # minutes per unit of the term
        standard_error : float64  # minutes per unit of the term
        """

    @property
    def key_source(self) -> dj.QueryExpression:
        """What to compute. Left out, it would be all airports in all months; only three have flights."""
        return Airport.proj(origin="faa") * Month & Flight

    def make(self, key: dict[str, Any]) -> None:
        """Fit the model to one airport and month, such as `{"origin": "JFK", "month": 7}`."""
        terms = ["hour", "wind_speed", "precipitation", "visibility"]
        # Flights stand beside the model, not above it: no foreign key says that it was made of them. Hence the leave.
        with dj.config.override(strict_reads="off"):
            flights = (Flight * Hour * Weather & key).to_polars("departure_delay", *terms).drop_nulls()

        delay = flights["departure_delay"].to_numpy()
        design = np.column_stack([np.ones(len(flights)), flights.select(terms).to_numpy()])
        inverse = np.linalg.pinv(design)  # delay = design @ estimate, in the sense of least squares
        estimate = inverse @ delay
        residual = delay - design @ estimate
        residual_std = np.sqrt(residual @ residual / (len(delay) - len(estimate)))
        standard_error = residual_std * np.sqrt((inverse**2).sum(axis=1))

        r_squared = 1 - residual.var() / delay.var()
        self.insert1({**key, "flights": len(delay), "r_squared": r_squared, "residual_std": residual_std})
        self.Coefficient.insert(
            {**key, "term": term, "estimate": value, "standard_error": error}
            for term, value, error in zip(["intercept", *terms], estimate, standard_error, strict=True)
        )
