from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from hki_ml.learning.contracts import contract_moments
from hki_ml.models.risk import room
from hki_ml.simulation.market import events_table
from hki_ml.transforms.lead_state import Activity, Surroundings, lead_state
from hki_ml.transforms.leads import leads
from hki_ml.transforms.liens import liens
from tests.unit.simulation.town import END, town, world


@pytest.fixture(scope="session")
def contracts() -> pd.DataFrame:
    events = events_table(world(5_000), town())
    known = leads(events)
    rows = contract_moments(known, known_until=pd.Timestamp(END))
    asked = pa.Table.from_pandas(rows[["lead_id", "event_timestamp"]], preserve_index=False)
    activity = Activity.of(events.to_batches(), known["lead_id"].combine_chunks())
    state = lead_state(asked, known, activity, Surroundings(liens=liens(events))).to_pandas()
    return pd.concat([rows, state.drop(columns=["lead_id", "event_timestamp"])], axis=1)


@pytest.fixture(scope="session")
def report(contracts):
    cutoff = room.default_cutoff(contracts)
    return room.backtest(contracts, cutoff=cutoff, until=None, seed=0, threads=1)


@pytest.fixture(scope="session")
def model(report):
    return report.model
