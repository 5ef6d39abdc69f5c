"""What Bilaga is compared with: bare aiohttp that keeps each PUT in a file, plain, unsynced, and gives it back.

``python -m bench.sink FOLDER [PORT]`` prints ``listening on ADDRESS`` and serves until it is stopped.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from aiohttp import web


def application(folder: Path) -> web.Application:
    """``PUT /NAME`` writes, ``GET`` reads, ``DELETE`` removes."""

    async def put(request: web.Request) -> web.Response:
        target = os.open(folder / request.match_info["name"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            async for chunk in request.content.iter_any():
                os.write(target, chunk)
        finally:
            os.close(target)
        return web.Response(status=201)

    async def get(request: web.Request) -> web.StreamResponse:
        """Through the process, as whoever decrypts must; sendfile would be the kernel's speed, not the stack's."""
        with (folder / request.match_info["name"]).open("rb", buffering=0) as file:
            response = web.StreamResponse()
            response.content_length = os.fstat(file.fileno()).st_size
            await response.prepare(request)
            while chunk := file.read(1 << 20):
                await response.write(chunk)
            return response

    async def delete(request: web.Request) -> web.Response:
        (folder / request.match_info["name"]).unlink()
        return web.Response(status=204)

    application = web.Application()
    application.router.add_put("/{name}", put)
    application.router.add_get("/{name}", get)
    application.router.add_delete("/{name}", delete)
    return application


def main() -> None:
    """Serve."""
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    web.run_app(application(Path(sys.argv[1])), sock=listener, access_log=None, print=lambda *_: None)


if __name__ == "__main__":
    main()
