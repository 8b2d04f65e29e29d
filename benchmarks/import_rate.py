"""How many rows a second come from a Parquet file into the lake, beside pandas to Delta without any checks.

    python benchmarks/import_rate.py [--rows 2000000] [--only seattle,new_york,repeat]

Each measurement runs in a process of its own: seconds are wall-clock from the first byte read to the
last commit (and rows a second once more with the start of Python and its imports), CPU seconds are of
all threads, memory is the peak of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("HKI_REAL_DATA", ROOT.parent / "shared" / "data"))
SEATTLE = DATA / "seattle_repeat_sales" / "seattle_sales.parquet"
NEW_YORK = DATA / "nyc_property_sales" / "nyc_sales_2015bk_2019_2024.parquet"


def ours(file: Path, mapping: str, home: Path) -> int:
    """Import the file whole: read, map, check, publish, ingest, tabulate."""
    from hki_ml.adapters.bus_local import LocalBus
    from hki_ml.adapters.lake import DeltaLake
    from hki_ml.mapping import load_mapping
    from hki_ml.pipeline.importing import Import

    spec = load_mapping(ROOT / "mappings" / f"{mapping}.toml")
    bus, lake = LocalBus(home / "bus"), DeltaLake(home / "lake")
    return Import(bus, lake, spec, datetime.now(UTC)).run(file).read


def pandas_to_delta(file: Path, mapping: str, home: Path) -> int:  # noqa: ARG001 - one shape for both
    """Load the file and write it as a Delta table, as somebody without this platform would."""
    import pandas as pd
    import pyarrow as pa
    from deltalake import write_deltalake

    rows = pd.read_parquet(file)
    for name in rows.select_dtypes("datetime"):
        rows[name] = rows[name].astype("datetime64[us]")
    write_deltalake(home / "sales", pa.Table.from_pandas(rows, preserve_index=False))
    return len(rows)


WAYS = {"ours": ours, "pandas to Delta, no checks": pandas_to_delta}


def measure(way: str, file: Path, mapping: str) -> dict[str, float]:
    """Run one way in a process of its own and return what it took, also with the process's start."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, __file__, "--child", way, str(file), mapping, home]
        before = time.perf_counter()
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        whole = time.perf_counter() - before
    return {**json.loads(out), "whole": whole}


def child(way: str, file: str, mapping: str, home: str) -> None:
    """Measure in this process; imports are not part of it."""
    import deltalake  # noqa: F401
    import duckdb  # noqa: F401
    import pandas as pd  # noqa: F401
    import polars as pl  # noqa: F401
    import pyarrow.dataset
    import pyarrow.parquet  # noqa: F401

    import hki_ml.adapters.bus_local
    import hki_ml.adapters.lake
    import hki_ml.mapping.wire
    import hki_ml.pipeline.importing  # noqa: F401

    before, cpu = time.perf_counter(), time.process_time()
    rows = WAYS[way](Path(file), mapping, Path(home))
    took, used = time.perf_counter() - before, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "seconds": took, "cpu": used, "peak_mb": peak}))


def repeated(rows: int, into: Path) -> Path:
    """Write a file of Seattle's sales repeated under new ids until there are this many rows."""
    import polars as pl
    import pyarrow.parquet as pq

    sales, done, writer = pl.read_parquet(SEATTLE), 0, None
    path = into / "repeated.parquet"
    while done < rows:
        part = sales.with_columns(
            sale_id=pl.format("{}..{}", "sale_id", pl.lit(done)),
            pinx=pl.format("{}{}", "pinx", pl.lit(f"{done:08d}")),
        ).head(rows - done)
        table = part.to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
        done += part.height
    assert writer is not None
    writer.close()
    return path


def main() -> None:
    """Measure every set and print one line a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--only", default="seattle,new_york,repeat")
    options = parser.parse_args()
    only = options.only.split(",")
    with tempfile.TemporaryDirectory() as folder:
        sets = {"seattle": (SEATTLE, "seattle"), "new_york": (NEW_YORK, "new_york_all")}
        if "repeat" in only:
            sets["repeat"] = (repeated(options.rows, Path(folder)), "seattle")
        print(
            f"{'set':10}{'way':28}{'rows':>11}{'s':>8}{'rows/s':>10}{'with start':>12}"
            f"{'CPU us/row':>12}{'peak MB':>9}"
        )
        for name, (file, mapping) in sets.items():
            for way in WAYS if name in only else ():
                m = measure(way, file, mapping)
                rate, cpu = m["rows"] / m["seconds"], m["cpu"] / m["rows"] * 1e6
                started = m["rows"] / m["whole"]
                print(
                    f"{name:10}{way:28}{m['rows']:>11,}{m['seconds']:>8.2f}{rate:>10,.0f}"
                    f"{started:>12,.0f}"
                    f"{cpu:>12.1f}{m['peak_mb']:>9,.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main()
