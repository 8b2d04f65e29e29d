"""Feature rows as Feast's online stores take them, each different value of a column made once.

Feast makes a protobuf of every value of every row; most columns of a night hold few different ones. Its own
conversion makes them here as well, so the bytes are the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa

Row = tuple[Any, dict[str, Any], datetime, datetime]


def online_rows(view: Any, rows: pa.RecordBatch) -> list[Row]:
    """Return entity key, features, event time and creation time of each row of a Feast view.

    Parameters
    ----------
    view
        A ``feast.FeatureView`` with one join key.
    rows
        Its join key, its features, ``event_timestamp`` and ``created``.
    """
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey

    (key,) = view.entity_columns
    names = [field.name for field in view.features]
    ids, *columns = (
        _values(rows.column(field.name), field.dtype.to_value_type())
        for field in (key, *view.features)
    )
    keys = (EntityKey(join_keys=[key.name], entity_values=[each]) for each in ids)
    features = (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
    times = (rows.column(name).to_pylist() for name in ("event_timestamp", "created"))
    return list(zip(keys, features, *times, strict=True))


def _values(column: pa.Array, kind: Any) -> list[Any]:
    """Return a column as Feast's ``Value``; equal values are one object."""
    from feast.protos.feast.types.Value_pb2 import Value
    from feast.type_map import python_values_to_proto_values

    coded = column.dictionary_encode()
    different = coded.dictionary.to_numpy(zero_copy_only=False)
    made = [*python_values_to_proto_values(different, kind), Value()]
    places = coded.indices.fill_null(len(made) - 1).to_numpy(zero_copy_only=False)
    return [made[at] for at in places.tolist()]
