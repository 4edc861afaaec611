"""JSON Web Tokens of subscribers: who connects, and who may subscribe to what, said by whoever holds the keys."""
