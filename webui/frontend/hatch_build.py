"""Lets the package build make the browser code first, so that a wheel carries it and needs no node to install."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parents[2]
# The hook is loaded by path, before the project is importable.
sys.path.insert(0, str(ROOT))

from webui import assets  # noqa: E402

#: Set by the start commands: they build afterwards themselves, where the person sees what is going on.
LATER = "SIHUA_BUILD_LATER"


class CustomBuildHook(BuildHookInterface):
    """Hatchling finds this class by its base."""

    def dependencies(self) -> list[str]:
        if self._has_nothing_to_do():
            return []
        return ["babel>=2.14"] + ([] if assets.find_node() else [assets.NODE_WHEEL])

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not self._has_nothing_to_do():
            assets.build(ROOT, lambda sentence: print(sentence, file=sys.stderr))

    def _has_nothing_to_do(self) -> bool:
        return bool(os.environ.get(LATER)) or assets.are_current(ROOT)
