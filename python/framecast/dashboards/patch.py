"""How one version of a dashboard becomes the next: a JSON Patch (RFC 6902), or none.

Made in a worker thread, for documents of which it cannot take long, and believed only after it was applied: whoever
follows a dashboard by patches must have the very JSON that the API returns, in which 1, 1.0 and true are three values.
"""

import json
from collections.abc import Iterator
from typing import Any

import jsonpatch
import structlog

from framecast.settings import Dashboards

log = structlog.get_logger(__name__)


def fits(document: bytes | None, limits: Dashboards) -> bool:
    """Whether a patch may be made of or to this document, as far as its size tells."""
    return document is not None and len(document) <= limits.patch_bytes


def make_patch(before: bytes, after: bytes, limits: Dashboards) -> bytes | None:
    """The patch between two documents as clients get them; None for none that would be worth it.

    Not smaller than the document, too long lists to compare (`dashboards.patch_list_items`), or not right.
    """
    old, new = json.loads(before), json.loads(after)
    if max(_count_work(old), _count_work(new)) > limits.patch_list_items**2:
        return None
    try:
        patch = jsonpatch.make_patch(old, new)
        made = _write(patch.patch)
        right = len(made) < len(after) and _write(patch.apply(old), sort_keys=True) == _write(new, sort_keys=True)
    except Exception as error:  # noqa: BLE001 - the boundary of a library: what it cannot do costs the patch, no news
        log.warning("no patch of a dashboard", error=repr(error))
        return None
    return made if right else None


def _write(value: Any, *, sort_keys: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys).encode()


def _count_work(value: Any) -> int:
    """The squares of the lengths of all lists, added up: so much may comparing them take."""
    return sum(len(one) ** 2 for one in _lists_in(value))


def _lists_in(value: Any) -> Iterator[list[Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            yield one
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
