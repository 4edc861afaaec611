"""What orgs, users and tokens may be called: text that people can read, of a length that every list can show."""

from collections.abc import Sequence

from framecast.errors import Refusal

MAX_CHARACTERS = 190
"""As in Grafana's database."""

MAX_PATTERN_CHARACTERS = 255
"""Of a pattern in a token's list: a channel is no longer."""


def check_name(field: str, name: str) -> None:
    """Refusal 400 for a name of an org or a token that cannot be."""
    if not name or name != name.strip() or not name.isprintable():
        raise Refusal(400, f"{field} must be a text without control characters, and not begin or end with a blank")
    if len(name) > MAX_CHARACTERS:
        raise Refusal(400, f"{field} is longer than {MAX_CHARACTERS} characters")


def check_login(login: str) -> None:
    """Refusal 400 for a login that cannot be. A colon ends the login where a password is sent along (RFC 7617)."""
    check_name("login", login)
    if ":" in login:
        raise Refusal(400, "login must not hold a colon")


def check_note(field: str, text: str) -> None:
    """Refusal 400 for what is told of a user and cannot be, its name or e-mail address; "" is nothing."""
    if text:
        check_name(field, text)


def check_patterns(field: str, patterns: Sequence[str], limit: int) -> None:
    """Refusal 400 for a token's list that cannot be."""
    if len(patterns) > limit:
        raise Refusal(400, f"{field} has {len(patterns)} patterns, more than {limit} (accounts.token_patterns)")
    for pattern in patterns:
        if not pattern or not pattern.isprintable() or len(pattern) > MAX_PATTERN_CHARACTERS:
            raise Refusal(
                400,
                f"{field} holds a pattern that is empty, longer than {MAX_PATTERN_CHARACTERS} characters or has "
                "control characters",
            )
