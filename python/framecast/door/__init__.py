"""The door: from a TCP connection to the room that serves it. It knows neither channels nor scopes."""
