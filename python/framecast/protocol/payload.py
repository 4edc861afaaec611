"""Payloads that one client sends and others get: `data` that must fit into JSON, whatever form it came in."""

_LINE_BREAKS = b"\r\n"


def without_line_breaks(text: bytes) -> bytes:
    """JSON text on one line, as JSON clients split what they get at line breaks.

    In JSON they stand between tokens only: inside strings they are escaped.
    """
    return text.translate(None, _LINE_BREAKS) if b"\n" in text or b"\r" in text else text
