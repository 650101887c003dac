"""A small hub and a small package index on loopback, for tests of what is fetched from them."""

import hashlib
import io
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Files:
    """`content`: path → bytes. `asked`: (method, path, Range) of each request."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, str]] = []

    @contextmanager
    def served(self) -> Generator[str]:
        """Yields the address, without a slash at its end."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def downloads(self, suffix: str) -> list[str]:
        return [path for method, path, _ in self.asked if method == "GET" and path.endswith(suffix)]

    def add_wheel(self, package: str, version: str, member: str, data: bytes) -> None:
        """A wheel on the index that carries `data`."""
        name = package.replace("-", "_")
        info = f"{name}-{version}.dist-info"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as wheel:
            wheel.writestr(member, data)
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
            )
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        file = f"{name}-{version}-py3-none-any.whl"
        digest = hashlib.sha256(packed.getvalue()).hexdigest()
        self.content[f"/simple/{package}/"] = (
            f'<a href="/files/{file}#sha256={digest}">{file}</a>'.encode()
        )
        self.content[f"/files/{file}"] = packed.getvalue()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        files = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer(with_body=False)

            def do_GET(self) -> None:
                self._answer(with_body=True)

            def log_message(self, format: str, *args: object) -> None:
                pass

            def _answer(self, *, with_body: bool) -> None:
                wanted = self.headers.get("Range", "")
                files.asked.append((self.command, self.path, wanted))
                data = files.content.get(self.path)
                if data is None:
                    self.send_error(404)
                    return
                start = int(wanted.removeprefix("bytes=").partition("-")[0] or 0)
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                kind = "text/html" if self.path.endswith("/") else "application/octet-stream"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data) - start))
                self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
                self.send_header("X-Repo-Commit", "0" * 40)
                self.end_headers()
                if with_body:
                    self.wfile.write(data[start:])

        return Handler
