"""What the tests of the serving doors share: stores of real sales, a server, a browser."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(items):
    # BentoML 1.4.39 imports pathspec, attrs and OpenTelemetry by names that these have deprecated.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


@pytest.fixture(scope="session")
def stores_home(tmp_path_factory):
    from kc_stores import prepare

    home = tmp_path_factory.mktemp("king-county")
    prepare(home)
    return home


@pytest.fixture
def own_stores(stores_home, tmp_path):
    """A copy that a test may silence or repoint."""
    home = tmp_path / "stores"
    shutil.copytree(stores_home, home, ignore=shutil.ignore_patterns("models", "bentoml", "*.log"))
    return home


@pytest.fixture(scope="session")
def server(stores_home):
    from served import serving

    with serving(stores_home) as url:
        yield url


@pytest.fixture
def browser(tmp_path):
    from chromium import Chromium

    program = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if program is None:
        pytest.skip("no Chromium on this machine")
    chromium = Chromium(program, tmp_path / "profile")
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def application(stores_home):
    from kc_client import application

    with application(stores_home) as running:
        yield running


@pytest.fixture
def client(application):
    return application.front


@pytest.fixture
def value(client):
    """Ask for a value; the answer as it came."""
    from kc_client import VALUE

    def ask(**content):
        return client.post(VALUE, json=content)

    return ask


@pytest.fixture(scope="session")
def leads_home(tmp_path_factory):
    from leads_home import prepare

    home = tmp_path_factory.mktemp("leads")
    prepare(home)
    return home


@pytest.fixture(scope="session")
def leads_application(leads_home):
    from leads_home import application

    with application(leads_home) as running:
        yield running


@pytest.fixture
def leads(leads_application):
    """The client of a service that knows simulated leads."""
    return leads_application.front


@pytest.fixture(scope="session")
def leads_server(leads_home):
    """A server of its own over the same leads, its runners embedded."""
    from leads_service import serving_leads

    with serving_leads(leads_home) as url:
        yield url
