"""What TLS costs: the same rows over plain TCP and over TLS, of our own server."""
