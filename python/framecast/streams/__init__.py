"""Managed streams: pushed lines become frames on ``stream/{id}/{measurement}``, with a sticky schema."""
