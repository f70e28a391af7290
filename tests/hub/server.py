"""A loopback server that answers as much of the Hugging Face hub's HTTP API as huggingface_hub asks for."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

TOKEN = "hf_test"
LARGE = (".bin", ".safetensors", ".h5", ".msgpack", ".ot", ".onnx")
_API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_TREE = re.compile(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Refusal:
    """Answers the next requests whose path holds a text with a status."""

    status: int
    times: int
    match: str = ""
    retry_after: str | None = "0"


@dataclass
class HubServer:
    """The hub on a free port of 127.0.0.1.

    Args:
        root: holds repositories as `organisation/name/...`.

    Attributes:
        requests: "METHOD path status" of every request.
        refusals: what the next requests meet.
        cut: the next large body ends after so many bytes.
        rate: bytes a second of large bodies; 0 is as fast as it goes.
        gated: repositories whose files need a token.
        private: repositories that do not exist without a token.
        moved: by repository, how often its `main` has moved.
        before: called with the path of every request before it is answered.
        sizes: whether files are listed with their sizes.
        is_dead: every connection is cut without an answer; what was asked is noted all the same.
    """

    root: Path
    requests: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    cut: int = 0
    rate: int = 0
    gated: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    moved: dict[str, int] = field(default_factory=dict)
    before: Callable[[str], None] = lambda path: None
    sizes: bool = True
    is_dead: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Closes the port: from here on every connection is refused."""
        self._server.shutdown()
        self._server.server_close()

    def die(self) -> None:
        """Forgets what was asked so far, and answers nothing from here on."""
        self.is_dead = True
        self.requests.clear()

    def refuse(self, status: int, times: int, match: str = "", retry_after: str | None = "0") -> None:
        self.refusals.append(Refusal(status, times, match, retry_after))

    def commits(self, repository: str) -> list[str]:
        """All commits of a repository, the one that `main` is last."""
        return [_sha1(f"{repository} {count}") for count in range(self.moved.get(repository, 0) + 1)]


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body would wait 40 ms behind its headers
    hub: HubServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlparse(self.path).path)
        self.hub.before(path)
        if self.hub.is_dead:
            self._note(0)
            self.close_connection = True
            self.connection.close()
            return
        refusal = self._refusal(path)
        if refusal is not None:
            wait = {} if refusal.retry_after is None else {"Retry-After": refusal.retry_after}
            self._say(refusal.status, {"error": "refused"}, wait)
            return
        api, tree, file = _API.fullmatch(path), _TREE.fullmatch(path), _FILE.fullmatch(path)
        found = api or tree or file
        repository = found[1] if found else ""
        is_known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        hidden = repository in self.hub.private and not is_known
        if not repository or hidden or not (self.hub.root / repository).is_dir():
            self._fail(401, "RepoNotFound")
        elif found[2] not in (None, "main", *self.hub.commits(repository)):  # type: ignore[index]
            self._fail(404, "RevisionNotFound")
        elif api:
            self._info(repository, self._commit(repository, api[2]))
        elif tree:
            self._say(200, [self._entry(path) for path in self._files(repository)])
        elif repository in self.hub.gated and not is_known:
            self._fail(401, "GatedRepo")
        elif file:
            self._file(self.hub.root / repository / file[3], self._commit(repository, file[2]))

    def _commit(self, repository: str, revision: str | None) -> str:
        return self.hub.commits(repository)[-1] if revision in (None, "main") else str(revision)

    def _refusal(self, path: str) -> Refusal | None:
        with self.hub.lock:
            for refusal in self.hub.refusals:
                if refusal.times and refusal.match in path:
                    refusal.times -= 1
                    return refusal
        return None

    def _info(self, repository: str, commit: str) -> None:
        entries = [self._entry(path) for path in self._files(repository)]
        siblings = [
            {"rfilename": entry["path"], **({"size": entry["size"]} if self.hub.sizes else {})}
            for entry in entries
        ]
        about = {"id": repository, "modelId": repository, "sha": commit, "private": False, "tags": []}
        self._say(200, {"_id": "1", **about, "downloads": 0, "likes": 0, "siblings": siblings})

    def _files(self, repository: str) -> list[Path]:
        return sorted(file for file in (self.hub.root / repository).rglob("*") if file.is_file())

    def _entry(self, path: Path) -> dict[str, Any]:
        """A file as the hub lists it."""
        name, size, body = (
            "/".join(path.relative_to(self.hub.root).parts[2:]),
            path.stat().st_size,
            path.read_bytes(),
        )
        entry = {"type": "file", "path": name, "size": size, "oid": hashlib.sha1(body).hexdigest()}
        if path.suffix in LARGE:
            entry["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": size, "pointerSize": 134}
        return entry

    def _file(self, path: Path, commit: str) -> None:
        if not path.is_file():
            self._fail(404, "EntryNotFound", {"X-Repo-Commit": commit})
            return
        body = path.read_bytes()
        large = path.suffix in LARGE
        tag = hashlib.sha256(body).hexdigest() if large else hashlib.sha1(body).hexdigest()
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if large:
            headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(body))}
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self._send(206 if start else 200, body[start:], headers, large=large)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, large: bool) -> None:
        self._note(status)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut, self.hub.cut = (self.hub.cut, 0) if large else (0, self.hub.cut)
        piece = 1 << 14 if self.hub.rate else max(1, len(body))
        for start in range(0, cut or len(body), piece):
            self.wfile.write(body[start : min(start + piece, cut or len(body))])
            if self.hub.rate and large:
                time.sleep(piece / self.hub.rate)
        if cut:
            self.close_connection = True
            self.connection.close()

    def _fail(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        self._say(status, {"error": code}, {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})})

    def _say(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send(
            status,
            json.dumps(value).encode(),
            {"Content-Type": "application/json", **(headers or {})},
            large=False,
        )

    def _note(self, status: int) -> None:
        with self.hub.lock:
            self.hub.requests.append(f"{self.command} {self.path} {status}")
