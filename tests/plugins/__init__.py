"""Tests of plugins; a package, because its modules share a gRPC server."""
