"""Dashboards: kept in the store, and told of on their channels. They know no HTTP, no sockets and no scopes."""
