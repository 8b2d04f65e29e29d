import pandas as pd
import pytest

from hki_ml.models.time_to_close.cox import Terms
from hki_ml.models.time_to_close.train import train
from tests.unit.models.leads import lead_rows


@pytest.fixture(scope="session")
def rows():
    return lead_rows()


@pytest.fixture(scope="session")
def model(rows):
    terms = Terms(breaks=(20.0,))
    return train(rows, as_of=pd.Timestamp("2021-09-01", tz="UTC"), seed=0, terms=terms)
