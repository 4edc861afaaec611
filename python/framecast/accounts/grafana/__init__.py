"""A Grafana beside this server, which knows who its visitors are and what they may see."""
