"""What is said to a plugin and by it: the .proto files, and what `make proto` makes of them."""
