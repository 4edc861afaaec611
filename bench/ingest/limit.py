"""The limit that Trio and h11 set: reads each POST whole and answers 204, and does nothing else."""

import h11
import trio

ANSWER = [(b"framecast-accepted", b"0"), (b"framecast-rejected", b"0")]


async def answer(stream: trio.SocketStream) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await stream.receive_some(65_536)
            if not data:
                return
            connection.receive_data(bytes(data))
        elif isinstance(event, h11.EndOfMessage):
            reply = connection.send(h11.Response(status_code=204, headers=ANSWER)) or b""
            await stream.send_all(reply + (connection.send(h11.EndOfMessage()) or b""))
            connection.start_next_cycle()


async def main() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(f"listening on http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", flush=True)
    await trio.serve_listeners(answer, listeners)


if __name__ == "__main__":
    trio.run(main)
