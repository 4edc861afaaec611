"""What returning clients missed, encoded once for all who missed the same.

After a restart of a proxy a whole channel's subscribers come back at once, most of them from the same place. Making
and encoding a thousand publications for each of them would be most of the work.
"""

from collections.abc import Iterator, Sequence

from msgspec import Raw

from framecast.channels.address import Address
from framecast.channels.encodings import Encodings
from framecast.channels.history import Kept
from framecast.client.replies import publication
from framecast.protocol.codec import Codec
from framecast.protocol.messages import Publication

CACHED_BYTES = 16 * 1024 * 1024
FEW = 8
"""So many publications are encoded with their reply, which costs less than keeping them."""


class MissedPublications:
    """Encodes lists of publications, and keeps the newest ones made. One for the server."""

    def __init__(self) -> None:
        self._lists = Encodings(CACHED_BYTES)

    def encode(
        self,
        missed: Sequence[Kept],
        codec: Codec,
        *,
        address: Address,
        epoch: str,
        quoted: bool = False,
        detailed: bool = False,
    ) -> tuple[Publication, ...] | Raw:
        """The list as a part of a subscribe result in this form; `missed` is a piece of the channel's past."""
        if not missed:
            return ()

        def publications() -> Iterator[Publication]:
            return (publication(kept, quoted=quoted, detailed=detailed) for kept in missed)

        if len(missed) <= FEW:
            return tuple(publications())
        # A past has no holes and an epoch is one life of a channel: both ends name all that is between.
        key = (address.key, epoch, missed[0].offset, missed[-1].offset, codec.NAME, quoted, detailed)
        return Raw(self._lists.find_or_make(key, lambda: codec.encode_publications(list(publications()))))
