"""The two efficiencies and the throughput of a layer-pipelined accelerator.

R1 = GOP/s / (2 f multipliers on the chip), R2 = GOP/s / (2 f multipliers used); with a throughput
of f / max cycles images a second the clock cancels. This reading fits all published systems.
"""


def gops(*, macs: int, cycles: int, mhz: float) -> float:
    """GOP/s of a pipeline whose slowest stage takes ``cycles``; one MAC is two operations."""
    return 2 * macs * mhz / cycles / 1000


def pipeline_efficiency(*, macs: int, cycles: int, multipliers: int) -> float:
    """R1 when ``multipliers`` are those on the chip, R2 when they are those in use.

    ``cycles`` are those of the slowest stage.
    """
    return macs / (cycles * multipliers)
