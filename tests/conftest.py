"""What every test may ask for: settings in a folder of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hki_ml.settings import Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return embedded settings whose every file lies under the test's own folder."""
    return Settings(home=tmp_path / "hki", _env_file=None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of public data sets, or skip where it is missing."""
    folder = Path(os.environ.get("HKI_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no public data sets at {folder} (HKI_REAL_DATA)")
    return folder
