import pandas as pd
import pytest

from hki_ml.models.lead_scoring.predict import LeadScorer
from hki_ml.models.lead_scoring.train import train
from tests.unit.models.lead_scoring.market import START, market

CUTOFF = START + pd.Timedelta(days=380)


@pytest.fixture(scope="session")
def leads():
    return market()


@pytest.fixture(scope="session")
def scorer(leads):
    return train(leads, as_of=CUTOFF, seed=0)


@pytest.fixture(scope="session")
def room(scorer):
    return LeadScorer(scorer, version="7")


@pytest.fixture(scope="session")
def later(leads):
    return leads[leads["created_at"] >= CUTOFF].reset_index(drop=True)
