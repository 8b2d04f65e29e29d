"""Reading the registry directly equals asking MLflow's own client."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from hki_ml.adapters.registry_mlflow import MlflowRegistry
from hki_ml.errors import NotFound, Unavailable
from hki_ml.settings import RegistrySettings, Settings
from tests import servers


@pytest.fixture(scope="module", params=["embedded", "server"])
def registry(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowRegistry]:
    home = tmp_path_factory.mktemp("home")
    if request.param == "embedded":
        yield MlflowRegistry(Settings(home=home, _env_file=None))
        return
    with servers.mlflow(home) as url:
        yield MlflowRegistry(
            Settings(home=home, registry=RegistrySettings(mlflow_url=url), _env_file=None)
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    (made / "manifest.json").write_text("{}")
    (made / "part").mkdir()
    (made / "part" / "trees.npz").write_bytes(b"\x00\x01")
    return made


@pytest.fixture(scope="module")
def two_versions(registry, folder):
    assert registry.versions("valuation") == []
    made = [
        registry.register(
            "valuation", folder, figures={"mdape": figure}, params={"seed": "1"}, tags={"run": name}
        )
        for name, figure in (("first", 0.09), ("second", 0.08))
    ]
    registry.point("valuation", "champion", made[0].version)
    return made


def test_a_registered_version_keeps_its_figures_tags_and_files(
    registry, two_versions, folder, tmp_path
):
    newest = registry.versions("valuation")[0]
    assert newest.figures == {"mdape": 0.08}
    assert newest.tags == {"run": "second"}
    into = registry.download(newest, tmp_path / "copy")
    names = sorted(str(path.relative_to(into)) for path in into.rglob("*") if path.is_file())
    assert names == ["manifest.json", "part/trees.npz"]
    assert (into / "part" / "trees.npz").read_bytes() == b"\x00\x01"


def test_one_file_is_read_alone(registry, two_versions):
    newest = registry.versions("valuation")[0]
    assert registry.file(newest, "manifest.json") == b"{}"
    assert registry.file(newest, "part/trees.npz") == b"\x00\x01"
    with pytest.raises(NotFound, match=r"card\.md"):
        registry.file(newest, "card.md")


def test_an_alias_moves_and_only_one_version_bears_it(registry, two_versions):
    for made in two_versions:
        registry.point("valuation", "champion", made.version)
        champion = registry.resolve("valuation", "champion")
        assert champion is not None
        assert champion.version == made.version
    bearers = [found for found in registry.versions("valuation") if "champion" in found.aliases]
    assert len(bearers) == 1


def test_what_is_read_directly_is_what_mlflow_itself_says(registry, two_versions):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = registry._client()
        for found in registry.versions("valuation"):
            theirs = client.get_model_version("valuation", found.version)
            assert found.location == theirs.source
            assert dict(found.tags) == theirs.tags
            assert dict(found.figures) == client.get_run(theirs.run_id).data.metrics
        alias = client.get_model_version_by_alias("valuation", "champion")
    assert str(alias.version) == registry.resolve("valuation", "champion").version


def test_an_unknown_model_alias_or_version_is_told_apart_from_a_dead_server(registry, two_versions):
    assert registry.resolve("valuation", "nobody") is None
    assert registry.resolve("unheard_of", "champion") is None
    with pytest.raises(NotFound, match="'99'"):
        registry.version("valuation", "99")


def test_a_server_that_does_not_answer_is_unavailable_at_once(tmp_path):
    settings = Settings(
        home=tmp_path, registry=RegistrySettings(mlflow_url="http://127.0.0.1:9"), _env_file=None
    )
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        MlflowRegistry(settings).versions("valuation")
