"""The child process of the built-in model: llama.cpp's own OpenAI-compatible server.

Run as a file, with its options as JSON in the only argument and a key in the environment. Says on
standard output where it listens, and ends when its standard input does: also if the parent was
killed.
"""

import importlib
import json
import os
import sys
import threading
from typing import Any


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    options: dict[str, Any] = json.loads(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Native and without types; only here, so that the parent never loads it
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = options["path"]
    params.model_alias = {options["name"]}
    params.n_parallel = options["slots"]
    params.n_ctx = options["context"] * options["slots"]
    params.n_predict = options["answer"]
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads"]
    params.cache_ram_mib = options["cache_mib"]
    for name, value in options["sampling"].items():
        setattr(params.sampling, name, value)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [os.environ.pop("XIAOZHI_MODEL_KEY")]
    params.ui = False
    params.endpoint_slots = False
    params.cors_origins = ""
    server = xllamacpp.Server(params)
    print("listening " + server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
