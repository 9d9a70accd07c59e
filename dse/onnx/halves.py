"""Halves of a PRelu: each gets its own copy of the convolution that all of them read."""

from __future__ import annotations

from dataclasses import replace

from dse.onnx.draft import Draft, DraftLayer, DraftTensor


def own_copies(draft: Draft) -> bool:
    """A copy of a convolution for each half that reads it; whether there are any."""
    readers: dict[DraftTensor, list[DraftLayer]] = {}
    for layer in draft.layers:
        for tensor in layer.inputs:
            readers.setdefault(tensor, []).append(layer)
    names = draft.names()
    layers: list[DraftLayer] = []
    for layer in draft.layers:
        layers.append(layer)
        halves = readers.get(layer.output, [])
        if _is_shared(draft, layer, halves):
            for half in halves[1:]:
                output = replace(layer.output, name=names.fresh(layer.output.name))
                layers.append(replace(layer, output=output))
                half.inputs = [output]
    changed = len(layers) > len(draft.layers)
    draft.layers = layers
    return changed


def _is_shared(draft: Draft, layer: DraftLayer, readers: list[DraftLayer]) -> bool:
    """Whether nothing but halves reads a convolution that could take each of them along."""
    plain = layer.kind == "conv" and not layer.is_limited and layer.output.quantisation is None
    halves = len(readers) > 1 and all(reader.origin == "PRelu" for reader in readers)
    return plain and halves and layer.output not in draft.outputs
