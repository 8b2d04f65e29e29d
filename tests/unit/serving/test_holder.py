from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hki_ml.errors import ArtifactRefused, Unavailable
from hki_ml.ledger import Experiment
from hki_ml.ports import ModelVersion
from hki_ml.serving.holder import ModelHolder

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class FolderRegistry:
    """A registry of text files; ``silent`` makes it unavailable, ``champion`` is what serves."""

    def __init__(self) -> None:
        self.champion: str | None = None
        self.silent = False
        self.downloads = 0
        self.slow_seconds = 0.0

    def resolve(self, model: str, alias: str) -> ModelVersion | None:
        if self.silent:
            raise Unavailable("expected an answer, got silence")
        if self.champion is None:
            return None
        return ModelVersion(model, self.champion, "", {}, aliases=(alias,))

    def version(self, model: str, version: str) -> ModelVersion:
        if self.silent:
            raise Unavailable("expected an answer, got silence")
        return ModelVersion(model, version, "", {})

    def download(self, version: ModelVersion, into: Path) -> Path:
        self.downloads += 1
        time.sleep(self.slow_seconds)
        (into / "model.txt").write_text(f"model {version.version}")
        return into


def read(folder: Path, version: str) -> str:
    content = (folder / "model.txt").read_text()
    if version.endswith("bad"):
        raise ArtifactRefused("expected a good model")
    return content


@pytest.fixture
def registry():
    return FolderRegistry()


@pytest.fixture
def hold(registry, tmp_path):
    return lambda: ModelHolder("m", registry=lambda: registry, load=read, cache=tmp_path)


def test_nothing_is_held_before_there_is_a_champion(hold):
    holder = hold()
    assert holder.refresh() is False
    assert holder.held is None


def test_the_champion_is_loaded_and_swapped_for_the_next_one(hold, registry):
    holder = hold()
    for version in ("1", "2"):
        registry.champion = version
        assert holder.refresh() is True
        assert (holder.held.model, holder.held.version) == (f"model {version}", version)
    assert holder.refresh() is False
    assert registry.downloads == 2


def test_a_version_that_cannot_be_loaded_leaves_the_present_one_and_is_not_tried_again(
    hold, registry
):
    holder = hold()
    registry.champion = "1"
    holder.refresh()
    registry.champion = "2bad"
    assert holder.refresh() is False
    assert holder.refresh() is False
    assert holder.held.version == "1"
    assert registry.downloads == 2


def test_the_last_good_version_outlives_the_registry_and_says_so(hold, registry):
    registry.champion = "7"
    hold().refresh()
    registry.silent = True
    later = hold()
    assert later.refresh() is True
    assert (later.held.model, later.held.is_last_good) == ("model 7", True)
    registry.silent = False
    assert later.refresh() is False
    assert later.held.is_last_good is False


def test_a_registry_that_falls_silent_takes_nothing_away(hold, registry):
    holder = hold()
    registry.champion = "1"
    holder.refresh()
    registry.silent = True
    assert holder.refresh() is False
    assert holder.held.is_last_good is False


@pytest.mark.parametrize("version", ["../1", "", "a/b", ".", "x" * 65, ".."])
def test_a_version_that_is_no_plain_name_never_becomes_a_path(hold, registry, version, tmp_path):
    registry.champion = version
    holder = hold()
    holder.refresh()
    assert holder.held is None
    assert registry.downloads == 0


def test_only_the_last_good_version_and_the_one_before_keep_their_folders(hold, registry, tmp_path):
    holder = hold()
    for version in ("1", "2", "3"):
        registry.champion = version
        holder.refresh()
    kept = sorted(p.name for p in (tmp_path / "m").glob("[!.]*"))
    assert kept == ["2", "3", "last_good.json"]


def test_the_version_before_comes_back_without_being_loaded_again(hold, registry):
    holder = hold()
    for version in ("1", "2", "1", "2"):
        registry.champion = version
        assert holder.refresh() is True
        assert (holder.held.model, holder.held.version) == (f"model {version}", version)
    assert registry.downloads == 2
    registry.silent = True
    later = hold()
    assert later.refresh() is True
    assert (later.held.version, later.held.is_last_good) == ("2", True)


def test_a_note_that_leads_out_of_the_cache_is_not_followed(hold, registry, tmp_path):
    registry.champion = "1"
    hold().refresh()
    (tmp_path / "model.txt").write_text("elsewhere")
    (tmp_path / "m" / "last_good.json").write_text('{"version": "1", "folder": "../"}')
    registry.silent = True
    later = hold()
    assert later.refresh() is False
    assert later.held is None


def test_the_watching_thread_loads_and_ends(hold, registry):
    registry.champion = "1"
    holder = hold()
    holder.watch(0.01)
    holder._thread.join(0.5)
    assert holder.held.version == "1"
    holder.close()
    assert not holder._thread.is_alive()


def test_services_that_share_a_cache_do_not_clear_it_under_one_another(hold, registry):
    registry.champion, registry.slow_seconds = "1", 0.05
    services = [hold() for _ in range(4)]
    with ThreadPoolExecutor(len(services)) as pool:
        assert list(pool.map(lambda each: each.refresh(), services)) == [True] * len(services)
    assert {each.held.model for each in services} == {"model 1"}


class OneExperiment:
    """An experiment of version 2 beside 1; takes note of what stopped it."""

    def __init__(self, challenger: str) -> None:
        self.experiment = Experiment(
            "e", "m", champion="1", challenger=challenger, share=0.5, since=NOW, started=NOW
        )
        self.stopped: list[str] = []

    def running(self, model: str) -> Experiment | None:
        return self.experiment if model == self.experiment.model else None

    def stop(self, experiment: Experiment, reason: str) -> None:
        self.stopped.append(f"{experiment.name}: {reason}")


def test_a_challenger_that_cannot_be_fetched_now_is_fetched_later(registry, tmp_path):
    known = OneExperiment("2")
    holder = ModelHolder(
        "m", registry=lambda: registry, load=read, cache=tmp_path, experiments=known
    )
    registry.champion = "1"
    holder.refresh()
    registry.silent = True
    holder.refresh_split()
    assert (holder.split, known.stopped) == (None, [])
    registry.silent = False
    holder.refresh_split()
    assert holder.split.model == "model 2"


def test_a_challenger_that_cannot_be_loaded_ends_its_experiment(registry, tmp_path):
    known = OneExperiment("2bad")
    holder = ModelHolder(
        "m", registry=lambda: registry, load=read, cache=tmp_path, experiments=known
    )
    registry.champion = "1"
    holder.refresh()
    holder.refresh_split()
    holder.refresh_split()
    assert known.stopped == ["e: it cannot be loaded: expected a good model"]
