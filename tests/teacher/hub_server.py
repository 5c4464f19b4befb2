"""A hub on this machine: what huggingface_hub asks of the real one, and plain files."""

import hashlib
import http.server
import json
from pathlib import Path

SHA = "a" * 40


class Hub(http.server.ThreadingHTTPServer):
    """Serves the model ``me/model`` from ``root``, and ``root``'s files at ``/files``.

    ``cuts`` replies break off midway; ``requests`` keeps method, path and Range.
    """

    def __init__(self, root: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root, self.cuts, self.requests = root, 0, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted, path = self.headers.get("Range"), self.path.split("?")[0]
        self.server.requests.append((self.command, path, wanted))
        parts = path.strip("/").split("/")
        if parts[:4] == ["api", "models", "me", "model"]:
            self.answer_api(parts[4])
        elif parts[:3] == ["me", "model", "resolve"]:
            self.send_file("/".join(parts[4:]))
        elif "gated" in parts:
            headers = {"X-Error-Code": "GatedRepo"}
            self.reply(
                b'{"error": "Access to model me/gated is restricted"}', 401, headers
            )
        elif parts[0] == "files":
            self.send_file("/".join(parts[1:]))
        else:
            headers = {"X-Error-Code": "RepoNotFound"}
            self.reply(b'{"error": "Repository not found"}', 404, headers)

    do_HEAD = do_GET

    def answer_api(self, question):
        root = self.server.root
        files = [path for path in sorted(root.rglob("*")) if path.is_file()]
        names = [str(path.relative_to(root)) for path in files]
        if question == "tree":
            content = [
                {"type": "file", "path": n, "size": f.stat().st_size, "oid": oid(f)}
                for n, f in zip(names, files)
            ]
        else:
            siblings = [{"rfilename": name} for name in names]
            content = {"id": "me/model", "sha": SHA, "siblings": siblings}
            content.update(private=False, gated=False, tags=[], downloads=0, likes=0)
        self.reply(json.dumps(content).encode(), 200, {})

    def send_file(self, name):
        path = self.server.root / name
        if not path.is_file():
            self.reply(b"", 404, {})
            return
        body, status, wanted = path.read_bytes(), 200, self.headers.get("Range")
        headers = {"ETag": f'"{oid(path)}"', "X-Repo-Commit": SHA}
        if wanted:
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        self.reply(body, status, headers)

    def reply(self, body, status, headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.server.cuts and status in (200, 206):
            self.server.cuts -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def oid(path):
    return hashlib.sha1(path.read_bytes()).hexdigest()
