"""Figures as a person reads them: three digits, and the unit that fits."""

from framecast.cli.bench.findings import Ending, EndingKind

BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")

KINDS: dict[EndingKind, str] = {
    "cannot_connect": "cannot connect",
    "refused": "answered with HTTP",
    "bad_answer": "not understood",
    "connect_refused": "connect refused with",
    "subscribe_refused": "subscription refused with",
    "publish_refused": "publication refused with",
    "unsubscribed": "unsubscribed by the server with",
    "closed": "closed by the server with",
    "lost": "connection lost",
    "timed_out": "timed out",
}
WITHOUT_CODE = frozenset({"cannot_connect", "bad_answer", "lost", "timed_out"})


def tell_duration(microseconds: float) -> str:
    """With the unit that leaves one to three digits before the point."""
    if microseconds < 1_000:
        return f"{digits(microseconds)} µs"
    if microseconds < 1_000_000:
        return f"{digits(microseconds / 1_000)} ms"
    return f"{digits(microseconds / 1_000_000)} s"


def tell_bytes(count: float) -> str:
    """In powers of a thousand."""
    unit = 0
    while count >= 1_000 and unit < len(BYTE_UNITS) - 1:
        count /= 1_000
        unit += 1
    return f"{digits(count) if unit else f'{count:.0f}'} {BYTE_UNITS[unit]}"


def tell_count(count: float) -> str:
    """Whole, with separators; below ten with what is behind the point."""
    return f"{count:,.0f}" if count >= 10 or count == int(count) else digits(count)


def tell_share(share: float) -> str:
    """In percent."""
    return f"{share * 100:.0f} %" if share >= 0.01 or share == 0 else "< 1 %"


def digits(number: float) -> str:
    """Three of them, or all that there are before the point."""
    if number >= 100 or number == 0:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def tell_ending(ending: Ending) -> str:
    """One kind of end. The words may be a server's: whoever shows them escapes them."""
    kind = KINDS[ending.what]
    if ending.what in WITHOUT_CODE:
        return f"{kind}: {ending.words}" if ending.words else kind
    code = str(ending.code) if ending.code else "no code"
    return f"{kind} {code}{f' ({ending.words})' if ending.words else ''}"


def tell_endings(endings: list[Ending]) -> str:
    """All of them, most frequent first."""
    most_first = sorted(endings, key=lambda ending: -ending.count)
    return "; ".join(f"{tell_ending(ending)}, {_tell_times(ending.count)}" for ending in most_first)


def _tell_times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
