"""Resources of an overlay from its parameters.

DSP slices are exact; block RAM and UltraRAM follow from the memories' sizes and the shapes that the
primitives have; LUTs and flip-flops are estimates: formulas in the parameters whose coefficients
were fitted to Yosys' counts of each block in several sizes (docs/boards.md), not a vendor's result.
"""

from __future__ import annotations

from amaranth.utils import exact_log2

from dse.explore.resources import Resources
from hw.bus.masters import READ_DEPTH
from hw.conv.array.foot import TAKE
from hw.conv.array.primitive import BEHAVIOURAL, Primitive
from hw.conv.array.wave import drain_layout, read_layout, tag_layout
from hw.isa import PARAMETER
from hw.isa.config import (
    DEPTHWISE_ROWS,
    PARAMETER_BYTES,
    TABLE_RECORDS,
    OverlayConfig,
    ceil_div,
    power_of_two,
)
from hw.isa.squares import REACH
from hw.isa.timing import CROSSING
from hw.lib.banks import BLOCK_LANES, BLOCK_ROWS
from hw.lib.requantise import DSP_FACTOR

URAM_ROWS, URAM_BYTES = 4096, 8
LUTRAM_ROWS = 64  # deeper memories become block RAM
LUTRAM_BITS = 7  # of LUTRAM_ROWS, in eight LUTs with one write and one read port
SHIFT_REGISTER = 32  # stages of one LUT
_BRAM18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def estimate(
    config: OverlayConfig, *, primitive: Primitive = BEHAVIOURAL, uram: bool = False
) -> Resources:
    """The whole overlay; ``uram``: tensor memory in UltraRAM."""
    return Resources.total(breakdown(config, primitive=primitive, uram=uram).values())


def breakdown(
    config: OverlayConfig, *, primitive: Primitive = BEHAVIOURAL, uram: bool = False
) -> dict[str, Resources]:
    """The overlay by block."""
    return {
        "elements": elements(config, primitive),
        "feet": foot(config) * config.columns,
        "edges": edges(config),
        "crossings": crossings(config),
        "collector": collector(config),
        "writer": writer(config),
        "tables": tables(config),
        "sequencer": sequencer(config) + queues(config),
        "feeder": feeder(config),
        "activations": activations(config),
        "winograd": winograd(config),
        "tensor memory": tensor_memory(config, uram=uram),
        "parameters": parameters(config),
        "weights": weights(config),
        "buses": buses(config),
        "pooling": pooling(config),
        "products": products(config),
        "normalisation": normalisation(config),
        "depthwise": depthwise(config),
    }


def element(
    *, lanes: int, accumulator_bits: int, operand_bits: int, primitive: Primitive
) -> Resources:
    """One processing element."""
    two = lanes == 2
    travelling = 2 * operand_bits * lanes + 3  # the stream and its control, the shadow
    if primitive.name == "dsp48e2":
        # Two lanes: t0 and its adder are outside the slice. OPMODE takes a LUT.
        fabric = operand_bits if two else 0
        return Resources(dsp=1, lut=1 + fabric, ff=travelling + fabric)
    factor = operand_bits + lanes - 1
    return Resources(
        dsp=1,
        lut=accumulator_bits + (2 * operand_bits if two else 0),
        ff=travelling + operand_bits * lanes + 4 * factor + accumulator_bits,
    )


def elements(config: OverlayConfig, primitive: Primitive) -> Resources:
    """All elements, with the enables of the shadow chains; two lanes have one column more."""
    one = element(
        lanes=config.lanes,
        accumulator_bits=config.accumulator_bits,
        operand_bits=config.operand_bits,
        primitive=primitive,
    )
    columns = config.columns + config.lanes - 1
    enables = Resources(lut=config.rows - 1, ff=config.rows - 1)
    return (one * config.rows + enables) * columns


# Per bit of an accumulator, and per lane.
_OUTPUT_TRANSFORM = {
    "none": Resources(),
    "f2": Resources(lut=12, ff=10),
    "f4": Resources(lut=21, ff=19),
    "both": Resources(lut=22, ff=20),
    "all": Resources(lut=23, ff=21),
}
_INPUT_TRANSFORM = {
    "none": Resources(),
    "f2": Resources(lut=37, ff=53),
    "f4": Resources(lut=146, ff=79),
    "both": Resources(lut=164, ff=79),
    "all": Resources(lut=164, ff=79),
}


def foot(config: OverlayConfig) -> Resources:
    """Correction, accumulator and requantisation of one column."""
    bits, two = config.accumulator_bits, config.lanes == 2
    banks = 2 if config.transforms else 1
    transform = _OUTPUT_TRANSFORM[config.winograd]
    return Resources(
        dsp=1 if bits <= DSP_FACTOR else 2,
        bram18=banks * block_ram(config.accumulator_depth, bits),
        lut=39 + 9 * bits + (2 * bits if two else 0) + transform.lut * bits,
        ff=368 + 8 * bits + 3 * config.address_bits + (bits if two else 0) + transform.ff * bits,
    )


def edges(config: OverlayConfig) -> Resources:
    """Skews of both edges, and the corner turn: a register of L operands a row."""
    rows, columns, word = config.rows, config.columns, config.activation_bits
    operand = config.operand_bits * config.lanes
    skews = operand * (_skew(rows) + _skew(columns))
    left, top = rows * (operand + 2), columns * operand
    turn = rows * (word - operand + 2)  # the lowest operand only loads
    return Resources(
        lut=skews + left + top + turn,
        ff=rows * (word + 5) + 3 * columns + 6 * operand,
    )


def crossings(config: OverlayConfig) -> Resources:
    """Registers at the borders between dies, which are taken to share the columns equally.

    What columns hand on passes each border once; what edges send to a column, all on its way, half
    of them on average; results all, but for what their way there has taken.  What says which
    results they are waits as long.
    """
    handed_on = config.activation_bits + 3 * config.rows
    handed_on += tag_layout(config).size + read_layout(config).size
    handed_on += PARAMETER.size + config.accumulator_bits
    told = 2 + (config.columns - 1).bit_length()
    if config.transforms:
        handed_on += drain_layout(config).size + TAKE.size
        told += 1 + drain_layout(config).size
    sent = config.columns * (config.operand_bits * config.lanes + 3)
    results = 8 * config.columns
    each = handed_on + 2 * told + (sent + 3 * results) // 2
    return Resources(ff=CROSSING * config.crossings * each)


def collector(config: OverlayConfig) -> Resources:
    """A shift register of C bytes a column, and the words' multiplexer."""
    columns = config.columns
    return Resources(lut=11 * columns**2 // 4 + 3 * columns, ff=8 * columns**2 + columns)


def writer(config: OverlayConfig) -> Resources:
    """Output FIFO, residual addition (two multipliers a column), write requests."""
    columns = config.columns
    tiles = Resources(lut=1150, ff=700) if config.transforms else Resources()
    return tiles + Resources(
        dsp=2 * columns,
        bram18=block_ram(config.output_depth, 8 * columns),
        lut=800 + 241 * columns,
        ff=1280 + 211 * columns,
    )


def tables(config: OverlayConfig) -> Resources:
    """Activation tables: of each lane of writer and pooling engine a memory, 16 bytes a row."""
    if not config.tables:
        return Resources()
    lanes = config.columns + config.pool_channels
    shallow = TABLE_RECORDS * config.tables <= LUTRAM_ROWS // 2
    bits = 2 * LUTRAM_BITS if shallow else LUTRAM_BITS
    memory = 8 * ceil_div(8 * PARAMETER_BYTES, bits)
    return Resources(lut=(48 + memory) * lanes, ff=2 * 136 + 16 * lanes)


def sequencer(config: OverlayConfig) -> Resources:
    """Loop nests and control of the waves; their counters hardly depend on sizes."""
    drains = Resources(lut=280, ff=100) if config.transforms else Resources()
    return Resources(lut=700, ff=580) + drains


def queues(config: OverlayConfig) -> Resources:
    """Instructions in distributed RAM, and the tags' way beside the array."""
    return Resources(lut=520 + 50 * ceil_div(config.rows, SHIFT_REGISTER))


def feeder(config: OverlayConfig) -> Resources:
    """Addresses, lane masks, and the zero point's subtraction."""
    patches = Resources(lut=250, ff=150) if config.transforms else Resources()
    lanes = config.reduction
    return patches + Resources(lut=1740 + 20 * lanes, ff=1520 + 10 * lanes)


def activations(config: OverlayConfig) -> Resources:
    """The FIFO of activation words with their accumulators' addresses, and the chunks' ends."""
    ends = Resources(lut=10, ff=20)
    return ends + fifo(config.activation_depth, config.activation_bits + config.address_bits)


def winograd(config: OverlayConfig) -> Resources:
    """Input transform, scratch memory, and the output turn: a memory of C bytes a column."""
    if not config.transforms:
        return Resources()
    lane, square = _INPUT_TRANSFORM[config.winograd], config.columns**2
    shifts = all(t.elements == power_of_two(t.elements) for t in config.transforms)
    large = 0 if shifts else 350  # products by 36
    scratch = Resources(
        bram18=block_ram(config.scratch_words, config.activation_bits),
        lut=170 + large,
        ff=100 + config.activation_bits,
    )
    turn = Resources(lut=12 * square, ff=9 * square + 16 * config.columns)
    return lane * config.reduction + Resources(lut=60, ff=60) + scratch + turn


def tensor_memory(config: OverlayConfig, *, uram: bool) -> Resources:
    """Banks, rotations and the multiplexers of the ports."""
    word = config.tensor_word
    rows = config.tensor_bytes // (2 * word)
    depth, lanes = min(rows, BLOCK_ROWS), min(word, BLOCK_LANES)
    blocks, slices = rows // depth, word // lanes
    count = 2 * blocks * slices
    bits = exact_log2(word)
    # A LUT selects one of four: two steps of a rotation, or three more blocks.
    rotation = 8 * (ceil_div(bits // 2, 2) + ceil_div(bits - bits // 2, 2))
    choice = 8 * ceil_div(blocks - 1, 3)
    read = Resources(
        uram=count * ceil_div(depth, URAM_ROWS) * ceil_div(lanes, URAM_BYTES) if uram else 0,
        bram18=0 if uram else count * block_ram(depth, 8 * lanes, byte_writes=True),
        lut=word * (8 + rotation + 2 * choice),
        ff=30 + 24 * word + count * 8 * lanes,
    )
    write = Resources(lut=word * (20 + rotation), ff=120 + 27 * word)
    return read * config.tensor_copies + write


def parameters(config: OverlayConfig) -> Resources:
    """Two copies of the channel records, and the port of the parameter chain."""
    copy = block_ram(config.parameter_depth, PARAMETER.size)
    return Resources(bram18=2 * copy, lut=25, ff=20 + 2 * PARAMETER.size)


def weights(config: OverlayConfig) -> Resources:
    """The weight buffer, and the gathering of its words from beats."""
    word = 8 * config.weight_word_bytes
    return fifo(config.weight_words, word) + Resources(lut=3 * config.weight_word_bytes, ff=word)


def buses(config: OverlayConfig) -> Resources:
    """AXI masters and control, fetch, dispatch, LOAD, STORE and WEIGHTS.

    LOAD and each weight port have a queue of beats; a port's addresses are as wide at any width.
    """
    queue = Resources(bram18=block_ram(READ_DEPTH, 8 * config.axi_bytes + 1))
    port = Resources(lut=300, ff=220) + queue
    rest = Resources(lut=5660 + 27 * config.axi_bytes, ff=4140 + 16 * config.axi_bytes)
    return rest + queue + port * config.weight_ports


def pooling(config: OverlayConfig) -> Resources:
    """The pooling engine; maxima of normalised taps are wider, and more of them under way."""
    lanes = config.pool_channels
    wider = Resources(lut=256 + 88 * lanes, ff=122 + 34 * lanes)
    plain = Resources(dsp=lanes, lut=1560 + 338 * lanes, ff=1300 + 287 * lanes)
    return plain + wider if config.normalisation else plain


def products(config: OverlayConfig) -> Resources:
    """Multipliers of the pooling engine, and the addresses of the other operand.

    Sums and maxima keep a product of 27 bits, and add to it or compare with it.
    """
    lanes = config.pool_channels * config.products
    kept = Resources(lut=97 * lanes, ff=54 * lanes) if config.pairs else Resources()
    return kept + Resources(
        dsp=lanes, lut=84 * config.products + 16 * lanes, ff=54 * config.products + 63 * lanes
    )


def normalisation(config: OverlayConfig) -> Resources:
    """Squares, their sums and codes."""
    if not config.normalisation:
        return Resources()
    lanes = config.normalised_channels
    squares = lanes + 2 * REACH
    return Resources(lut=58 * squares + 85 * lanes, ff=52 * squares + 61 * lanes)


def depthwise(config: OverlayConfig) -> Resources:
    """Multipliers of the pooling engine for depthwise convolutions, their weights and records.

    Sums are as wide as the array's, so that a lane's requantisation may take a second slice.
    """
    lanes, columns = config.pool_channels, config.depthwise
    if not columns:
        return Resources()
    wide = config.accumulator_bits > DSP_FACTOR
    held = PARAMETER_BYTES // config.depthwise_weight_bytes  # lanes of a memory of weights
    memories = [min(held, lanes - first) for first in range(0, lanes, held)]
    return Resources(
        dsp=lanes * (columns + wide),
        bram18=sum(block_ram(DEPTHWISE_ROWS, 8 * columns * count) for count in memories),
        lut=lanes * (190 + 77 * columns),
        ff=470 + lanes * (298 + 54 * columns),
    )


def fifo(depth: int, bits: int) -> Resources:
    """A FIFO with registered output: distributed RAM up to `LUTRAM_ROWS`, else block RAM."""
    shallow = depth <= LUTRAM_ROWS
    return Resources(
        bram18=0 if shallow else block_ram(depth, bits),
        lut=60 + (8 * ceil_div(bits, LUTRAM_BITS) if shallow else 0),
        ff=30 + (2 * bits if shallow else bits),
    )


def block_ram(depth: int, bits: int, *, byte_writes: bool = False) -> int:
    """Halves of block RAM of a memory with a write and a read port, in the best of their shapes.

    Writes of single bytes leave shapes of whole bytes, of which the ninth bits stay unused.
    """
    if byte_writes:
        shapes = [(rows, width // 9 * 8) for rows, width in _BRAM18 if width >= 9]
    else:
        shapes = list(_BRAM18)
    return min(ceil_div(depth, rows) * ceil_div(bits, width) for rows, width in shapes)


def _skew(ports: int) -> int:
    """Shift register LUTs of one bit of an edge: port k is delayed by k + 1 registers."""
    whole, rest = divmod(ports, SHIFT_REGISTER)
    all_ports = (whole + 1) * (SHIFT_REGISTER * whole // 2 + rest)
    return all_ports - min(ports, 2)  # the first two have none
