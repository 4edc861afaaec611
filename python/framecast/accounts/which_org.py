"""In which of its orgs somebody is, for one request: where the request says, or else where it was last.

A request says it in the header ``X-Grafana-Org-Id`` or the query's ``orgId``, as in Grafana. There, an org that one is
no member of is passed over; here it is refused, or a request would be answered of another org than it named.
"""

import re
from collections.abc import Container
from urllib.parse import parse_qs

from framecast.door.head import RequestHead
from framecast.errors import Refusal

HEADER = b"x-grafana-org-id"
PARAMETER = "orgId"
_ORG = re.compile(r"[1-9][0-9]{0,17}")


def named_org(head: RequestHead) -> int | None:
    """The org that the request names; the header wins. None for none. Refusal 400 for what is no org's id."""
    text = head.find_text(HEADER)
    if text is None and PARAMETER in head.query:
        text = parse_qs(head.query, keep_blank_values=True).get(PARAMETER, [None])[-1]
    if text is None:
        return None
    if _ORG.fullmatch(text.strip()) is None:
        raise Refusal(400, "X-Grafana-Org-Id, or orgId in the query, is no org's id")
    return int(text)


def choose_org(head: RequestHead, own: Container[int], otherwise: int) -> int:
    """The org of `own` that the request names, or `otherwise`. Refusal 403 for one that is not among them."""
    org_id = named_org(head)
    if org_id is None:
        return otherwise
    if org_id not in own:
        raise Refusal(403, f"Forbidden: you are no member of org {org_id}")
    return org_id
