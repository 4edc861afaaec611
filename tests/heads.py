"""Request heads as the door would have read them."""

from framecast.door.head import RequestHead


def head_of(
    path: str = "/",
    *headers: tuple[bytes, bytes],
    method: str = "GET",
    query: str = "",
    peer: str = "127.0.0.1",
    neighbour: str = "",
) -> RequestHead:
    target = f"{path}?{query}" if query else path
    return RequestHead(method, target, path, query, "1.1", headers, peer, neighbour or peer)
