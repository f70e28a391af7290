"""Messages between the coordinator and its worker processes: JSON over a pipe."""

from __future__ import annotations

import json
from multiprocessing.connection import Connection
from typing import Any


def send(pipe: Connection, message: dict[str, Any]) -> None:
    """Sends a message."""
    pipe.send_bytes(json.dumps(message).encode())


def receive(pipe: Connection) -> dict[str, Any]:
    """Waits for a message.

    Raises:
        EOFError: the other side is gone.
    """
    message: dict[str, Any] = json.loads(pipe.recv_bytes())
    return message
