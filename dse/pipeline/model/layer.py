"""A network as the chain of convolution stages which a layer-pipelined accelerator builds."""

from dataclasses import dataclass, replace
from math import isqrt

from dse.pipeline.model.search_error import ChainError
from hw.stages.ring_rows import MapWindows

LARGEST = 65536


@dataclass(frozen=True, kw_only=True)
class StagePool:
    """A pooling window that follows a convolution, computed in that convolution's output path.

    Parameters
    ----------
    name : str
        Name in messages.
    kernel, stride : int
        Window and step, in pixels.
    size_out : int
        Height and width of the pooled map.
    pad : int
        Padding before the first pixel; it never is a maximum.

    Raises
    ------
    ChainError
        When a size is not a positive integer.
    """

    name: str
    kernel: int
    stride: int
    size_out: int
    pad: int = 0

    def __post_init__(self) -> None:
        for field in ("kernel", "stride", "size_out"):
            _positive(self.name, field, getattr(self, field))
        if not isinstance(self.pad, int) or not 0 <= self.pad < self.kernel:
            raise ChainError(
                f"layer {self.name}: pad must be an integer from 0 to {self.kernel - 1}, "
                f"not {self.pad!r}"
            )


@dataclass(frozen=True, kw_only=True)
class ConvStage:
    """One convolution layer, which is one stage of the pipeline. Maps and kernels are square.

    Parameters
    ----------
    name : str
        Name in reports.
    n_in : int
        Input channels of one group, as in the published table.
    n_out : int
        Output channels of all groups.
    groups : int
        Number of groups; the stage reads ``n_in * groups`` channels.
    size_in, size_out : int
        Height and width of the input and output map, in pixels.
    kernel, stride, pad : int
        Kernel size, step and zero padding, in pixels.
    pool : StagePool or None
        Pooling in the output path of the stage.
    images : int
        Images that lie side by side in the map, each a pixel of it: the batch of a fully connected
        layer, which reads its weights once for all of them.
    within : int or None
        Results travel within so many channels: those of a group of the next layer, if it has
        groups. A `Chain` fills it in.

    Raises
    ------
    ChainError
        When the sizes contradict each other.
    """

    name: str
    n_in: int
    n_out: int
    size_in: int
    size_out: int
    kernel: int
    stride: int = 1
    pad: int = 0
    groups: int = 1
    pool: StagePool | None = None
    images: int = 1
    within: int | None = None

    def __post_init__(self) -> None:
        sizes = ("n_in", "n_out", "size_in", "size_out", "kernel", "stride", "groups", "images")
        for field in sizes:
            _positive(self.name, field, getattr(self, field))
        if not isinstance(self.pad, int) or not 0 <= self.pad < self.kernel:
            raise ChainError(
                f"layer {self.name}: pad must be an integer from 0 to {self.kernel - 1}, "
                f"not {self.pad!r}"
            )
        if self.n_out % self.groups:
            raise ChainError(
                f"layer {self.name}: {self.n_out} output channels do not divide into "
                f"{self.groups} groups"
            )
        expected = (self.size_in + 2 * self.pad - self.kernel) // self.stride + 1
        if self.images > 1 and (self.kernel, self.images) != (1, self.size_in**2):
            raise ChainError(
                f"layer {self.name}: {self.images} images are no map of {self.size_in} x "
                f"{self.size_in} pixels, one for each"
            )
        if self.size_out != expected:
            raise ChainError(
                f"layer {self.name}: size_out is {self.size_out}, but size_in {self.size_in}, "
                f"kernel {self.kernel}, stride {self.stride} and pad {self.pad} give {expected}"
            )

    @property
    def channels(self) -> int:
        """Channels that the stage reads, all groups together."""
        return self.n_in * self.groups

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.n_in * self.n_out * self.kernel**2

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.weights * self.size_out**2 // self.images

    @property
    def is_dense(self) -> bool:
        """Whether the kernel covers the whole map: a fully connected layer."""
        return (self.size_out, self.kernel, self.pad) == (1, self.size_in, 0)

    @property
    def windows(self) -> MapWindows:
        """What is read of the map."""
        return MapWindows.of(self)

    @property
    def rows_used(self) -> int:
        """Rows (and columns) of the input map that any output depends on."""
        return self.windows.used


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A chain of convolution stages; a fully connected layer is one whose kernel is its whole map.

    Raises
    ------
    ChainError
        When the chain is empty or a stage does not read what its predecessor writes.
    """

    name: str
    stages: tuple[ConvStage, ...]

    def __post_init__(self) -> None:
        if not self.stages:
            raise ChainError(f"network {self.name}: no convolution layer found")
        for before, after in zip(self.stages, self.stages[1:], strict=False):
            size = before.pool.size_out if before.pool else before.size_out
            if after.images > before.images:  # a map becomes a pixel
                fits = after.channels == before.n_out * size**2
            else:
                fits = (after.channels, after.size_in) == (before.n_out, size)
            if not fits:
                raise ChainError(
                    f"network {self.name}, layer {after.name}: reads {after.channels} channels of "
                    f"{after.size_in} x {after.size_in}, but {before.name} writes {before.n_out} "
                    f"of {size} x {size}"
                )
        readers = (*self.stages[1:], None)
        linked = tuple(
            replace(stage, within=_within(stage, reader))
            for stage, reader in zip(self.stages, readers, strict=True)
        )
        object.__setattr__(self, "stages", linked)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all stages for one image."""
        return sum(stage.macs for stage in self.stages)

    @property
    def batch(self) -> int:
        """Images that a run needs at least: those of the largest batch."""
        return max(stage.images for stage in self.stages)


def _within(stage: ConvStage, reader: ConvStage | None) -> int | None:
    """The channels that no beat may reach beyond; as a pixel, a map has no lanes without use."""
    if reader is None:
        return None
    if reader.images > stage.images:
        return stage.n_out
    return reader.n_in if reader.groups > 1 else None


def batched(network: Chain, images: int) -> Chain:
    """The same layers; fully connected ones at the end take so many images at once.

    An image is a pixel of their map, with all values of its own map as channels.

    Raises
    ------
    ChainError
        When so many images are no square, or no layer at the end is fully connected.
    """
    if images == 1:
        return network
    side = isqrt(images)
    if images < 1 or side**2 != images:
        raise ChainError(
            f"a batch of {images!r} images is no square map; give 4, 9, 16 or another square"
        )
    first = len(network.stages)
    while first > 0 and _joins(network.stages[first - 1]):
        first -= 1
    if first == len(network.stages):
        raise ChainError(
            f"network {network.name}: the last layer is not fully connected, and only such layers "
            "take a batch; leave --batch out, or have --dense"
        )
    return Chain(
        name=network.name,
        stages=(
            *network.stages[:first],
            *(
                replace(
                    stage,
                    n_in=stage.n_in * stage.kernel**2,
                    size_in=side,
                    size_out=side,
                    kernel=1,
                    stride=1,
                    images=images,
                )
                for stage in network.stages[first:]
            ),
        ),
    )


def _joins(stage: ConvStage) -> bool:
    """Whether a layer can take a batch."""
    return stage.is_dense and stage.groups == 1 and stage.pool is None


def resized(network: Chain, size: int | None) -> Chain:
    """The same layers on images of another height and width; None leaves them.

    Raises
    ------
    ChainError
        When a window no longer fits.
    """
    if size is None:
        return network
    stages = []
    for original in network.stages:
        stage = replace(original, kernel=size, size_in=size) if original.is_dense else original
        size_out = (size + 2 * stage.pad - stage.kernel) // stage.stride + 1
        pool = stage.pool
        if pool is not None:
            rest = size_out + 2 * pool.pad - pool.kernel
            whole = stage.size_out + 2 * pool.pad - pool.kernel
            up = pool.size_out > whole // pool.stride + 1  # the last window reaches beyond the map
            pool = replace(
                pool, size_out=max(0, -(-rest // pool.stride) if up else rest // pool.stride) + 1
            )
        stages.append(replace(stage, size_in=size, size_out=size_out, pool=pool))
        size = pool.size_out if pool else size_out
    return Chain(name=network.name, stages=tuple(stages))


def _positive(name: str, field: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST:
        raise ChainError(
            f"layer {name}: {field} must be an integer from 1 to {LARGEST}, not {value!r}"
        )
