"""Payloads that one client sends and others get: `data` that must fit into JSON, whatever form it came in."""

import msgspec
from msgspec import Raw

from framecast.errors import Refusal
from framecast.protocol.codes import ErrorCode

_LINE_BREAKS = b"\r\n"

_skimmer = msgspec.json.Decoder(Raw)


def without_line_breaks(text: bytes) -> bytes:
    """JSON text on one line, as JSON clients split what they get at line breaks.

    In JSON they stand between tokens only: inside strings they are escaped.
    """
    return text.translate(None, _LINE_BREAKS) if b"\n" in text or b"\r" in text else text


def check_payload(data: bytes) -> bytes:
    """The one JSON value in `data`, as it is but for line breaks and for white space around it.

    Refusal 107 when `data` is anything else: JSON subscribers get it embedded, and a broken one would end them. How
    deep it may nest is the interpreter's recursion limit, on which JSON connections have theirs too.
    """
    try:
        # msgspec checks the encoding only of the strings it keeps.
        str(data, "utf-8")
        return without_line_breaks(bytes(_skimmer.decode(data)))
    except UnicodeDecodeError as error:
        raise _not_json(f"no UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise _not_json("nested too deep") from None
    except msgspec.DecodeError as error:
        raise _not_json(str(error) if data else "empty") from None


def _not_json(why: str) -> Refusal:
    return ErrorCode.BAD_REQUEST.refusal(
        f"bad request: data is not JSON ({why}): send one JSON value in UTF-8, subscribers may speak JSON"
    )
