"""How long a publication holds the thread that publishes, by the number of subscribers."""
