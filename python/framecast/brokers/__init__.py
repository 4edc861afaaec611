"""Brokers: they know channels/broker.py; nobody but server.py knows them."""
