"""Data sources: what plugins are given to know where their data is, kept with their secrets sealed."""
