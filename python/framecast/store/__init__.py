"""What must last: the data directory, the database in it, and what is kept there, one module for each kind."""
