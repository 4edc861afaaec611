"""Queries to data sources, whoever asks: `POST /api/ds/query`, and a subscriber's `grafana.query`."""
