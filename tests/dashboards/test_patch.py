"""Patches: whoever applies one has the next version to the last digit; where none is worth it there is none."""

import json
import random
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_edits import edit, panels
from framecast.dashboards.patch import fits, make_patch
from framecast.settings import Dashboards
from naive_patch import apply_patch

LIMITS = Dashboards()

leaves = st.none() | st.booleans() | st.sampled_from([0, 1, 2, 0.0, -0.0, 1.0, 1e300, 2**70, "", "1", "~/x", "a/b"])
names = st.sampled_from(["a", "b", "", "~", "/", "~1", "0", "-", "a b", "é"])
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=4), max_leaves=25
)
PADDING = "so that no patch is larger than the document " * 200


def encode(dashboard: Any) -> bytes:
    return json.dumps(dashboard, ensure_ascii=False).encode()


@given(values, values)
def test_a_patch_applied_gives_the_very_document(before: Any, after: Any) -> None:
    old, new = {"value": before, "version": 1}, {"value": after, "version": 2, "padding": PADDING}
    old["padding"] = PADDING
    made = make_patch(encode(old), encode(new), LIMITS)
    assert made is not None
    assert b"\n" not in made
    patched = apply_patch(json.loads(encode(old)), json.loads(made))
    assert json.dumps(patched, sort_keys=True) == json.dumps(new, sort_keys=True)


@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_edits_followed_by_patches_end_where_the_dashboard_does(seed: int) -> None:
    chance = random.Random(seed)
    dashboard = {"title": "t", "panels": panels(12), "version": 0}
    followed = json.loads(encode(dashboard))
    made_count = 0
    for version in range(1, 101):
        before = encode(dashboard)
        edit(dashboard, chance)
        dashboard["version"] = version
        made = make_patch(before, encode(dashboard), LIMITS)
        if made is None:
            followed = json.loads(encode(dashboard))
        else:
            made_count += 1
            assert len(made) < len(encode(dashboard))
            followed = apply_patch(followed, json.loads(made))
        assert json.dumps(followed, sort_keys=True) == json.dumps(dashboard, sort_keys=True)
    assert made_count > 90


def test_a_patch_of_an_edit_is_small() -> None:
    before = {"title": "t", "panels": panels(50), "version": 1}
    after = json.loads(encode(before))
    after["panels"].insert(0, after["panels"].pop(30))
    after["panels"][7]["title"] = "other"
    after["version"] = 2
    made = make_patch(encode(before), encode(after), LIMITS)
    assert made is not None
    assert len(made) < 400


def test_what_is_larger_than_the_document_is_none() -> None:
    before = encode({"title": "t", "list": list(range(100)), "more": "x" * 50})
    assert make_patch(before, encode({"other": 1}), LIMITS) is None


@pytest.mark.parametrize(
    ("lists", "made"), [([20], True), ([21], False), ([14, 14], True), ([14, 14, 14], False), ([4] * 25, True)]
)
def test_long_lists_and_many_are_not_compared(lists: list[int], made: bool) -> None:
    def dashboard(version: int) -> bytes:
        members = {str(number): [0] * size for number, size in enumerate(lists)}
        return encode({"padding": PADDING, "version": version, "lists": members})

    limits = Dashboards(patch_list_items=20)
    assert (make_patch(dashboard(1), dashboard(2), limits) is not None) is made


def test_documents_are_measured_before_anything_is_done() -> None:
    limits = Dashboards(patch_bytes=10)
    assert fits(b"x" * 10, limits)
    assert not fits(b"x" * 11, limits)


@pytest.mark.parametrize("mistake", ["wrong", "raises"])
def test_a_library_that_errs_costs_the_patch_only(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def err(old: Any, new: Any) -> Any:
        if mistake == "raises":
            raise RecursionError
        return jsonpatch.JsonPatch([{"op": "replace", "path": "/version", "value": 2.0}])

    monkeypatch.setattr(jsonpatch, "make_patch", err)
    assert make_patch(encode({"version": 1, "p": PADDING}), encode({"version": 2, "p": PADDING}), LIMITS) is None
