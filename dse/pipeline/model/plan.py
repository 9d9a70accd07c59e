"""Which stages keep their weights on chip, and which their maps."""

from dse.pipeline.model.layer import Chain, ConvStage
from hw.stages.scheme import BANDS, Scheme

Plan = tuple[Scheme, ...]


def plans(network: Chain) -> list[Plan]:
    """The plans of a network, in the order in which a search should try them.

    A MAP stage finishes the channels of a row only with its last tile, so its successor needs the
    whole map: once a stage is MAP, all later ones are. Before that stage every stage is LINE; as a
    second choice, since it multiplies the DRAM traffic, every stage before it is LINE or BAND,
    whichever stores less. Plans of equal choice come with the least storage first.
    """
    count = len(network.stages)
    resident = [_plan(network, switch, (Scheme.LINE,)) for switch in range(count + 1)]
    banded = [_plan(network, switch, (Scheme.LINE, Scheme.BAND)) for switch in range(count + 1)]

    def words(plan: Plan) -> int:
        return sum(map(_stage_words, network.stages, plan))

    first = sorted(resident, key=words)
    return first + sorted((plan for plan in banded if plan not in first), key=words)


def _plan(network: Chain, switch: int, before: tuple[Scheme, ...]) -> Plan:
    def leanest(stage: ConvStage) -> Scheme:
        return min(before, key=lambda scheme: _stage_words(stage, scheme))

    head = tuple(leanest(stage) for stage in network.stages[:switch])
    return head + (Scheme.MAP,) * (len(network.stages) - switch)


def _stage_words(stage: ConvStage, scheme: Scheme) -> int:
    """Words which a stage stores at the least, with every parallelism 1."""
    tile = 2 * stage.n_in * stage.kernel**2
    if scheme is Scheme.MAP:
        return 2 * stage.channels * stage.rows_used**2 + tile
    band = -(-stage.size_out // BANDS) if scheme is Scheme.BAND else 1
    rows = min(2 * stage.rows_used, stage.kernel + (2 * band - 1) * stage.stride)
    inputs = rows * stage.rows_used * stage.channels
    if scheme is Scheme.LINE:
        return inputs + stage.weights + 2 * stage.n_out
    return inputs + tile + 2 * band * stage.size_out * stage.n_out
