"""The cost of candidate stages: (cycles, DSP blocks, memory blocks) from their parallelisms."""

from dataclasses import dataclass

import numpy as np

from dse.pipeline.model.buffers import Buffers, buffers
from dse.pipeline.model.compute import dsp_blocks, period
from dse.pipeline.model.device import Device, Pairing
from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.parallelism import Granule, Parallelism, parallelisms
from dse.pipeline.model.pixel_buffers import PixelBuffers
from dse.pipeline.model.ram import IntArray, Ram
from dse.pipeline.model.search_error import DeviceError
from hw.stages.scheme import Scheme

BITS = (8, 16)


@dataclass(frozen=True, kw_only=True)
class StageModel:
    """What the cost of a stage depends on besides the stage.

    Parameters
    ----------
    granule : Granule
        Segments of whole rows, or of single pixels.
    pairing : Pairing
        Use of a DSP block.
    ram : Ram
        Memory block.
    bits : int
        Width of weights and activations, 8 or 16.
    """

    granule: Granule
    pairing: Pairing
    ram: Ram
    bits: int

    def __post_init__(self) -> None:
        if self.bits not in BITS:
            raise DeviceError(f"bits must be 8 or 16, not {self.bits!r}")

    @property
    def packed(self) -> bool:
        """Whether two products share a multiplier."""
        return self.pairing is Pairing.SHARED

    def buffers(self, stage: ConvStage, scheme: Scheme, par: Parallelism) -> Buffers:
        """Memory blocks of every buffer of a stage."""
        return buffers(
            stage,
            scheme,
            self.granule,
            par,
            ram=self.ram,
            bits=self.bits,
            packed=self.packed,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Candidates of one stage: their parallelisms and three costs of shape (n,).

    Parameters
    ----------
    par : Parallelism
        Parallelisms.
    cycles, dsp, ram : IntArray
        Cycles for one image, DSP blocks, memory blocks.
    """

    par: Parallelism
    cycles: IntArray
    dsp: IntArray
    ram: IntArray

    def __len__(self) -> int:
        return len(self.cycles)

    def take(self, index: IntArray) -> "Candidates":
        """The candidates at ``index``."""
        return Candidates(
            par=self.par.take(index),
            cycles=self.cycles[index],
            dsp=self.dsp[index],
            ram=self.ram[index],
        )


def cost_model(
    device: Device,
    *,
    bits: int = 16,
    granule: Granule = Granule.PIXEL,
    per_dsp: int | None = None,
) -> StageModel:
    """The cost model of a device.

    Raises
    ------
    DeviceError
        When the device cannot do ``per_dsp`` products of ``bits`` bits in a DSP block.
    """
    return StageModel(
        granule=granule,
        pairing=device.pairing(bits=bits, per_dsp=per_dsp),
        ram=device.ram,
        bits=bits,
    )


def candidates(stage: ConvStage, scheme: Scheme, model: StageModel) -> Candidates:
    """Step 4: the (cycles, dsp, ram) triple of every parallelism of a stage."""
    par = parallelisms(stage, model.granule)
    if model.granule is Granule.PIXEL:
        sizes = PixelBuffers(
            stage=stage,
            scheme=scheme,
            par=par,
            ram=model.ram,
            bits=model.bits,
            packed=model.packed,
        )
        par = par.take(np.flatnonzero(sizes.buildable))
    return Candidates(
        par=par,
        cycles=period(stage, model.granule, scheme, par),
        dsp=dsp_blocks(stage, model.pairing, par),
        ram=model.buffers(stage, scheme, par).total,
    )
