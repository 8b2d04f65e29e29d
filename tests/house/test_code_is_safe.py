"""What must never be reachable from the code, proven by reading it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

FORBIDDEN_MODULES = {"pickle", "cloudpickle", "joblib", "dill", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "yaml.load", "torch.load", "os.system", "np.load_pickle"}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("src", "bentos", "flows", "features"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text())


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def offences(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in FORBIDDEN_MODULES)
        if (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").split(".")[0] in FORBIDDEN_MODULES
        ):
            yield str(node.module)
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in FORBIDDEN_CALLS:
                yield f"{name}()"
            for keyword in node.keywords:
                is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if keyword.arg in {"shell", "allow_pickle"} and is_true:
                    yield f"{keyword.arg}=True"


def test_nothing_unpickles_evaluates_or_opens_a_shell():
    found = [
        f"{path.relative_to(ROOT)}: {what}" for path, tree in sources() for what in offences(tree)
    ]
    assert found == []


def test_the_check_itself_sees_what_it_is_for():
    planted = "import pickle\nfrom joblib import load\neval('1')\nrun(x, shell=True)\n"
    assert len(list(offences(ast.parse(planted)))) == 4


def test_numpy_files_are_loaded_without_pickle():
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and dotted(node.func) in {"np.load", "numpy.load"}:
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                said = isinstance(given.get("allow_pickle"), ast.Constant)
                assert said, f"{path}: np.load must say allow_pickle=False"


def test_no_file_of_the_library_is_longer_than_a_reader_likes():
    long = {
        str(path.relative_to(ROOT)): lines
        for path, _ in sources()
        if (lines := len(path.read_text().splitlines())) > 300
    }
    assert long == {}
