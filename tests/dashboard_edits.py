"""What people do to dashboards, at random."""

import random
from typing import Any


def panels(count: int) -> list[dict[str, Any]]:
    return [
        {"id": number, "title": f"panel {number}", "targets": [{"expr": "up", "refId": "A"}], "value": number / 2}
        for number in range(count)
    ]


def edit(dashboard: dict[str, Any], chance: random.Random) -> None:
    """What somebody does to a dashboard."""
    items = dashboard["panels"]
    match chance.choice(["move", "add", "remove", "change", "retype", "title"]):
        case "move" if items:
            items.insert(chance.randrange(len(items)), items.pop(chance.randrange(len(items))))
        case "add":
            items.insert(chance.randint(0, len(items)), {"id": chance.random(), "title": "new"})
        case "remove" if items:
            items.pop(chance.randrange(len(items)))
        case "change" if items:
            chance.choice(items)["options"] = {"colour": chance.choice(["red", None, [1, {"a": 1.0}]])}
        case "retype" if items:
            chance.choice(items)["value"] = chance.choice([1, 1.0, True, "1", None, [1], {"1": 1}])
        case _:
            dashboard["title"] = f"title {chance.random()}"
