"""What a card leaves, as the device that the parallelism search knows."""

from __future__ import annotations

from dse.explore.card import Card
from dse.pipeline.model.device import Device
from dse.pipeline.model.loads import load_rams
from dse.pipeline.model.search_error import DeviceError

_AMD = "xc"


def device_of(card: Card) -> Device:
    """DSP slices and block RAMs of the card; stages do not use its UltraRAMs.

    Raises
    ------
    DeviceError
        When the card's device is not of AMD: its memory blocks have other shapes.
    """
    if not card.part.startswith(_AMD):
        raise DeviceError(
            f"board {card.name!r}: stages are priced for block RAMs of AMD, not for {card.part}; "
            "choose another board, or --style overlay"
        )
    return Device(
        name=card.name,
        title=card.name.upper(),
        dsp=card.dsp,
        multipliers_per_dsp=1,
        ram=load_rams()["RAMB18"],
        ram_units=card.budget["bram36"],
    )
