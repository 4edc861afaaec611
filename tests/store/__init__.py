"""A package, because its test_columns stands beside others of that name."""
