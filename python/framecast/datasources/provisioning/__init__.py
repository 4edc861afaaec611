"""Data sources that files say, in the form of Grafana's: read whole or not at all, and made so at a start."""
