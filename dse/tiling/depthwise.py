"""How the pooling engine takes a depthwise convolution: whether windows slide, and its parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dse.network.conv_shape import ConvShape
from dse.tiling.walks import ImageWalk
from hw.isa.config import DEPTHWISE_BLOCKS, DEPTHWISE_ROWS, OverlayConfig, ceil_div
from hw.pool.cycles import PoolLine, pool_cost
from hw.pool.pool_layouts import RING


@dataclass(frozen=True)
class DepthwiseForm:
    """A depthwise convolution on an overlay; of ``conv``, ``padding`` and heights do not count.

    Where windows slide, a row of weights has those of a tap in ``depthwise`` columns of the kernel;
    a column of taps is passed until it has met all of them. Else a row has the weight of one tap.
    """

    conv: ConvShape
    config: OverlayConfig

    @cached_property
    def slides(self) -> bool:
        """Whether windows slide, which takes fewer cycles."""
        if self.conv.kernel[1] * self._passes > RING:
            return False
        apart, sliding = (PoolLine.of(self._line(groups)) for groups in (0, self._groups))
        return sliding.cycles < apart.cycles

    @property
    def fields(self) -> dict[str, int]:
        """Of POOL, beside the walk and what lies in its memories."""
        groups = self._groups if self.slides else 0
        return {"depthwise": 1, "passes": self._passes, "window_groups": groups}

    @property
    def block_rows(self) -> int:
        """Rows of weights of a block of channels."""
        rows, columns = self.conv.kernel
        return rows * (self._passes if self.slides else columns)

    @property
    def parts(self) -> tuple[range, ...]:
        """The channels of each POOL: whole blocks, whose constants take half of the memories.

        So the next one's can be loaded meanwhile, unless a single block has more.
        """
        lanes, channels = self.config.pool_channels, self.conv.cin
        most = max(1, min(DEPTHWISE_BLOCKS // 2, DEPTHWISE_ROWS // 2 // self.block_rows))
        blocks = ceil_div(channels, lanes)
        count = ceil_div(blocks, most)
        ends = [min(channels, lanes * (blocks * k // count)) for k in range(count + 1)]
        return tuple(range(ends[k], ends[k + 1]) for k in range(count))

    @property
    def cycles(self) -> int:
        """Of all POOLs, one after the other."""
        size = {**self._walk.fields, **self.fields}
        costs = (
            pool_cost(self.config, {**size, "channels": len(channels)}) for channels in self.parts
        )
        return sum(cost.cycles for cost in costs)

    @property
    def _passes(self) -> int:
        return ceil_div(self.conv.kernel[1], self.config.depthwise)

    @property
    def _groups(self) -> int:
        return self.conv.kernel[1] * self._passes

    @property
    def _walk(self) -> ImageWalk:
        return walk(self.conv)

    def _line(self, groups: int) -> dict[str, int]:
        return {
            **self._walk.fields,
            "depthwise": 1,
            "passes": self._passes,
            "window_groups": groups,
        }


def walk(conv: ConvShape) -> ImageWalk:
    """The walk of its windows, of all channels."""
    return ImageWalk(
        height=conv.height,
        width=conv.width,
        channels=conv.cin,
        taps=conv.kernel,
        outputs=(conv.o1, conv.o2),
        stride=conv.stride,
        dilation=conv.dilation,
        before=conv.padding[:2],
    )
