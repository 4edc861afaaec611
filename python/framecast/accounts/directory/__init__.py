"""Accounts in memory: every request looks here, and none of them waits for the database.

What stands here was written before; what changes it is the register's (accounts/register/). Nothing here waits, and
all of it belongs to the Trio thread.
"""
