"""Real Grafana backend plugins: found, started as processes, spoken to, watched and stopped.

Knows nothing of channels, subscribers or HTTP: what a plugin says comes out as bytes for whoever asked.
"""
