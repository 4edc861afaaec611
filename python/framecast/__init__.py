"""Framecast: metrics in as Influx line protocol, Grafana data frames out to live subscribers."""

__version__ = "0.1.0"
