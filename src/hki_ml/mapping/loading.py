"""A mapping as what it is: of homes and their sales, or of leads; and rows of both as events."""

from __future__ import annotations

import tomllib
from pathlib import Path

import polars as pl

from hki_ml.errors import MappingError
from hki_ml.mapping.format import Mapping, parse_mapping, read_text
from hki_ml.mapping.lead_wire import lead_events
from hki_ml.mapping.leads import LeadMapping, is_of_leads, parse_lead_mapping
from hki_ml.mapping.wire import to_events

AnyMapping = Mapping | LeadMapping


def load_mapping(path: Path) -> AnyMapping:
    """Return the mapping that the file holds.

    Raises
    ------
    MappingError
        If the file is missing, is no TOML, or says something that we do not understand.
    """
    text = read_text(path)
    try:
        if is_of_leads(text):
            return parse_lead_mapping(tomllib.loads(text))
        return parse_mapping(text)
    except MappingError as error:
        raise MappingError(f"{path}: {error}") from error


def events_of(rows: pl.DataFrame, mapping: AnyMapping) -> pl.DataFrame:
    """Return ``row_number``, ``event_id``, ``entity_id`` and ``event`` (JSON) of accepted rows.

    A row of sales is one event; a row of a table of leads is one or two.
    """
    if isinstance(mapping, LeadMapping):
        return lead_events(rows, mapping)
    return to_events(rows, mapping).with_columns(rows["row_number"])
