"""Scopes: what a channel's first part means, who may subscribe and publish there. They do not know sockets."""
