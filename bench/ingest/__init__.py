"""How fast pushes over HTTP become frames."""
