"""The manifest of a compiled program."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from dse.network.graph import Network
from dse.program.instruction import Action
from dse.program.layers import ConvLayer, Layer
from dse.program.lifetime import completions
from dse.program.manifest import (
    MANIFEST_VERSION,
    HostTensor,
    LayerEntry,
    Manifest,
    TensorPlace,
)
from dse.program.mapping import LayerMapping
from dse.program.memory import MemoryPlan, Span
from dse.program.schedule import LayerCost
from dse.program.views import Layout
from hw.config import OverlayConfig
from hw.isa import ISA_VERSION, Base, Opcode
