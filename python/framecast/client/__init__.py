"""One subscriber: what it may do when (session), and its connection to the world (connection)."""
