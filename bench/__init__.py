"""Framecast's measurements: `python -m bench` is the table; `recovery/`, `soak/` and `plugins/` are other questions."""
