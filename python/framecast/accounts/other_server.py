"""The URL of another server that this one asks, as the settings give it."""

from urllib.parse import SplitResult, urlsplit

import httpx

from framecast.errors import ConfigurationError


def read_url(setting: str, url: str, form: str) -> SplitResult:
    """`url` in parts, where a server can be asked as far as one can see.

    ConfigurationError when it is no URL of the `form` that is shown, or holds a user or password, which it never tells.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        shown = "" if "@" in url else f" = {url!r}"
        raise ConfigurationError(f"{setting}{shown} is no URL of the form {form}")
    if "@" in parts.netloc:
        raise ConfigurationError(f"{setting} holds a user or password: leave them out, none is sent")
    return parts
