"""The mapping of awards: a table with a row a deal and who took it; for backtests of matching."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from hki_ml.errors import MappingError
from hki_ml.mapping.format import Closed, Column, Dates, Filter, Layout, read_text
from hki_ml.mapping.leads import Join, LeadMapping, parse_lead_mapping

INVESTOR, PLACE, CLUSTER = "deal_investor", "deal_place", "deal_cluster"
RESERVED = (INVESTOR, PLACE, CLUSTER)


class DealIds(Closed, frozen=True):
    """Which columns tell one deal and its home."""

    deal: tuple[str, ...]
    property: tuple[str, ...] = ()


class DealMapping(Closed, frozen=True, kw_only=True):
    """A row a deal: when it was sold, who took it, and what was known of it before.

    Attributes
    ----------
    investor
        Who took it; rows without are left out.
    place
        A neighbourhood: what tastes are learned of.
    cluster
        What belongs together in intervals, e.g. a block.
    facts
        Only what was known before the sale; ``latitude`` and ``longitude`` by these names.
    fewest, years
        Candidates are who took at least so many in so many years before.
    """

    source: str
    event: Literal["deal"]
    id: DealIds
    sold: Dates
    investor: Column
    place: Column | None = None
    cluster: Column | None = None
    time_zone: str = "UTC"
    description: str = ""
    fewest: int = 10
    years: int = 3
    file: Layout = Layout()
    facts: dict[str, Column] = msgspec.field(default_factory=dict)
    join: tuple[Join, ...] = ()
    filters: tuple[Filter, ...] = ()

    def as_leads(self) -> LeadMapping:
        """Return how the file's rows are read: each a lead with who took it beside its facts."""
        said: dict[str, Any] = msgspec.to_builtins(self)
        facts = dict(said["facts"])
        for name, key in ((INVESTOR, "investor"), (PLACE, "place"), (CLUSTER, "cluster")):
            if said.get(key) is not None:
                facts[name] = said[key] | {"kind": "category"}
        kept = ("source", "time_zone", "description", "file", "join", "filters")
        return parse_lead_mapping({
            **{key: said[key] for key in kept},
            "event": "lead",
            "id": {"lead": said["id"]["deal"], "property": said["id"]["property"]},
            "created": said["sold"],
            "facts": facts,
        })  # fmt: skip


def is_of_deals(text: str) -> bool:
    """Tell whether a mapping's text says that it is one of deals; broken TOML is not."""
    try:
        return tomllib.loads(text).get("event") == "deal"
    except tomllib.TOMLDecodeError:
        return False


def load_deal_mapping(path: Path) -> DealMapping | None:
    """Return the mapping of deals that the file holds, ``None`` if it is of something else.

    Raises
    ------
    MappingError
        If it says something that we do not understand.
    """
    text = read_text(path)
    if not is_of_deals(text):
        return None
    raw = tomllib.loads(text)
    for name in ("investor", "place", "cluster"):
        if isinstance(raw.get(name), str):
            raw[name] = {"column": raw[name]}
    raw["facts"] = {
        k: {"column": v} if isinstance(v, str) else v for k, v in raw.get("facts", {}).items()
    }
    try:
        mapping = msgspec.convert(raw, DealMapping)
    except msgspec.ValidationError as error:
        raise MappingError(f"{path}: {error}") from error
    taken = [name for name in RESERVED if name in mapping.facts]
    if taken:
        raise MappingError(f"{path}: expected facts of other names than {', '.join(RESERVED)}")
    try:
        mapping.as_leads()
    except MappingError as error:
        raise MappingError(f"{path}: {error}") from error
    return mapping
