"""nginx as a user would set it up: with the very lines of docs/grafana.md, on a port of the system's choice."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patience import PATIENCE_SECONDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "grafana.md"
FRAME = """\
daemon off;
{user}worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{page}
}}
"""


def snippets(kind: str) -> list[str]:
    """The blocks of this kind on the page, in their order."""
    blocks = PAGE.read_text(encoding="utf-8").split(f"```{kind}\n")[1:]
    return [block.partition("\n```")[0] for block in blocks]


@contextmanager
def running_nginx(folder: Path, page: str) -> Iterator[str]:
    """Run nginx with what stands on a page in its ``http`` block; its HOST:PORT, where the page says ``listen 80``.

    The socket is made here and handed over as nginx hands it to its own successor: nobody else can take the port, and
    whoever connects before nginx is up just waits.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "there is no nginx: `make test-python` gets one"
    folder.mkdir(parents=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        assert page.count("listen 80;") == 1
        page = page.replace("listen 80;", f"listen {place};")
        user = "" if os.geteuid() else "user root;\n"  # else its worker may not look into the folder
        (folder / "nginx.conf").write_text(FRAME.format(folder=folder, page=page, user=user))
        with (folder / "stderr.log").open("wb") as stderr:
            process = subprocess.Popen(
                [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"],
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "NGINX": f"{listener.fileno()};"},
                pass_fds=[listener.fileno()],
            )
    try:
        yield place
        assert process.poll() is None, (folder / "stderr.log").read_text()
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
