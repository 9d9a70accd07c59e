"""A complete design: one candidate per stage, and what it costs and achieves."""

from dataclasses import dataclass

from dse.pipeline.efficiency import gops, pipeline_efficiency
from dse.pipeline.model.buffers import weight_reads
from dse.pipeline.model.cost import Candidates, StageModel
from dse.pipeline.model.device import Device
from dse.pipeline.model.layer import Chain, ConvStage
from dse.pipeline.model.parallelism import Parallelism
from dse.pipeline.model.plan import Plan
from dse.pipeline.model.ram import IntArray
from hw.stages.scheme import Scheme


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a design.

    Parameters
    ----------
    name : str
        Name of the layer.
    scheme : Scheme
        What the stage keeps on chip.
    para_in, para_out, para_seg, run : int
        Parallelisms, and granules per segment.
    macs, cycles, dsp, multipliers : int
        Work for one image, time for one image, DSP blocks, and products those blocks can make.
    input_ram, weight_ram, output_ram, pool_ram, parameter_ram : int
        Memory blocks of each buffer.
    weight_words : int
        Weights read from DRAM for one image.
    """

    name: str
    scheme: Scheme
    para_in: int
    para_out: int
    para_seg: int
    run: int
    macs: int
    cycles: int
    dsp: int
    multipliers: int
    input_ram: int
    weight_ram: int
    output_ram: int
    pool_ram: int
    parameter_ram: int
    weight_words: int

    @property
    def ram(self) -> int:
        """Memory blocks of the stage."""
        buffers = self.input_ram + self.weight_ram + self.output_ram + self.pool_ram
        return buffers + self.parameter_ram


@dataclass(frozen=True, kw_only=True)
class Design:
    """A layer-pipelined accelerator for a network on a device."""

    network: Chain
    device: Device
    model: StageModel
    stages: tuple[Stage, ...]

    @property
    def cycles(self) -> int:
        """Cycles of the slowest stage: the period of the pipeline."""
        return max(stage.cycles for stage in self.stages)

    @property
    def dsp(self) -> int:
        """DSP blocks of all stages."""
        return sum(stage.dsp for stage in self.stages)

    @property
    def ram(self) -> int:
        """Memory blocks of all stages."""
        return sum(stage.ram for stage in self.stages)

    @property
    def r1(self) -> float:
        """Efficiency over the multipliers on the chip."""
        chip = self.device.dsp * self.model.pairing.products
        return pipeline_efficiency(macs=self.network.macs, cycles=self.cycles, multipliers=chip)

    @property
    def r2(self) -> float:
        """Efficiency over the multipliers of the DSP blocks in use."""
        used = self.dsp * self.model.pairing.products
        return pipeline_efficiency(macs=self.network.macs, cycles=self.cycles, multipliers=used)

    def utilisation(self, stage: Stage) -> float:
        """Share of a stage's multiplier cycles that do useful work, over the pipeline's period."""
        return stage.macs / (self.cycles * stage.multipliers)

    def gops(self, mhz: float) -> float:
        """Throughput at a clock."""
        return gops(macs=self.network.macs, cycles=self.cycles, mhz=mhz)

    def dram_gb_per_s(self, mhz: float) -> float:
        """DRAM traffic at a clock: weights, and the images that enter and leave the pipeline."""
        first, last = self.network.stages[0], self.network.stages[-1]
        size = last.pool.size_out if last.pool else last.size_out
        images = first.channels * first.size_in**2 + last.n_out * size**2
        words = images + sum(stage.weight_words for stage in self.stages)
        return words * self.model.bits / 8 * mhz / self.cycles / 1000


def build(
    network: Chain, device: Device, model: StageModel, plan: Plan, choice: list[Candidates]
) -> Design:
    """The design of one candidate per stage; each of ``choice`` holds exactly one."""
    stages = tuple(
        _stage(stage, scheme, model, candidate)
        for stage, scheme, candidate in zip(network.stages, plan, choice, strict=True)
    )
    return Design(network=network, device=device, model=model, stages=stages)


def _stage(stage: ConvStage, scheme: Scheme, model: StageModel, candidate: Candidates) -> Stage:
    par: Parallelism = candidate.par
    ram = model.buffers(stage, scheme, par)
    return Stage(
        name=stage.name,
        scheme=scheme,
        para_in=_only(par.para_in),
        para_out=_only(par.para_out),
        para_seg=_only(par.para_seg),
        run=_only(par.run),
        macs=stage.macs,
        cycles=_only(candidate.cycles),
        dsp=_only(candidate.dsp),
        multipliers=_only(candidate.dsp) * model.pairing.products,
        input_ram=_only(ram.input),
        weight_ram=_only(ram.weight),
        output_ram=_only(ram.output),
        pool_ram=_only(ram.pool),
        parameter_ram=_only(ram.parameter),
        weight_words=-(-stage.weights * _only(weight_reads(scheme, par)) // stage.images),
    )


def _only(array: IntArray) -> int:
    return int(array.item())
