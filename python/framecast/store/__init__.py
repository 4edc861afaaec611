"""What must last: the data directory and, later, the records in it."""
