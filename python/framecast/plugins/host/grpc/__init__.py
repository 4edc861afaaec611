"""A gRPC client for plugins, on h2 and Trio: unary calls and server streams over one connection.

From the bottom: `framing`, `status`, `metadata`, `frames` (texts and bytes), `exchange` (one call), `session` (all
calls of a connection) are sans-io; `connection` and `call` put them on a Trio stream; `channel` dials.
"""
