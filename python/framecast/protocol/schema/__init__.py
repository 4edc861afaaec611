"""The Protobuf schema and what `make proto` generates from it. Nothing here is written by hand but client.proto."""
