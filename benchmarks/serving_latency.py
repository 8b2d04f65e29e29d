"""How long an answer takes at 100 requests a second: the front door beside BentoML's own path.

An open loop over real sockets on loopback: each request has its moment of sending, and its latency counts
from that moment, so that a stalled server is charged for everyone who had to wait. The servers run one
after the other in the same run, round by round, because only their ratio travels to another machine.

    python benchmarks/serving_latency.py --seconds 20 --rate 100 --out serving.json

The services of ``tests/doors/serving`` answer, with a plain comparables model on King County sales: that
measures the doors. With ``--artifact`` (a folder that the valuation room saved, of the same sales) the room
itself answers, through the front door. With ``--home`` (an HKI_HOME with a champion) the real service does,
first with every home asked for once, so that no answer can come from memory; then with 100 homes asked for
again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOORS = ROOT / "tests" / "doors" / "serving"
FLOOR_P95_MS = 20.0  # p95 at 100 requests/s, with comparables and drivers


class Connection:
    """One kept-alive HTTP/1.1 connection; uvicorn closes it after five idle seconds, so we do before."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def post(self, raw: bytes) -> int:
        """Send one request and return its status once the whole body is there."""
        if self._streams is not None and time.monotonic() - self._used > 3:
            self._streams[1].close()
            self._streams = None
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        await reader.readexactly(length)
        self._used = time.monotonic()
        return int(head.split(b" ", 2)[1])


async def open_loop(port: int, raws: list[bytes], *, rate: float, seconds: float) -> list[float]:
    """Return latencies in ms from the intended send time; raises if an answer is not 200."""
    free: list[Connection] = []
    latencies: list[float] = []
    start = time.perf_counter() + 0.1

    async def ask(number: int) -> None:
        intended = start + number / rate
        await asyncio.sleep(max(0.0, intended - time.perf_counter()))
        connection = free.pop() if free else Connection(port)
        status = await connection.post(raws[number % len(raws)])
        latencies.append((time.perf_counter() - intended) * 1000)
        free.append(connection)
        if status != 200:
            raise RuntimeError(f"expected 200, got {status}")

    await asyncio.gather(*(ask(i) for i in range(round(rate * seconds))))
    return latencies


def quantiles(latencies: list[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the worst in ms."""
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    found = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(latencies)}
    return {name: round(value, 3) for name, value in found.items()}


@contextlib.contextmanager
def serving(service: str, home: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """Yield (port, pid) of a server that is ready; it is ended by its pid."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = os.pathsep.join(map(str, (ROOT / "src", ROOT, DOORS)))
    told = {
        "PYTHONPATH": path,
        "HKI_HOME": str(home),
        "HKI_SERVING__PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(home / "bentoml"),
    }
    program = str(Path(sys.executable).parent / "bentoml")
    with (home / f"{service.replace(':', '-')}.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", service, "--port", str(port)],
            cwd=folder,
            env=os.environ | told,
            stdout=log,
            stderr=log,
        )
        try:
            _ready(port)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(30)


def _ready(port: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"expected a server at port {port} within 120 s")
        time.sleep(0.2)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a server's processes have used."""
    import psutil

    parent = psutil.Process(pid)
    times = [p.cpu_times() for p in (parent, *parent.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def requests(port: int, homes: int) -> list[bytes]:
    """Return whole requests for up to that many homes that the server knows, with the default answer."""
    ids: dict[str, None] = {}
    for query in ("", *(f"{start:02d}" for start in range(100))):
        url = f"http://127.0.0.1:{port}/api/v1/ml/properties?limit={min(homes, 100)}&query={query}"
        with urllib.request.urlopen(url) as told:
            ids |= {home["propertyId"]: None for home in json.load(told)["data"]["homes"]}
        if len(ids) >= homes:
            break
    return [_raw(json.dumps({"propertyId": i}).encode()) for i in list(ids)[:homes]]


def _raw(body: bytes) -> bytes:
    head = (
        "POST /api/v1/ml/value-property HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure(
    service: str, home: Path, raws: list[bytes], args: argparse.Namespace
) -> dict[str, float]:
    """Return the latencies of one server, after a second of warm-up, and its CPU time a request."""
    folder = ROOT if service.startswith("bentos.") else DOORS
    with serving(service, home, folder) as (port, pid):
        return _measured(port, pid, raws, args)


def _measured(port: int, pid: int, raws: list[bytes], args: argparse.Namespace) -> dict[str, float]:
    warm_up = round(2 * args.rate)
    asyncio.run(open_loop(port, raws[-warm_up:], rate=args.rate, seconds=2))
    before = cpu_seconds(pid)
    latencies = asyncio.run(open_loop(port, raws, rate=args.rate, seconds=args.seconds))
    used = (cpu_seconds(pid) - before) / len(latencies) * 1000
    return {**quantiles(latencies), "cpu_ms": round(used, 3), "n": len(latencies)}


def measure_home(home: Path, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return the latencies of the real service: each home once, then the same homes again and again."""
    wanted = round((args.seconds + 2) * args.rate)
    with serving("bentos.service:HKI", home, ROOT) as (port, pid):
        each = requests(port, wanted)
        if len(each) < wanted:
            raise ValueError(f"expected {wanted} homes, each to be asked once, got {len(each)}")
        return {
            "each home once": _measured(port, pid, each, args),
            "100 homes again": _measured(port, pid, each[:100], args),
        }


def measure_doors(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return the latencies of the doors over the King County stores, ours first."""
    ours = "kc_service:ROOM" if args.artifact else "kc_service:HKI"
    stock = [] if args.artifact else ["kc_service:INLINE", "kc_service:STOCK"]
    sys.path[:0] = [str(DOORS), str(ROOT / "src")]
    from kc_stores import point, prepare

    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        prepare(home)
        if args.artifact:
            shutil.copytree(args.artifact, home / "registry" / "room")
            point(home, "room")
        with serving(ours, home, DOORS) as (port, _):
            raws = requests(port, 100)
        return {service: measure(service, home, raws, args) for service in [ours, *stock]}


def main() -> int:
    """Measure, print a table, write JSON; return 1 if the floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--home", type=Path, help="an HKI_HOME with a champion: measures the room")
    parser.add_argument("--artifact", type=Path, help="a saved valuation of the King County sales")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found = measure_home(args.home, args) if args.home else measure_doors(args)
    ours = next(iter(found))
    print(f"load {os.getloadavg()[0]:.2f} at the end, {os.cpu_count()} cores")
    print(f"{'service':24}" + "".join(f"{name:>10}" for name in found[ours]) + f"{'p95 ratio':>12}")
    for service, figures in found.items():
        ratio = figures["p95"] / found[ours]["p95"]
        print(f"{service:24}" + "".join(f"{v:>10}" for v in figures.values()) + f"{ratio:>12.2f}")
    met = found[ours]["p95"] <= FLOOR_P95_MS
    print(f"floor p95 <= {FLOOR_P95_MS} ms at {args.rate:g}/s: {'met' if met else 'MISSED'}")
    if args.out:
        args.out.write_text(
            json.dumps({"rate": args.rate, "seconds": args.seconds, "services": found}, indent=1)
        )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
