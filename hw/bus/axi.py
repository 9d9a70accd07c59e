"""AXI4 and AXI4-Lite as bundles of streams, and their flat pin names."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Shape, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes

ADDRESS_BITS = 64
ID_BITS = 1
PAGE_BYTES = 4096  # no burst crosses a multiple of this
MAX_BURST = 64  # beats

ADDRESS = data.StructLayout({"addr": ADDRESS_BITS, "len": 8, "id": ID_BITS})
WRITE_RESPONSE = data.StructLayout({"resp": 2, "id": ID_BITS})
OKAY = 0


def burst_beats(data_bytes: int) -> int:
    """Beats of the longest burst: bursts end at multiples of it, hence never cross a page."""
    return min(MAX_BURST, PAGE_BYTES // data_bytes)


def check_data_bytes(data_bytes: int) -> None:
    """Refuses a data width that AXI4 does not have."""
    check_sizes(1, 128, power=True, data_bytes=data_bytes)


def read_layout(data_bytes: int) -> data.StructLayout:
    """Payload of the R channel."""
    return data.StructLayout(
        {"data": unsigned(8 * data_bytes), "resp": 2, "last": 1, "id": ID_BITS}
    )


def write_layout(data_bytes: int) -> data.StructLayout:
    """Payload of the W channel."""
    return data.StructLayout({"data": unsigned(8 * data_bytes), "strb": data_bytes, "last": 1})


class AXI4Read(wiring.Signature):
    """Read channels of an AXI4 master; every burst is incrementing and of full-width beats.

    Parameters
    ----------
    data_bytes : width of the data, in bytes.

    Members
    -------
    ar : address stream (``addr``, ``len``, ``id``).
    r : data stream (``data``, ``resp``, ``last``, ``id``).
    """

    def __init__(self, *, data_bytes: int) -> None:
        check_data_bytes(data_bytes)
        self.data_bytes = data_bytes
        super().__init__(
            {
                "ar": Out(stream.Signature(ADDRESS)),
                "r": In(stream.Signature(read_layout(data_bytes))),
            }
        )


class AXI4Write(wiring.Signature):
    """Write channels of an AXI4 master; every burst is incrementing and of full-width beats.

    Parameters
    ----------
    data_bytes : width of the data, in bytes.

    Members
    -------
    aw : address stream (``addr``, ``len``, ``id``).
    w : data stream (``data``, ``strb``, ``last``).
    b : response stream (``resp``, ``id``).
    """

    def __init__(self, *, data_bytes: int) -> None:
        check_data_bytes(data_bytes)
        self.data_bytes = data_bytes
        super().__init__(
            {
                "aw": Out(stream.Signature(ADDRESS)),
                "w": Out(stream.Signature(write_layout(data_bytes))),
                "b": In(stream.Signature(WRITE_RESPONSE)),
            }
        )


class AXI4(wiring.Signature):
    """All channels of an AXI4 master: the members of ``AXI4Read`` and of ``AXI4Write``."""

    def __init__(self, *, data_bytes: int) -> None:
        self.data_bytes = data_bytes
        read, write = AXI4Read(data_bytes=data_bytes), AXI4Write(data_bytes=data_bytes)
        super().__init__({**dict(write.members.items()), **dict(read.members.items())})


class AXI4Lite(wiring.Signature):
    """AXI4-Lite from the master's side, with 32 bits of data.

    Parameters
    ----------
    address_bits : width of the byte addresses.

    Members
    -------
    aw, w, b, ar, r : streams, with the fields of the standard but ``prot``.
    """

    def __init__(self, *, address_bits: int) -> None:
        check_sizes(1, ADDRESS_BITS, address_bits=address_bits)
        self.address_bits = address_bits
        address = data.StructLayout({"addr": address_bits})
        super().__init__(
            {
                "aw": Out(stream.Signature(address)),
                "w": Out(stream.Signature(data.StructLayout({"data": 32, "strb": 4}))),
                "b": In(stream.Signature(data.StructLayout({"resp": 2}))),
                "ar": Out(stream.Signature(address)),
                "r": In(stream.Signature(data.StructLayout({"data": 32, "resp": 2}))),
            }
        )


def _constants(signature: wiring.Signature, channel: str) -> dict[str, tuple[int, int]]:
    """Fields of an AXI4 address channel that never change: name -> (width, value)."""
    beat = getattr(signature, "data_bytes", None)
    if beat is None or channel not in ("aw", "ar"):
        return {}
    return {
        "size": (3, beat.bit_length() - 1),
        "burst": (2, 1),  # INCR
        "lock": (1, 0),
        "cache": (4, 0b0011),  # modifiable, bufferable
        "prot": (3, 0),
        "qos": (4, 0),
        "region": (4, 0),
    }


def flat_members(prefix: str, member: wiring.Member) -> dict[str, wiring.Member]:
    """Port members, such as ``m_axi_gmem0_awaddr``, for a component's own AXI port.

    ``member`` is that port, e.g. ``Out(AXI4(data_bytes=64))`` or ``In(AXI4Lite(...))``.
    """
    flat: dict[str, wiring.Member] = {}
    for channel, part in member.signature.members.items():
        name = f"{prefix}_{channel}"
        forward = Out if part.flow == Out else In
        for field, shape in part.signature.members["payload"].shape.members.items():
            flat[name + field] = forward(Shape.cast(shape).width)
        for field, (width, _) in _constants(_unflipped(member.signature), channel).items():
            flat[name + field] = forward(width)
        flat[name + "valid"] = forward(1)
        flat[name + "ready"] = forward(1).flip()
    return flat


def connect_flat(m: Module, component: Any, prefix: str, port: Any) -> None:
    """Connects an AXI ``port`` to the ``flat_members`` of another component.

    That component is the outer one, or one beside the port's: the port then is of the other side.
    """
    for channel, part in port.signature.members.items():
        name = f"{prefix}_{channel}"
        inner = getattr(port, channel)
        pairs = [(name + field, inner.payload[field]) for field in inner.payload.shape().members]
        pairs.append((name + "valid", inner.valid))
        if part.flow == Out:
            for field, (width, value) in _constants(_unflipped(port.signature), channel).items():
                pairs.append((name + field, Const(value, width)))
        for pin, signal in pairs:
            outer = getattr(component, pin)
            m.d.comb += outer.eq(signal) if part.flow == Out else signal.eq(outer)
        outer = getattr(component, name + "ready")
        m.d.comb += inner.ready.eq(outer) if part.flow == Out else outer.eq(inner.ready)


def _unflipped(signature: Any) -> Any:
    """The signature itself; of a flipped one, the one that was flipped."""
    return signature.flip() if isinstance(signature, wiring.FlippedSignature) else signature
