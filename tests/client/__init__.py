"""Tests of one subscriber's session and connection, and the small world they run in."""
