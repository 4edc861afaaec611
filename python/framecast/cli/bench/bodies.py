"""Line protocol to post: lines like those of Telegraf's usual inputs, the same in every run."""

from random import Random

MEASUREMENTS = ("cpu", "disk", "mem", "net")
FIRST_TIME_NS = 1_700_000_000_000_000_000
"""A place for the present, which the load puts there."""


def make_body(lines: int, host: int) -> bytes:
    """So many lines of one host, measurements in turn."""
    random = Random(host)  # noqa: S311 - no secret: figures to be compared need the same bodies every time
    body = []
    for number in range(lines):
        measurement = MEASUREMENTS[number % len(MEASUREMENTS)]
        tags, fields = _line(measurement, number // len(MEASUREMENTS) % 16, random)
        body.append(f"{measurement},host=server-{host:02},{tags} {fields} {FIRST_TIME_NS + number}\n")
    return "".join(body).encode()


def _line(measurement: str, place: int, random: Random) -> tuple[str, str]:
    """Tags and fields as Telegraf's inputs of that name write them."""
    match measurement:
        case "cpu":
            used = random.uniform(0, 100)
            kinds = ("usage_user", "usage_system", "usage_iowait", "usage_steal")
            shares = ",".join(f"{kind}={random.uniform(0, used) / 4:.14g}" for kind in kinds)
            return f"cpu=cpu{place}", f"usage_idle={100 - used:.14g},{shares}"
        case "disk":
            total, free = 250_000_000_000, random.randrange(250_000_000_000)
            tags = f"device=sda{place},fstype=ext4,mode=rw,path=/mnt/{place}"
            return tags, f"free={free}i,total={total}i,used={total - free}i,used_percent={100 - free / 2.5e9:.14g}"
        case "mem":
            names = ("active", "available", "buffered", "cached", "free", "used")
            return f"zone={place}", ",".join(f"{name}={random.randrange(1 << 34)}i" for name in names)
        case _:
            names = ("bytes_recv", "bytes_sent", "packets_recv", "packets_sent", "drop_in", "err_in")
            return f"interface=eth{place}", ",".join(f"{name}={random.randrange(1 << 40)}i" for name in names)


def count_lines(body: bytes) -> int:
    """Lines that are not empty. A newline inside a quoted string counts as one more."""
    return sum(1 for line in body.split(b"\n") if line.strip())
