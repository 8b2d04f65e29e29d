from __future__ import annotations

import re

import pytest
from pydantic import BaseModel

from hki_ml.errors import SettingsError
from hki_ml.settings import Settings, load_settings
from tests.conftest import ROOT


def documented() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(re.fullmatch(r"# (HKI_\w+)=(.*)", line).groups() for line in lines if "=" in line)


def declared(model: type[BaseModel], prefix: str = "HKI_") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= declared(kind, f"{prefix}{name.upper()}__")
        else:
            default = "" if field.default is None else str(field.default)
            found[prefix + name.upper()] = (
                default.lower() if default in {"True", "False"} else default
            )
    return found


def test_env_example_names_every_setting_with_its_default():
    assert documented() == declared(Settings)


def test_every_setting_is_described():
    text = (ROOT / ".env.example").read_text()
    for section in [Settings, *(field.annotation for field in Settings.model_fields.values())]:
        if isinstance(section, type) and issubclass(section, BaseModel):
            for name, field in section.model_fields.items():
                nested = isinstance(field.annotation, type) and issubclass(
                    field.annotation, BaseModel
                )
                assert nested or (field.description and field.description in text), name


def test_a_wrong_setting_is_named_with_what_came(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HKI_SERVING__PORT", "eighty")
    with pytest.raises(SettingsError, match=r"HKI_SERVING__PORT: .*'eighty'"):
        load_settings()


def test_an_unknown_setting_in_the_env_file_is_refused(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("HKI_SERVING__PROT=3000\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="PROT"):
        load_settings()
