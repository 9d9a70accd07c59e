"""The contract between compiler and hardware: instructions, registers, configuration, checksum."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hw.isa.instructions import (
        BEGIN,
        CONV,
        COUNTS,
        END,
        HEAD,
        HEAD_LAYOUT,
        INSTRUCTION_BYTES,
        KN2ROW_WS_COUNTS,
        LAYOUTS,
        LOAD,
        PARAMETER,
        POOL,
        STORE,
        TENSOR_ADDRESSES,
        TRANSFORM_OF,
        WEIGHTS,
        WINDOW,
        WINOGRAD_COUNTS,
        Algorithm,
        Base,
        Combination,
        Dataflow,
        Engine,
        Error,
        MemorySpace,
        Opcode,
        counts,
        decode,
        encode,
        limits,
    )

__all__ = [
    "BEGIN",
    "CONV",
    "COUNTS",
    "END",
    "HEAD",
    "HEAD_LAYOUT",
    "INSTRUCTION_BYTES",
    "KN2ROW_WS_COUNTS",
    "LAYOUTS",
    "LOAD",
    "PARAMETER",
    "POOL",
    "STORE",
    "TENSOR_ADDRESSES",
    "TRANSFORM_OF",
    "WEIGHTS",
    "WINDOW",
    "WINOGRAD_COUNTS",
    "Algorithm",
    "Base",
    "Combination",
    "Dataflow",
    "Engine",
    "Error",
    "MemorySpace",
    "Opcode",
    "counts",
    "decode",
    "encode",
    "limits",
]


def __getattr__(name: str) -> Any:
    """An instruction or a field, imported at first use: it needs Amaranth, which errors do not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hw.isa import instructions

    return getattr(instructions, name)
