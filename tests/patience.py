"""How long a test waits for what must happen. It must never say by when something has to have happened.

A machine may be ten times slower than a developer's, and busy besides. Only what is broken takes this long.
"""

PATIENCE_SECONDS = 180.0
"""For the whole of a test, unless it says otherwise."""
