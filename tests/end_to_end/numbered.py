"""Numbered rows on a stream's channel, and which of them a subscriber got."""

from end_to_end.programs import Program
from end_to_end.wire import Connection


def numbers_of(program: Program, channel: str) -> list[int]:
    """The rows of every subscribe reply and publication, in the order in which they came."""
    numbers: list[int] = []
    for event in program.events:
        if event["event"] in {"subscribed", "publication"} and event.get("channel") == channel:
            data = (event.get("data") or {}).get("data")
            numbers += [int(value) for value in data["values"][2]] if data else []
    return numbers


async def push_numbers(pushing: Connection, stream: str, numbers: range, *, text_bytes: int = 0) -> None:
    """One push per number, with a text of that length beside it when it is not 0."""
    text = f',text="{"x" * text_bytes}"' if text_bytes else ""
    for number in numbers:
        await pushing.push(stream, f"m n={number}i{text} {number}000000".encode())


async def wait_for_number(program: Program, channel: str, number: int) -> None:
    while number not in numbers_of(program, channel)[-3:]:
        await program.wait_for_news()
