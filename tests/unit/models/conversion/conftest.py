import pandas as pd
import pytest

from hki_ml.models.conversion.train import train
from tests.unit.models.leads import lead_rows


@pytest.fixture(scope="session")
def rows():
    return lead_rows()


@pytest.fixture(scope="session")
def model(rows):
    return train(rows, as_of=pd.Timestamp("2021-09-01", tz="UTC"), seed=0, rounds=30)
