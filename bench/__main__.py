"""Run every measurement, one after the other: `python -m bench`. Give it a quiet machine."""

import runpy

for name in ("bench.ingest", "bench.fanout", "bench.recovery"):
    runpy.run_module(name, run_name="__main__")
