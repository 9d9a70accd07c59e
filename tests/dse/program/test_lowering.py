"""Lowering passes: fusion, concatenation, pruning, packing, runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dse.compile.compiler import compile_network
from dse.compile.packing import cut
from dse.compile.residual import fuse, insert_identities
from dse.compile.runs import form_runs
from dse.compile.views import lay_out
from dse.network.graph import Add, Concat, Conv, Network, Pool, Reshape, Tensor, Window
from dse.network.prune import prune
from dse.passes.concat import insert_copies
from dse.tiling.layer_mapping import Choice
from hw.isa import Opcode
from hw.isa.config import OverlayConfig

MakeTensor = Callable[..., Tensor]
MakeConv = Callable[..., Conv]


def graph(tensors: list[Tensor], *operators: object, outputs: tuple[str, ...]) -> Network:
    named = {tensor.name: tensor for tensor in tensors}
    return Network("n", named, operators, ("x",), outputs)  # type: ignore[arg-type]


def test_fusion_takes_the_later_convolution(tensor: MakeTensor, conv: MakeConv) -> None:
    tensors = [tensor(name, 4, 4, 3) for name in "xabs"]
    network = graph(
        tensors,
        conv("x", "a", (3, 1, 3)),
        conv("x", "b", (3, 3, 3)),
        Add("add", "a", "b", "s"),
        outputs=("s",),
    )
    layers = fuse(insert_identities(network))
    assert [layer.name for layer in layers] == ["a", "b"]
    assert layers[1].output == "s"
    assert set(layers[1].operands.values()) == {"x", "a", "s"}


def test_identity_where_nothing_can_be_fused(tensor: MakeTensor, conv: MakeConv) -> None:
    tensors = [tensor(name, 4, 4, 3) for name in "xas"]
    network = graph(tensors, conv("x", "a", (3, 1, 3)), Add("add", "a", "a", "s"), outputs=("s",))
    layers = fuse(insert_identities(network))
    assert [layer.name for layer in layers] == ["a", "add.identity"]


def test_a_result_with_other_uses_is_not_fused(tensor: MakeTensor, conv: MakeConv) -> None:
    tensors = [tensor(name, 4, 4, 3) for name in "xas"]
    network = graph(tensors, conv("x", "a", (3, 1, 3)), Add("add", "a", "x", "s"), outputs="sa")
    assert [layer.name for layer in fuse(insert_identities(network))] == ["a", "add.identity"]


def test_concat_writes_in_place(network: Network) -> None:
    views = lay_out(insert_copies(network)).views
    assert [(views[n].buffer, views[n].channel, views[n].pitch) for n in "abc"] == [
        ("c", 0, 10),
        ("c", 6, 10),
        ("c", 0, 10),
    ]


def test_concat_copies_what_has_another_place(tensor: MakeTensor, conv: MakeConv) -> None:
    tensors = [tensor(name, 4, 4, 3) for name in "xa"]
    tensors += [tensor("c", 4, 4, 9), tensor("d", 4, 4, 12)]
    network = graph(
        tensors,
        conv("x", "a", (3, 1, 3)),
        Concat("inner", ("x", "a", "a"), "c"),
        Concat("outer", ("c", "a"), "d"),
        outputs=("d",),
    )
    lowered = insert_copies(network)
    copies = [op.input for op in lowered.operators if isinstance(op, Pool)]
    assert copies == ["x", "a", "a"]
    views = lay_out(lowered).views
    assert (views["c"].buffer, views["a"].buffer, views["a"].channel) == ("d", "d", 3)


def test_a_reshaped_tensor_stays_contiguous(tensor: MakeTensor, conv: MakeConv) -> None:
    tensors = [*(tensor(name, 2, 2, 3) for name in "xa"), tensor("c", 2, 2, 6)]
    network = graph(
        [*tensors, tensor("r", 1, 1, 12)],
        conv("x", "a", (3, 1, 3)),
        Reshape("reshape", "a", "r"),
        Concat("concat", ("a", "a"), "c"),
        outputs=("c", "r"),
    )
    views = lay_out(insert_copies(network)).views
    assert (views["a"].dense, views["r"].buffer) == (True, "a")


def test_prune(network: Network) -> None:
    pruned = prune(replace(network, outputs=("b",)))
    assert [op.name for op in pruned.operators] == ["b"]


def test_runs(tensor: MakeTensor, conv: MakeConv) -> None:
    network = graph([tensor("x", 5, 5, 4)], outputs=("x",))
    view = lay_out(network).views["x"]

    def runs(operator: Conv, groups: int = 1) -> tuple[int, int, int]:
        found = form_runs(operator, view, 0, groups)
        return found.tap_rows, found.tap_columns, found.run_bytes

    assert runs(conv("x", "y", (2, 3, 4))) == (3, 1, 12)
    assert runs(conv("x", "y", (2, 3, 4), window=Window((3, 3), dilation=(2, 1)))) == (3, 1, 12)
    assert runs(conv("x", "y", (2, 3, 4), window=Window((3, 3), dilation=(1, 2)))) == (3, 3, 4)
    assert runs(conv("x", "y", (2, 5, 4), window=Window((5, 5)))) == (1, 1, 100)
    grouped = conv("x", "y", (4, 3, 2), groups=2)
    assert runs(grouped) == (3, 3, 2)
    assert runs(grouped, groups=2) == (3, 1, 12)


def test_depthwise_packs_groups(tensor: MakeTensor, conv: MakeConv) -> None:
    config = OverlayConfig(rows=16, columns=32, lanes=2)
    network = graph([tensor("x", 28, 28, 256)], outputs=("x",))
    operator = conv("x", "y", (256, 3, 1), groups=256)
    pieces = cut(operator, lay_out(network).views["x"], 784, config, Choice())
    assert {piece.groups for piece in pieces} == {32}
    assert [piece.channel for piece in pieces] == list(range(0, 256, 32))


def test_channels_are_split_for_the_parameter_memory(
    tensor: MakeTensor, conv: MakeConv, config: OverlayConfig
) -> None:
    network = graph(
        [tensor("x", 2, 2, 3), tensor("y", 2, 2, 90)], conv("x", "y", (90, 1, 3)), outputs=("y",)
    )
    program = compile_network(network, config)
    convs = [one for one in program.instructions if one.opcode is Opcode.CONV]
    assert [one.field("channels") for one in convs] == [30, 30, 30]
