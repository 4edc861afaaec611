"""From a TCP connection to the room that serves it, and out again."""
