"""A package, because its test_table has a namesake."""
