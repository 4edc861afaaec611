"""The subscribers' ends: `python -m bench.publish.readers ADDRESS COUNT` connects and throws away what comes."""

import selectors
import socket
import sys

READ_BYTES = 1 << 16


def read(address: str, count: int) -> None:
    """Until the server's ends are all closed."""
    selector = selectors.DefaultSelector()
    for _ in range(count):
        end = socket.socket(socket.AF_UNIX)
        end.connect(address)
        end.settimeout(0)
        selector.register(end, selectors.EVENT_READ, end)
    while selector.get_map():
        for key, _ in selector.select():
            open_end: socket.socket = key.data
            if not open_end.recv(READ_BYTES):
                selector.unregister(open_end)
                open_end.close()


if __name__ == "__main__":
    read(sys.argv[1], int(sys.argv[2]))
