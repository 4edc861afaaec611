"""Reads a password: asked for on a terminal, else the first line of stdin. Never an argument, which others can read."""

import getpass
import sys

from framecast.cli.failure import CommandError


def read_password(login: str) -> str:
    """A new password for a user, asked for twice on a terminal. CommandError when there is none, or two that differ."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
        if not password:
            raise CommandError("no password: stdin is empty, and its first line should be one", status=2)
        return password
    password = getpass.getpass(f"Password for {login}: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("the two passwords differ", status=2)
    return password
