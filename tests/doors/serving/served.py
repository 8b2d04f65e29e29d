"""Starting a real ``bentoml serve`` on a free loopback port, and ending it by its pid."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(home: Path, port: int) -> dict[str, str]:
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("HKI_", "BENTO", "PROMETHEUS"))
    }
    path = os.pathsep.join(map(str, (REPOSITORY / "src", REPOSITORY, HERE)))
    return kept | {
        "PYTHONPATH": path,
        "HKI_HOME": str(home),
        "HKI_SERVING__PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "HKI_SERVING__RELOAD_SECONDS": "0.2",
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(home / "bentoml"),
        "PYTHONUNBUFFERED": "1",
    }


@contextlib.contextmanager
def serving(
    home: Path,
    service: str = "HKI",
    *,
    module: str = "kc_service",
    ready: bool = True,
    **variables: str,
) -> Iterator[str]:
    """Yield the base URL of a running server whose stores lie in ``home``."""
    port = free_port()
    log = home / f"serve-{port}.log"
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", f"{module}:{service}"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=HERE,
            env=environment(home, port) | variables,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, "/readyz" if ready else "/livez", process, log)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _wait(url: str, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url + path, timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no server at {url}: {log.read_text()[-4000:]}")
