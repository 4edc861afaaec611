"""Where streams come from that are neither pushed nor published: plugins."""
