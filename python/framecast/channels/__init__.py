"""Channels: their addresses, the broker's role, and the hub that joins subscribers to publications."""
