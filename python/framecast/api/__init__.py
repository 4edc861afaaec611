"""The ASGI app: everything of the one port that is neither a WebSocket nor a push. One module per resource."""
