"""Results as pandas frames. pandas is no dependency: it is there where its users have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from djarrow.errors import MissingPackage
from djarrow.frame.results import to_values
from djarrow.model.heading import Attribute, Heading
from djarrow.model.types import Family

if TYPE_CHECKING:
    import pandas as pd


def to_pandas(source: pa.Table, heading: Heading, index: tuple[str, ...]) -> pd.DataFrame:
    """The result as a pandas frame of Arrow's dtypes. source: with declared types; index: attributes, maybe none.

    What pandas cannot sort or group in Arrow's own form has another one: enums are ordered categories, UUIDs objects,
    JSON is its text. Raises MissingPackage.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingPackage("pandas", what="to_pandas") from error
    columns = {a.name: _series(source.column(a.name), a, pd) for a in heading}
    frame = pd.DataFrame(columns, index=pd.RangeIndex(source.num_rows), columns=pd.Index(heading.names, dtype=object))
    return frame.set_index(list(index)) if index else frame


def _series(column: Any, attribute: Attribute, pd: Any) -> Any:
    match attribute.type.family:
        case Family.UUID:
            values = np.fromiter(to_values(column, attribute), dtype=object, count=len(column))
            return pd.Series(values, dtype=object)
        case Family.ENUM:
            kind = pd.CategoricalDtype(list(attribute.type.choices), ordered=True)
            return pd.Series(pd.Categorical(column.cast(pa.string()).to_pylist(), dtype=kind))
        case Family.JSON:
            text = pa.chunked_array([chunk.storage for chunk in column.chunks], pa.string())
            return pd.Series(pd.array(text, dtype=pd.ArrowDtype(pa.string())))
        case _:
            return pd.Series(pd.arrays.ArrowExtensionArray(column))
