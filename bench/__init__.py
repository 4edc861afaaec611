"""Framecast's measurements: `python -m bench` is the table, `recovery/` and `soak/` are questions of their own."""
