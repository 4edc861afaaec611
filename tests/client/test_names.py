"""What clients are called."""

import uuid

from framecast.client.names import NAMES_AT_ONCE, new_name


def test_every_client_has_a_random_uuid_of_its_own() -> None:
    names = [new_name() for _ in range(3 * NAMES_AT_ONCE)]
    assert len(set(names)) == len(names)
    for name in names:
        read = uuid.UUID(name)
        assert str(read) == name
        assert (read.version, read.variant) == (4, uuid.RFC_4122)


def test_every_digit_that_may_differ_does() -> None:
    names = [new_name().replace("-", "") for _ in range(2 * NAMES_AT_ONCE)]
    differing = [len({name[place] for name in names}) > 1 for place in range(32)]
    assert [place for place, differs in enumerate(differing) if not differs] == [12]
