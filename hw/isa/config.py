"""The overlay's parameters and everything derived from them, computed and checked once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from hw.isa.errors import PolymapError
from hw.isa.squares import REACH
from hw.isa.timing import LEAST_TILE_CYCLES
from hw.isa.transforms import F2, F4, LINE3, LINE4, Transform, choice_bits

ISA_VERSION = 6
CONFIGURATION_VERSION = 1  # of files of parameters
MAX_WEIGHT_PORTS = 4
MOST = {"tensor_bytes": 1 << 28, "weight_words": 1 << 20, "parameter_depth": 1 << 16}
LEAST_TENSOR_BYTES = 256
ACCUMULATOR_BITS = (20, 40)
TRANSFORMS = {
    "none": (),
    "f2": (F2,),
    "f4": (F4,),
    "both": (F2, F4),
    "all": (F2, F4, LINE4, LINE3),
}
PARAMETER_BYTES = 16  # of one channel's record in DRAM, see hw.isa.PARAMETER
TABLE_ENTRIES = 256  # of an activation table: a byte for each int8
TABLE_RECORDS = TABLE_ENTRIES // PARAMETER_BYTES
MOST_TABLES = 4
MOST_DEPTHWISE = 8
MOST_CROSSINGS = 3  # of an array on all four dies of a U250
DEPTHWISE_ROWS = 512  # of weights: what a block of RAM holds
DEPTHWISE_BLOCKS = 64  # of channel records
_LATER = (  # whose value 0 is the overlay of before
    *("tables", "products", "pairs", "normalisation"),
    *("depthwise", "crossings"),
)


class ConfigError(PolymapError, ValueError):
    """A parameter is out of range; the message names it, its value and the legal range."""


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def power_of_two(at_least: int) -> int:
    """The smallest power of two that is not below ``at_least``."""
    return 1 << max(0, at_least - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class OverlayConfig:
    """Generator parameters of one overlay.

    Parameters
    ----------
    rows, columns : PE array, R x C, each at least 2, any integers.
    lanes : multiply-accumulates per PE and cycle: 1 (plain) or 2 (fast inner product).
    tensor_bytes : capacity of the tensor memory.
    tensor_copies : 1, or 2: a second copy of it, so that the feeder reads beside all others.
    accumulator_depth : partial sums per column: pixels of a weight-stationary tile, channels of an
        input-stationary one.
    weight_words : depth of the weight buffer, in words of ``weight_word_bytes``.
    parameter_depth : channel records that the parameter memory holds.
    axi_bytes : data width of each AXI4 master.
    weight_ports : 1, 2 or 4 AXI4 masters that the weight stream is striped over.
    accumulator_bits : width of partial sums; up to 27 the requantisation takes one DSP a column.
    pool_lanes : channels the pooling engine handles per cycle (0: min(columns, 32)).
    winograd : the transforms of the hardware: "none", "f2" for F(2,3), "f4" for F(4,3), "both", or
        "all": these, and F(4,3) and F(3,4) of one dimension.
    scratch_words : transformed activation words that the Winograd scratch memory holds.
    watchdog_cycles : reset value of the watchdog: cycles without progress before error.
    tables : activation tables held at a time, 0 to leave them out: with two, one is loaded while
        the other is in use.
    products : 1 for multipliers in the pooling engine, one a lane, for products of two tensors; 0
        to leave them out.
    pairs : 1 for sums, maxima and minima of two tensors in the pooling engine, and for operands of
        one value a pixel, which take the multipliers of products; 0 to leave them out.
    normalisation : 1 for normalisation across channels in the pooling engine, which takes a table
        and the multipliers of products; 0 to leave it out.
    depthwise : multipliers of the pooling engine for depthwise convolutions, so many a lane: those
        of a column of taps with as many columns of a kernel; 0 to leave them out.
    crossings : borders between dies that the array crosses, with registers on either side.
    """

    rows: int = 16
    columns: int = 32
    lanes: int = 2
    tensor_bytes: int = 1 << 22
    tensor_copies: int = 1
    accumulator_depth: int = 1024
    weight_words: int = 4096
    parameter_depth: int = 4096
    axi_bytes: int = 64
    weight_ports: int = 1
    accumulator_bits: int = 32
    pool_lanes: int = 0
    watchdog_cycles: int = 1 << 20
    winograd: str = "none"
    scratch_words: int = 0
    tables: int = 2
    products: int = 1
    pairs: int = 0
    normalisation: int = 0
    depthwise: int = 0
    crossings: int = 0

    def __post_init__(self) -> None:
        self._range("rows", 2, 1024)
        self._range("columns", 2, 1024)
        self._range("lanes", 1, 2)
        self._range("tensor_bytes", LEAST_TENSOR_BYTES, MOST["tensor_bytes"])
        self._range("tensor_copies", 1, 2)
        self._range("accumulator_depth", 4, 1 << 14)
        self._range("weight_words", 4, MOST["weight_words"])
        self._range("parameter_depth", 4, MOST["parameter_depth"])
        self._range("axi_bytes", 4, 128)
        self._range("weight_ports", 1, MAX_WEIGHT_PORTS)
        self._range("accumulator_bits", *ACCUMULATOR_BITS)
        self._range("pool_lanes", 0, 256)
        self._range("watchdog_cycles", 1 << 8, (1 << 32) - 1)
        self._range("tables", 0, MOST_TABLES)
        self._range("products", 0, 1)
        self._range("pairs", 0, 1)
        if self.pairs and not self.products:
            raise ConfigError("pairs must be 0 without products, not 1")
        self._range("normalisation", 0, 1)
        if self.normalisation and not (self.products and self.tables):
            raise ConfigError("normalisation must be 0 without products or tables, not 1")
        if self.normalisation and not self.normalised_channels:
            raise ConfigError(
                f"normalisation must be 0 in words of {self.tensor_word} bytes, not 1"
            )
        self._range("depthwise", 0, MOST_DEPTHWISE)
        self._range("crossings", 0, min(MOST_CROSSINGS, self.columns - 1))
        self._check_winograd()
        for name in (
            *("tensor_bytes", "accumulator_depth", "parameter_depth"),
            *("axi_bytes", "weight_ports"),
        ):
            value = getattr(self, name)
            if value != power_of_two(value):
                raise ConfigError(f"{name} must be a power of two, not {value}")
        for name, least in self.least_memories.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, not {getattr(self, name)}")

    def _check_winograd(self) -> None:
        if self.winograd not in TRANSFORMS:
            known = ", ".join(TRANSFORMS)
            raise ConfigError(f"winograd must be one of {known}, not {self.winograd!r}")
        self._range("scratch_words", 0, 1 << 20)
        if not self.transforms:
            if self.scratch_words:
                raise ConfigError(
                    f"scratch_words must be 0 without winograd, not {self.scratch_words}"
                )
            return
        least = 2 * max(transform.elements for transform in self.transforms)
        if self.scratch_words < least or self.scratch_words != power_of_two(self.scratch_words):
            raise ConfigError(
                f"scratch_words must be a power of two of at least {least}, "
                f"not {self.scratch_words}"
            )

    def _range(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or not low <= value <= high:
            raise ConfigError(f"{name} must be an integer in [{low}, {high}], not {value!r}")

    @classmethod
    def raised(cls, **parameters: Any) -> OverlayConfig:
        """The configuration whose memories are the ones asked for, or the nearest legal ones."""
        ample = cls(**{**parameters, **MOST})
        least = ample.least_memories
        asked = {f.name: parameters.get(f.name, f.default) for f in fields(cls) if f.name in MOST}
        memories = {name: min(max(asked[name], least[name]), MOST[name]) for name in MOST}
        return replace(ample, **memories)

    @property
    def least_memories(self) -> dict[str, int]:
        """The smallest memories that serve the array and the buses; all are powers of two but one.

        Two bursts of weights and of channel records, and a tensor memory of four words.
        """
        return {
            "weight_words": 2 * max(self.rows, self.columns),
            "parameter_depth": power_of_two(2 * self.columns),
            "tensor_bytes": max(LEAST_TENSOR_BYTES, 4 * self.tensor_word),
        }

    @property
    def reduction(self) -> int:
        """L: reduction lanes of the array, bytes of one activation word."""
        return self.lanes * self.rows

    @property
    def operand_bits(self) -> int:
        """Bits of an operand in the array: int8 relative to any zero point, or transformed."""
        return max((transform.operand_bits for transform in self.transforms), default=9)

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """The Winograd transforms of the hardware; instructions and gateware count them so."""
        return TRANSFORMS[self.winograd]

    @property
    def transform_bits(self) -> int:
        """Bits of an index into them."""
        return choice_bits(self.transforms)

    @property
    def records(self) -> int:
        """Records that LOAD can reach: the channels', behind them the tables', the depthwise."""
        return self.depthwise_records + self.depthwise_channel_records

    @property
    def depthwise_weights(self) -> int:
        """The first record of depthwise weights."""
        return self.parameter_depth + TABLE_RECORDS * self.tables

    @property
    def depthwise_weight_bytes(self) -> int:
        """Bytes of a lane in a row of depthwise weights, of which ``depthwise`` count."""
        return power_of_two(self.depthwise)

    @property
    def depthwise_row_records(self) -> int:
        """Records of a row of depthwise weights, those of unused lanes included."""
        lanes = PARAMETER_BYTES // self.depthwise_weight_bytes
        return power_of_two(ceil_div(self.pool_channels, lanes))

    @property
    def depthwise_block_records(self) -> int:
        """Records of a block of depthwise channels, those of unused lanes included."""
        return power_of_two(self.pool_channels)

    @property
    def depthwise_records(self) -> int:
        """The first channel record of depthwise convolutions."""
        rows = DEPTHWISE_ROWS * self.depthwise_row_records if self.depthwise else 0
        return self.depthwise_weights + rows

    @property
    def depthwise_channel_records(self) -> int:
        """Channel records of depthwise convolutions, those of unused lanes included."""
        return DEPTHWISE_BLOCKS * self.depthwise_block_records if self.depthwise else 0

    @property
    def weight_beat_bytes(self) -> int:
        """Bytes that all weight ports deliver in a cycle."""
        return self.weight_ports * self.axi_bytes

    @property
    def weight_bytes(self) -> int:
        """Bytes of a weight in the widest weight word: transformed ones take two."""
        return 2 if self.transforms else 1

    @property
    def result_bits(self) -> int:
        """Bits of a sum behind the output transform."""
        shift = max((transform.total_shift for transform in self.transforms), default=0)
        return self.accumulator_bits - shift

    @property
    def activation_bits(self) -> int:
        """Bits of an activation word: L operands."""
        return self.operand_bits * self.reduction

    @property
    def address_bits(self) -> int:
        """Bits of an address into the accumulators."""
        return (self.accumulator_depth - 1).bit_length()

    @property
    def top_bytes(self) -> int:
        """Bytes of one weight word that enters the top of the array (WS, NS)."""
        return self.lanes * self.columns

    @property
    def weight_word_bytes(self) -> int:
        """Bytes of one weight buffer word: a top word (WS, NS) or a left word (IS)."""
        return max(self.top_bytes, self.reduction) * self.weight_bytes

    @property
    def weight_beats(self) -> int:
        """Beats of all weight ports together that the longest weight word takes."""
        return ceil_div(self.weight_word_bytes, self.weight_beat_bytes)

    @property
    def tensor_word(self) -> int:
        """W: bytes of one tensor memory word and of its two ports, a power of two."""
        return power_of_two(max(self.reduction, self.columns, self.axi_bytes, self.pool_channels))

    @property
    def pool_channels(self) -> int:
        """Channels the pooling engine handles per cycle."""
        return self.pool_lanes or min(self.columns, 32)

    @property
    def normalised_channels(self) -> int:
        """Channels that the pooling engine can normalise in a cycle: with neighbours, in a word."""
        return min(self.pool_channels, self.tensor_word - 2 * REACH)

    def normalised_blocks(self, channels: int) -> int:
        """Instructions that normalise so many channels."""
        return ceil_div(channels, self.normalised_channels)

    @property
    def activation_depth(self) -> int:
        """Words of the activation FIFO: two bursts of the larger array side, at least 64."""
        return power_of_two(max(64, 2 * max(self.rows, self.columns) + 16))

    @property
    def output_depth(self) -> int:
        """Words of the output FIFO: covers the array's latency at one word a cycle."""
        return power_of_two(self.rows + 3 * self.columns + 64)

    @property
    def tile_cycles(self) -> int:
        """Least cycles between two tiles: loading R rows, or the accumulators' read-add-write."""
        return max(self.rows, LEAST_TILE_CYCLES)

    def to_json(self) -> dict[str, Any]:
        """The parameters, by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> OverlayConfig:
        """The inverse of ``to_json``; unknown names are refused, and other versions than ours."""
        version = data.get("version", CONFIGURATION_VERSION)
        if version != CONFIGURATION_VERSION:
            raise ConfigError(
                f"the configuration is of version {version!r}, this tool reads version "
                f"{CONFIGURATION_VERSION}: make it again"
            )
        data = {name: value for name, value in data.items() if name != "version"}
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ConfigError(f"unknown overlay parameters: {', '.join(unknown)}")
        return cls(**data)

    @property
    def hash(self) -> int:
        """32-bit configuration hash: programs carry it, the overlay refuses any other.

        What came later than others and is left out counts as if it did not exist.
        """
        parameters = {k: v for k, v in self.to_json().items() if v or k not in _LATER}
        text = json.dumps({"isa": ISA_VERSION, **parameters}, sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
