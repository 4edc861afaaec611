"""The session's cookie: found in a request, set and taken back."""

from framecast.door.head import RequestHead


def find_cookie(head: RequestHead, name: str) -> str | None:
    """The value of a cookie; None without one, and for two that differ.

    A page of a neighbouring host can have a cookie of the same name sent along; which of two is ours nobody can tell.
    """
    wanted = name.encode("ascii")
    pairs = (pair.partition(b"=") for key, value in head.headers if key == b"cookie" for pair in value.split(b";"))
    values = {value.strip() for found, _, value in pairs if found.strip() == wanted}
    return values.pop().decode("latin-1") if len(values) == 1 else None


def set_cookie(name: str, value: str, *, seconds: float, secure: bool) -> str:
    """The header's value that has a browser keep it: for this server alone, out of reach of scripts.

    `Lax`: requests that other sites' pages make come without it, all but the click on a link.
    """
    attributes = f"Path=/; Max-Age={int(seconds)}; HttpOnly; SameSite=Lax"
    return f"{name}={value}; {attributes}{'; Secure' if secure else ''}"


def drop_cookie(name: str, *, secure: bool) -> str:
    """The header's value that has a browser forget it."""
    return set_cookie(name, "", seconds=0, secure=secure)
