"""What the cards Alveo U200 and U250 have in common: all but the device.

Pins are those of AMD's board files (XilinxBoardStore, au200 and au250, 1.3), as LiteX-Boards has
them, too (``xilinx_alveo_u200``, ``xilinx_alveo_u250``).  They have not been tried on a card.
"""

from __future__ import annotations

from typing import ClassVar

from amaranth.build import Attrs, Clock, Connector, DiffPairs, Pins, PinsN, Resource, Subsignal
from amaranth_boards.resources import I2CResource, LEDResources, SwitchResources, UARTResource

from boards.platforms.ddr4 import channel as _channel
from boards.platforms.vivado_platform import VivadoPlatform

_LOW = Attrs(IOSTANDARD="LVCMOS12")
_OSCILLATORS = (("AY37", "AY38"), ("AW20", "AW19"), ("F32", "E32"), ("J16", "H16"))


class AlveoPlatform(VivadoPlatform):
    """A card of either kind; its four memory modules have ECC, whose byte is left out."""

    default_clk = "clk300"
    default_rst = "rst"
    resources: ClassVar[list[Resource]] = [
        *(
            Resource(
                *("clk300", number, DiffPairs(p, n, dir="i")),
                *(Clock(300e6), Attrs(IOSTANDARD="DIFF_SSTL12")),
            )
            for number, (p, n) in enumerate(_OSCILLATORS)
        ),
        Resource("rst", 0, PinsN("AL20", dir="i"), _LOW),
        *LEDResources(pins="BC21 BB21 BA20", attrs=_LOW),
        *SwitchResources(pins="AN22 AM19 AL19 AP20", attrs=_LOW),
        UARTResource(0, rx="BF18", tx="BB20", attrs=_LOW),
        I2CResource(0, scl="BF20", sda="BF17", attrs=_LOW),
        Resource("i2c_rst", 0, PinsN("BF19", dir="o"), _LOW),
        Resource("ddr4_rst_gate", 0, Pins("AU21", dir="o"), _LOW),
        Resource(
            *("pcie", 0),
            Subsignal("rst", PinsN("BD21", dir="i"), _LOW),
            Subsignal("clk", DiffPairs("AM11", "AM10", dir="i")),
            Subsignal(
                "rx",
                DiffPairs(
                    "AF2 AG4 AH2 AJ4 AK2 AL4 AM2 AN4 AP2 AR4 AT2 AU4 AV2 AW4 BA2 BC2",
                    "AF1 AG3 AH1 AJ3 AK1 AL3 AM1 AN3 AP1 AR3 AT1 AU3 AV1 AW3 BA1 BC1",
                    dir="i",
                ),
            ),
            Subsignal(
                "tx",
                DiffPairs(
                    "AF7 AG9 AH7 AJ9 AK7 AL9 AM7 AN9 AP7 AR9 AT7 AU9 AV7 BB5 BD5 BF5",
                    "AF6 AG8 AH6 AJ8 AK6 AL8 AM6 AN8 AP6 AR8 AT6 AU8 AV6 BB4 BD4 BF4",
                    dir="o",
                ),
            ),
        ),
        _channel(
            0,
            rst_n="AU31",
            clk_p="AV38",
            clk_n="AW38",
            clk_en="BC38",
            cs_n="AR33",
            we_n="AP35",
            ras_n="AR36",
            cas_n="AP36",
            act_n="BB39",
            a="AT36 AV36 AV37 AW35 AW36 AY36 AY35 BA40 BA37 BB37 AR35 BA39 BB40 AN36",
            ba="AT35 AT34",
            bg="BC37 BC39",
            odt="AP34",
            dqs_p="BA30 BB26 BD28 BD26 BB35 BC31 AV33 BA32 AM31 AP30 AL28 AR30 AU29 AY27 BE35 BE31",
            dqs_n="BB30 BC26 BD29 BE26 BB36 BD31 AW33 BA33 AM32 AP31 AL29 AT30 AU30 AY28 BE36 BE32",
            dq=(
                "AW28 AW29 BA28 BA27 BB29 BA29 BC27 BB27 BE28 BF28 BE30 BD30 BF27 BE27 BF30 "
                "BF29 BB31 BB32 AY32 AY33 BC32 BC33 BB34 BC34 AV31 AV32 AV34 AW34 AW31 AY31 "
                "BA35 BA34 AL30 AM30 AU32 AT32 AN31 AN32 AR32 AR31 AP29 AP28 AN27 AM27 AN29 "
                "AM29 AR27 AR28 AT28 AV27 AU27 AT27 AV29 AY30 AW30 AV28 BD34 BD33 BE33 BD35 "
                "BF32 BF33 BF34 BF35"
            ),
        ),
        _channel(
            1,
            rst_n="AR17",
            clk_p="AT25",
            clk_n="AU25",
            clk_en="BB25",
            cs_n="AV23",
            we_n="AL25",
            ras_n="AN23",
            cas_n="AM25",
            act_n="AW25",
            a="AN24 AT24 AW24 AN26 AY22 AY23 AV24 BA22 AY25 BA23 AM26 BA25 BB22 AL24",
            ba="AU24 AP26",
            bg="BC22 AW26",
            odt="AW23",
            dqs_p="BF10 BE8 AW15 AY13 BB11 BA10 AT14 AN14 BE12 BE15 BC13 BB14 AV18 AW16 AP16 AM17",
            dqs_n="BF9 BF8 AY15 AY12 BB10 BA9 AT13 AP14 BE11 BF15 BC12 BC14 AW18 AY16 AR16 AM16",
            dq=(
                "BD9 BD7 BC7 BD8 BD10 BE10 BE7 BF7 AU13 AV13 AW13 AW14 AU14 AY11 AV14 BA11 "
                "BA12 BB12 BA13 BA14 BC9 BB9 BA7 BA8 AN13 AR13 AM13 AP13 AM14 AR15 AL14 AT15 "
                "BE13 BD14 BF12 BD13 BD15 BD16 BF14 BF13 AY17 BA17 AY18 BA18 BA15 BB15 BC11 "
                "BD11 AV16 AV17 AU16 AU17 BB17 BB16 AT18 AT17 AM15 AL15 AN17 AN16 AR18 AP18 "
                "AL17 AL16"
            ),
        ),
        _channel(
            2,
            rst_n="D36",
            clk_p="C34",
            clk_n="B34",
            clk_en="G30",
            cs_n="B35",
            we_n="A35",
            ras_n="K30",
            cas_n="G32",
            act_n="B31",
            a="L29 A33 C33 J29 H31 G31 C32 B32 A32 D31 A34 E31 M30 F33",
            ba="D33 B36",
            bg="C31 J30",
            odt="E33",
            dqs_p="N26 R28 J25 M27 D29 H26 A27 C29 E39 G37 N31 T30 L35 M34 J38 H33",
            dqs_n="M26 P28 J26 L28 D30 H27 A28 B29 E40 F37 M31 R31 L36 L34 H38 H34",
            dq=(
                "R25 P25 M25 L25 P26 R26 N27 N28 J28 H29 H28 G29 K25 L27 K26 K27 F27 E27 E28 "
                "D28 G27 G26 F28 F29 D26 C26 B27 B26 A29 A30 C27 C28 F35 E38 D38 E35 E36 E37 "
                "F38 G38 P30 R30 P29 N29 L32 M32 P31 N32 J35 K35 L33 K33 J34 J33 N34 P34 H36 "
                "G36 H37 J36 K37 K38 G35 G34"
            ),
        ),
        _channel(
            3,
            rst_n="D21",
            clk_p="L14",
            clk_n="L13",
            clk_en="K13",
            cs_n="B16",
            we_n="D15",
            ras_n="F15",
            cas_n="E15",
            act_n="H13",
            a="K15 B15 F14 A15 C14 A14 B14 E13 F13 A13 D14 C13 B13 K16",
            ba="J15 H14",
            bg="D13 J13",
            odt="C16",
            dqs_p="T22 N22 J21 M22 L20 K18 P19 N17 A25 D24 C17 B19 F18 H19 F23 H23",
            dqs_n="R22 N21 H21 L22 K20 K17 P18 M17 A24 D23 B17 A19 F17 G19 E23 H22",
            dq=(
                "P24 N24 T24 R23 N23 P21 P23 R21 J24 J23 H24 G24 L24 L23 K22 K21 G20 H17 F19 "
                "G17 J20 L19 L18 J19 M19 M20 R18 R17 R20 T20 N18 N19 A23 A22 B24 B25 B22 C22 "
                "C24 C23 C19 C18 C21 B21 A18 A17 A20 B20 E17 F20 E18 E20 D19 D20 H18 J18 F22 "
                "E22 G22 G21 F24 E25 F25 G25"
            ),
        ),
    ]
    connectors: ClassVar[list[Connector]] = []
