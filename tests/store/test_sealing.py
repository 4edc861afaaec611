"""What is sealed opens at its place, with its key, as long as not a bit of it was changed; and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.store.sealing import KEY_BYTES, KeyRing, SecretPlace, UnreadableSecretError, id_of, key_id_of

KEYS = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
PLACES = st.builds(SecretPlace, st.integers(1, 2**63 - 1), TEXTS, TEXTS)
KEY, OTHER = bytes(KEY_BYTES), b"\x01" * KEY_BYTES
HERE = SecretPlace(1, "u", "password")


@given(KEYS, TEXTS, PLACES)
def test_a_secret_opens_at_its_place_and_does_not_show(key: bytes, secret: str, place: SecretPlace) -> None:
    ring = KeyRing([key])
    sealed = ring.seal(secret, place)
    assert ring.open(sealed, place) == secret
    assert ring.seal(secret, place) != sealed
    assert key_id_of(sealed) == id_of(key)
    assert key not in sealed
    if len(secret.encode()) > 5:
        assert secret.encode() not in sealed


@given(TEXTS, PLACES, PLACES)
def test_it_opens_at_no_other_place(secret: str, place: SecretPlace, other: SecretPlace) -> None:
    ring = KeyRing([KEY])
    sealed = ring.seal(secret, place)
    if other == place:
        assert ring.open(sealed, other) == secret
    else:
        with pytest.raises(UnreadableSecretError):
            ring.open(sealed, other)


def test_parts_of_a_place_do_not_run_into_each_other() -> None:
    places = [SecretPlace(1, "ab", "c"), SecretPlace(1, "a", "bc"), SecretPlace(11, "", ""), SecretPlace(1, "1", "")]
    assert len({place.bytes() for place in places}) == len(places)


@given(st.data(), TEXTS)
def test_a_changed_bit_is_noticed_and_so_is_a_missing_end(data: st.DataObject, secret: str) -> None:
    ring = KeyRing([KEY])
    sealed = ring.seal(secret, HERE)
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    changed = bytearray(sealed)
    changed[bit // 8] ^= 1 << bit % 8
    for wrong in (bytes(changed), sealed[: bit // 8], sealed + b"\0"):
        with pytest.raises(UnreadableSecretError):
            ring.open(wrong, HERE)


@given(st.binary(max_size=80))
def test_what_is_nothing_sealed_is_refused(wrong: bytes) -> None:
    with pytest.raises(UnreadableSecretError):
        KeyRing([KEY]).open(wrong, HERE)


def test_the_first_key_seals_and_all_of_them_open() -> None:
    former = KeyRing([OTHER]).seal("s", HERE)
    ring = KeyRing([KEY, OTHER])
    assert ring.open(former, HERE) == "s"
    assert not ring.is_current(former)
    now = ring.seal("s", HERE)
    assert ring.is_current(now)
    assert KeyRing([KEY]).open(now, HERE) == "s"
    with pytest.raises(UnreadableSecretError, match="its key is not here"):
        KeyRing([OTHER]).open(now, HERE)
    assert ring.ids == {id_of(KEY), id_of(OTHER)}


@pytest.mark.parametrize("keys", [[], [b"short"], [KEY, KEY + b"\0"]])
def test_a_ring_takes_whole_keys_only(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeyRing(keys)
