"""What changes accounts: one change after another, each written first, then true for everybody, then announced."""
