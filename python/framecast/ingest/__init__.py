"""Pushed metrics: HTTP requests and WebSocket messages to the streams. It knows nothing of subscribers."""
