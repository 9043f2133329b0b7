"""Starts the pages with one command: ``python3 -m webui``."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from webui import bootstrap


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m webui", description="四化：起动网页 / start the pages")
    parser.add_argument("--port", type=_port, default=8000, help="端口 / port (8000)")
    parser.add_argument("--host", default="127.0.0.1", help="地址 / address to listen on (127.0.0.1)")
    parser.add_argument("--data", type=Path, default=Path("var"), help="数据文件夹 / folder for data (var)")
    parser.add_argument("--database", help="数据库地址 / database URL (SQLite in the data folder)")
    parser.add_argument("--files", type=Path, help="材料文件夹 / folder of files (in the data folder)")
    parser.add_argument("--session-key", type=Path, help="会话密钥文件，多台机器共用 / file of the key hosts share")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text}: 1–65535")
    return port


def main(arguments: list[str]) -> None:
    options = read_arguments(arguments)
    with bootstrap.speaking_plainly():
        bootstrap.require_free_port(options.host, options.port)
        bootstrap.enter("webui", arguments)
        # Only now can anything outside the standard library be imported.
        app = importlib.import_module("webui.app")
        app.serve(
            options.host,
            options.port,
            options.data.resolve(),
            options.database,
            files=options.files,
            session_key=options.session_key,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
