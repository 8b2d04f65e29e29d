from __future__ import annotations

import re
import subprocess

from tests.conftest import ROOT


def verbs() -> set[str]:
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z-]+):(?:[^=]|$)", text, re.MULTILINE))


def test_every_make_command_in_the_documents_is_a_verb_of_the_makefile():
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for verb in re.findall(r"(?:^|`|\$ )make ([a-z-]+)", path.read_text(), re.MULTILINE):
            assert verb in verbs(), f"{path.name}: make {verb}"


def test_make_alone_lists_every_verb_that_has_an_explanation():
    listed = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    explained = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert explained
    for verb in explained:
        assert f"make {verb}" in listed


def test_every_hki_command_in_the_documents_exists():
    from typer.testing import CliRunner

    from hki_ml.cli import app

    known = CliRunner().invoke(app, ["--help"]).output
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for command in re.findall(r"(?:^|`|\$ |/)hki ([a-z]+)", path.read_text(), re.MULTILINE):
            assert re.search(rf"\b{command}\b", known), f"{path.name}: hki {command}"


def test_links_between_documents_lead_somewhere():
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
