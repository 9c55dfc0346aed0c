"""A kernel that sends what no kernel should, through sockets of its own.

Its arguments are the connection file and what it says of itself, as JSON. A cell is a number, the seed of the messages
that it sends before its answer; or ``raw`` and, as JSON, the four parts of one message on iopub.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import sys
import uuid
from typing import Any, Dict, List

import zmq

DELIM = b"<IDS|MSG>"
ODD: List[Any] = [None, True, -1, 0, 10**30, 1.5, float("nan"), float("inf"), "", "x", "\ud800", [], [[]], {},
                  [1, "b"], {"a": None}, [{}], {"msg_id": []}, [None], "x" * 100_000]
KINDS: Dict[str, Dict[str, Any]] = {
    "stream": {"name": "stdout", "text": ""},
    "display_data": {"data": {"text/plain": "x"}, "metadata": {}, "transient": {"display_id": "x"}},
    "update_display_data": {"data": {"text/plain": "x"}, "metadata": {}, "transient": {"display_id": "x"}},
    "execute_result": {"data": {"text/plain": "x"}, "metadata": {}, "execution_count": 1},
    "error": {"ename": "E", "evalue": "e", "traceback": ["a"]},
    "clear_output": {"wait": True},
    "status": {"execution_state": "busy"},
    "execute_input": {"code": "x", "execution_count": 1},
    "execute_reply": {"status": "ok", "payload": [{"source": "page"}], "execution_count": 1},
    "comm_open": {"comm_id": "c", "target_name": "jupyter.widget", "data": {
        "state": {"_model_name": "OutputModel", "_model_module": "@jupyter-widgets/output", "outputs": [],
                  "msg_id": ""}, "buffer_paths": [["x"]]}},
    "comm_msg": {"comm_id": "c", "data": {"method": "update", "state": {"msg_id": "", "outputs": []},
                                          "buffer_paths": [["x"]]}},
    "comm_close": {"comm_id": "c", "data": {}},
}


def mutated(value: Any, chance: random.Random) -> Any:
    """Return the value with something odd in the place of some of what is in it."""
    if chance.random() < 0.2:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: mutated(inner, chance) for key, inner in value.items() if chance.random() < 0.9}
    if isinstance(value, list):
        return [mutated(inner, chance) for inner in value]
    return value


class OddKernel:
    def __init__(self, connection: Dict[str, Any], info: Dict[str, Any]) -> None:
        self._key = connection["key"].encode()
        self._info = info
        context = zmq.Context()
        self._sockets = {}
        for channel, kind in (("shell", zmq.ROUTER), ("control", zmq.ROUTER), ("iopub", zmq.PUB)):
            self._sockets[channel] = context.socket(kind)
            port = connection[f"{channel}_port"]
            self._sockets[channel].bind(f"{connection['transport']}://{connection['ip']}-{port}")

    def send(self, channel: str, parts: List[bytes], identities: List[bytes]) -> None:
        signature = hmac.new(self._key, b"".join(parts[:4]), hashlib.sha256).hexdigest().encode()
        self._sockets[channel].send_multipart([*identities, DELIM, signature, *parts])

    def say(self, channel: str, kind: str, parent: Any, content: Any, identities: List[bytes]) -> None:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "odd", "username": "", "version": "5.3",
                  "date": "2020-01-01T00:00:00Z"}
        self.send(channel, [json.dumps(part).encode() for part in (header, parent, {}, content)], identities)

    def serve(self) -> None:
        poller = zmq.Poller()
        for channel in ("shell", "control"):
            poller.register(self._sockets[channel], zmq.POLLIN)
        while True:
            for socket in dict(poller.poll()):
                channel = next(name for name, known in self._sockets.items() if known is socket)
                frames = socket.recv_multipart()
                start = frames.index(DELIM)
                header, content = json.loads(frames[start + 2]), json.loads(frames[start + 5])
                self.answer(channel, header, content, frames[:start])
                if header["msg_type"] == "shutdown_request":
                    return

    def answer(self, channel: str, header: Dict[str, Any], content: Dict[str, Any], identities: List[bytes]) -> None:
        kind = header["msg_type"]
        self.say("iopub", "status", header, {"execution_state": "busy"}, [b"kernel"])
        if kind == "execute_request" and not content["silent"]:
            self.execute(content["code"], header, identities)
        reply = self._info if kind == "kernel_info_request" else {"status": "ok", "execution_count": 1}
        self.say(channel, kind.replace("_request", "_reply"), header, reply, identities)
        self.say("iopub", "status", header, {"execution_state": "idle"}, [b"kernel"])

    def execute(self, code: str, header: Dict[str, Any], identities: List[bytes]) -> None:
        if code.startswith("raw"):
            self.send("iopub", [part.encode() for part in json.loads(code[3:])], [b"kernel"])
        else:
            chance = random.Random(int(code))
            for _ in range(300):
                self.send_odd(chance, header, identities)
        self.say("iopub", "stream", header, {"name": "stdout", "text": "whole\n"}, [b"kernel"])

    def send_odd(self, chance: random.Random, header: Dict[str, Any], identities: List[bytes]) -> None:
        kind = chance.choice(sorted(KINDS))
        parts: List[Any] = [{"msg_id": "odd", "msg_type": kind}, header, {}, KINDS[kind]]
        which = chance.randrange(4)
        parts[which] = mutated(parts[which], chance)
        parts[3] = mutated(parts[3], chance)
        encoded = [json.dumps(part).encode() for part in parts] + [b"buffer"] * chance.choice([0, 0, 1, 2, 2000])
        if chance.random() < 0.05:
            encoded = encoded[:chance.randrange(4)]
        channel = chance.choice(["iopub", "iopub", "iopub", "shell", "control"])
        self.send(channel, encoded, [b"kernel"] if channel == "iopub" else identities)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        OddKernel(json.load(file), json.loads(sys.argv[2])).serve()
