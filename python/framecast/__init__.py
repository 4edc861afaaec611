"""Framecast: metrics in as Influx line protocol, Grafana data frames out to live subscribers."""
