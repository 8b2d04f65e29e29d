"""Where the feature tables lie: Delta tables of the lake, at the address the settings give."""

from feast import FileSource
from feast.data_format import DeltaFormat

from hki_ml.settings import load_settings
from hki_ml.tables import table_address


def lake_source(table: str) -> FileSource:
    """Return the Feast source of a lake table that has event_timestamp and created columns."""
    settings = load_settings()
    return FileSource(
        name=table,
        path=table_address(settings, table),
        file_format=DeltaFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
