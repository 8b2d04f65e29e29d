"""Adding a model is one folder, one line in the catalogue and one runner: this names what is missing."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from hki_ml.catalog import ROOMS, room
from hki_ml.errors import NotFound
from hki_ml.models.model import Model
from tests.conftest import ROOT

FILES = "labels features train artifact evaluate predict explain room".split()  # noqa: SIM905
MODELS = ROOT / "src" / "hki_ml" / "models"


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_has_the_files_that_every_room_has(name):
    missing = [file for file in FILES if not (MODELS / name / f"{file}.py").exists()]
    assert missing == []
    assert (MODELS / name / "card.md").exists()


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_has_its_runner_and_its_feature_service(name):
    assert (ROOT / "bentos" / f"{name}.py").exists()
    assert f'name="{name}"' in (ROOT / "features" / "services.py").read_text()
    assert f"bentoml.depends({name.title().replace('_', '')}" in (
        ROOT / "bentos" / "service.py"
    ).read_text().replace("\n", "")


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_answers_to_every_verb_of_the_path(name):
    found = room(name)
    for verb, asked in inspect.getmembers(Model, inspect.isfunction):
        if verb.startswith("_"):
            continue
        answers = list(inspect.signature(getattr(found, verb)).parameters)
        assert answers == list(inspect.signature(asked).parameters)[1:], verb
    assert name == found.NAME


def test_every_folder_of_a_model_stands_in_the_catalogue():
    folders = {path.name for path in MODELS.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ROOMS)


def test_a_room_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(NotFound, match=r"valuation.*'valuatoin'"):
        room("valuatoin")


def test_the_tests_mirror_the_rooms():
    for name in ROOMS:
        assert (Path(__file__).parents[1] / "unit" / "models" / name).is_dir()
