"""What streams of plugins cost: a Go plugin through the host and the whole server, and many slow streams at once."""
