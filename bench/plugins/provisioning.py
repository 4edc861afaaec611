"""The data sources that are there: one of the Go plugin, and one of the built-in test data for each stream."""

import json
from pathlib import Path

from bench.plugins.program import PLUGIN_ID

UID = "bench"
STREAMS = f"ds/{UID}"
"""What the channels of the Go plugin begin with."""


def beat_channel(number: int) -> str:
    """The channel of twenty packets a second of one of the others."""
    return f"ds/beat-{number}/random-20Hz-stream"


def provision(folder: Path, beats: int) -> None:
    """Write the file that says so; JSON is YAML."""
    sources = [{"name": "Bench", "type": PLUGIN_ID, "uid": UID, "access": "proxy"}]
    sources += [
        {"name": f"Beat {number}", "type": "testdata", "uid": f"beat-{number}", "access": "proxy"}
        for number in range(beats)
    ]
    place = folder / "datasources"
    place.mkdir(parents=True)
    (place / "bench.yaml").write_text(json.dumps({"apiVersion": 1, "datasources": sources}, indent=1))
