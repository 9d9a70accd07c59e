"""The budget of a device, and what its multipliers can do."""

from dataclasses import dataclass
from enum import Enum

from dse.pipeline.model.ram import Ram
from dse.pipeline.model.search_error import DeviceError

PACKED_BITS = 8


class Pairing(Enum):
    """How the products of one DSP block relate."""

    SINGLE = "single"  # one product
    INDEPENDENT = "independent"  # two multipliers with operands of their own (Arria 10)
    SHARED = "shared"  # two products with one common operand, packed in one multiplier (WP486)

    @property
    def products(self) -> int:
        """Products per DSP block and cycle."""
        return 1 if self is Pairing.SINGLE else 2


@dataclass(frozen=True, kw_only=True)
class Device:
    """DSP and memory of a part.

    Parameters
    ----------
    name, title : str
        Name on the command line and in reports.
    dsp : int
        DSP blocks.
    multipliers_per_dsp : int
        Independent 16-bit multipliers in one DSP block, 1 or 2.
    ram : Ram
        Memory block.
    ram_units : int
        Memory in the unit of the data sheet, `Ram.unit`.
    """

    name: str
    title: str
    dsp: int
    multipliers_per_dsp: int
    ram: Ram
    ram_units: int

    def __post_init__(self) -> None:
        for field in ("dsp", "ram_units"):
            value = getattr(self, field)
            if value < 1:
                raise DeviceError(f"device {self.name}: {field} must be 1 or more, not {value!r}")
        if self.multipliers_per_dsp not in (1, 2):
            raise DeviceError(
                f"device {self.name}: multipliers_per_dsp must be 1 or 2, "
                f"not {self.multipliers_per_dsp!r}"
            )

    @property
    def ram_blocks(self) -> int:
        """Memory blocks on the chip."""
        return self.ram_units * self.ram.blocks_per_unit

    def pairing(self, *, bits: int, per_dsp: int | None = None) -> Pairing:
        """The use of a DSP block for ``per_dsp`` products of ``bits`` bits.

        Parameters
        ----------
        bits : int
            Width of both operands.
        per_dsp : int or None
            Products per block, 1 or 2; None takes the multipliers which the block has.

        Raises
        ------
        DeviceError
            When the block cannot do that.
        """
        wanted = self.multipliers_per_dsp if per_dsp is None else per_dsp
        if wanted == 1:
            return Pairing.SINGLE
        if wanted != 2:
            raise DeviceError(f"products per DSP must be 1 or 2, not {wanted!r}")
        if self.multipliers_per_dsp == 2:
            return Pairing.INDEPENDENT
        if bits > PACKED_BITS:
            raise DeviceError(
                f"device {self.name}: two products per DSP need {PACKED_BITS} bits or fewer, "
                f"not {bits}; use --bits {PACKED_BITS} or one product per DSP"
            )
        return Pairing.SHARED
