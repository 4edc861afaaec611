"""The whole server from outside: real processes, real sockets, the SDKs that people really use."""
