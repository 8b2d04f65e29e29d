"""What is really so in the simulated market is reachable by no feature, model or step of the path."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

TRUTH = "hki_ml.simulation"
MAY_KNOW = ("src/hki_ml/simulation/", "src/hki_ml/terminal/", "src/hki_ml/demo.py")


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offenders(files: Iterator[tuple[str, str]]) -> list[str]:
    return [
        name
        for name, text in files
        if not name.startswith(MAY_KNOW)
        and any(f"{each}.".startswith(f"{TRUTH}.") for each in imports(ast.parse(text)))
    ]


def test_only_the_simulation_and_its_command_know_of_it() -> None:
    files: list[Path] = []
    for folder in ("src", "features", "flows", "bentos"):
        files += sorted((ROOT / folder).rglob("*.py"))
    assert offenders((str(path.relative_to(ROOT)), path.read_text()) for path in files) == []


def test_the_check_itself_sees_what_it_is_for() -> None:
    planted = [
        ("src/hki_ml/transforms/leads.py", "from hki_ml.simulation.truth import truth"),
        ("src/hki_ml/pipeline/train.py", "from hki_ml import simulation"),
        ("features/leads.py", "import hki_ml.simulation.path"),
        ("src/hki_ml/terminal/simulating.py", "from hki_ml.simulation.truth import truth"),
    ]
    assert len(offenders(iter(planted))) == 3


def test_the_truth_is_no_table_of_the_lake() -> None:
    from hki_ml.tables import SCHEMAS

    columns = {column for schema in SCHEMAS.values() for column in schema.names}
    assert not any(name.startswith(("p_close_", "cif_", "is_protected")) for name in columns)
