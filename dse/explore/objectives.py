"""What a user chooses among, by name."""

from enum import StrEnum


class Objective(StrEnum):
    """What is best: latency of one image, images a second, or fewest DSPs within a latency."""

    LATENCY = "latency"
    THROUGHPUT = "throughput"
    DSP = "dsp"


class CostModelName(StrEnum):
    """Whose cycles count: those of the overlay's RTL, or those of the paper."""

    OVERLAY = "overlay"
    DYNAMAP = "dynamap"


class Winograd(StrEnum):
    """The transforms of the hardware."""

    NONE = "none"
    F2 = "f2"
    F4 = "f4"
    BOTH = "both"
    ALL = "all"


class MemoryModel(StrEnum):
    """How the memory answers: at once, or as DDR4 does."""

    IDEAL = "ideal"
    DDR = "ddr"
