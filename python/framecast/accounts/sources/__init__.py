"""The ways for a request to say who sends it, that this server knows of itself."""
