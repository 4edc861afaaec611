"""What ``?ack=1`` on a push WebSocket answers each message with: one JSON text message, in the messages' order.

Telegraf asks for none and gets none. A sender that does keeps what is not acknowledged and sends it again.
"""

from typing import TYPE_CHECKING

import msgspec

from framecast.errors import Refusal
from framecast.ingest.outcome import Outcome

if TYPE_CHECKING:
    from framecast._core import PushResult


def acknowledge(result: "PushResult | None") -> str:
    """What became of a message's lines; None is a message without a byte.

    ``rejected`` lists the first `push.report_lines` refused lines, ``rejected_lines`` counts all. What
    `describe_remarks` has to say is beside them.
    """
    document: dict[str, object] = {
        "accepted": result.accepted if result else 0,
        "rejected_lines": result.rejected if result else 0,
        "rejected": describe_rejections(result) if result else [],
        **(describe_remarks(result) if result else {}),
    }
    return msgspec.json.encode(document).decode()


def acknowledge_refusal(refusal: Refusal) -> str:
    """The whole message was refused: nothing of it is stored."""
    return msgspec.json.encode({"error": refusal.message}).decode()


def describe_rejections(result: Outcome) -> list[dict[str, object]]:
    """The refused lines that a result keeps, for a report."""
    return [
        {"line": one.line, "column": one.column, "reason": one.reason, "message": one.message}
        for one in result.rejections
    ]


def describe_remarks(result: Outcome) -> dict[str, object]:
    """What a sender may want to know of the lines that were stored, for a report; nothing of what there was none of.

    ``mismatched`` counts the values of another type than their column, which are null or text there; ``mismatches``
    tells of the first `push.report_lines` such columns. ``late`` counts the rows that are older than the newest row
    which their measurement had before.
    """
    remarks: dict[str, object] = {}
    if result.mismatched:
        remarks |= {"mismatched": result.mismatched, "mismatches": result.mismatches}
    if result.late:
        remarks["late"] = result.late
    return remarks
