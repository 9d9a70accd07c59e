"""The Kintex UltraScale card KCU1500 as a platform of Amaranth.

``python -m boards.kcu1500 --out build/kcu1500`` writes the projects of a blinky and a memory test.

Pins are those of AMD's board files (XilinxBoardStore, kcu1500, 1.2); of the PCIe lanes, whose pairs
are mixed up there, those of the same transceivers in the same package on the Alveo cards.  They
have not been tried on a card.
"""

from __future__ import annotations

import sys
from typing import ClassVar

from amaranth.build import Attrs, Clock, Connector, DiffPairs, Pins, PinsN, Resource, Subsignal
from amaranth_boards.resources import I2CResource, LEDResources, SwitchResources, UARTResource

from boards.platforms.ddr4 import channel as _channel
from boards.platforms.projects import main
from boards.platforms.vivado_platform import VivadoPlatform

_LOW = Attrs(IOSTANDARD="LVCMOS18")
_OSCILLATORS = (("BA34", "BB34"), ("AW14", "AW13"), ("C36", "C37"), ("H19", "H18"))


class KCU1500Platform(VivadoPlatform):
    """The card; its memory channels have 72 bits, but the second, which has 64."""

    device = "xcku115"
    package = "flvb2104"
    speed = "2-e"
    default_clk = "clk300"
    resources: ClassVar[list[Resource]] = [
        *(
            Resource(
                *("clk300", number, DiffPairs(p, n, dir="i")),
                *(Clock(300e6), Attrs(IOSTANDARD="DIFF_SSTL12")),
            )
            for number, (p, n) in enumerate(_OSCILLATORS)
        ),
        Resource("rst", 0, Pins("BE26", dir="i"), _LOW),
        *LEDResources(
            pins="AW25 AY25 BA27 BA28 BB26 BB27 BA25 BB25",
            attrs=Attrs(IOSTANDARD="LVCMOS18", DRIVE="8"),
        ),
        *SwitchResources(pins="BC26 BC27 BE25 BF25", attrs=_LOW),
        UARTResource(0, rx="BF20", tx="BF24", rts="BE23", cts="BF23", role="dte", attrs=_LOW),
        I2CResource(
            *(0,),
            scl="AN24",
            sda="AP24",
            attrs=Attrs(IOSTANDARD="LVCMOS18", DRIVE="8", SLEW="SLOW"),
        ),
        Resource("i2c_rst", 0, PinsN("AL24", dir="o"), _LOW),
        Resource(
            *("pcie", 0),
            Subsignal("rst", PinsN("AR26", dir="i"), _LOW),
            Subsignal("clk", DiffPairs("AT11", "AT10", dir="i")),
            Subsignal(
                "rx",
                DiffPairs(
                    "AP2 AR4 AT2 AU4 AV2 AW4 BA2 BC2", "AP1 AR3 AT1 AU3 AV1 AW3 BA1 BC1", dir="i"
                ),
            ),
            Subsignal(
                "tx",
                DiffPairs(
                    "AP7 AR9 AT7 AU9 AV7 BB5 BD5 BF5", "AP6 AR8 AT6 AU8 AV6 BB4 BD4 BF4", dir="o"
                ),
            ),
        ),
        _channel(
            0,
            rst_n="AJ34",
            clk_p="AW35",
            clk_n="AW36",
            clk_en="BF35",
            cs_n="BB38",
            we_n="AL34",
            cas_n="AN34",
            ras_n="AN32",
            act_n="BA33",
            a="AM34 AW33 AL33 AR33 AV33 AW34 AV34 AT34 AL32 AP33 AM32 AN33 AT33 AP34",
            ba="AY35 AY36",
            bg="AY33",
            odt="BD34",
            dqs_p="BD30 BA32 AU29 AM29 AH28 AH31 AC31 W31 BB37",
            dqs_n="BD31 BB32 AV29 AM30 AH29 AH32 AD31 Y31 BC37",
            dq=(
                "BE32 BF30 BE31 BE33 BD29 BD33 BE30 BC29 BB29 AY32 BA29 AY30 BA30 BB31 "
                "AY31 BB30 AU30 AT30 AV31 AU32 AT29 AU31 AW31 AV32 AN29 AR30 AP29 AP30 "
                "AN31 AL29 AM31 AL30 AK28 AJ31 AJ29 AG30 AJ28 AG29 AK31 AJ30 AH33 AJ33 "
                "AF33 AG34 AG31 AG32 AF34 AF32 AC32 AF30 AD34 AC34 AC33 AE30 AD33 AE33 "
                "W33 Y32 Y33 AA34 W30 Y30 AB34 W34 BA35 BB35 BB36 BC36 BD36 BE36 BD35 "
                "BE35"
            ),
            dm_n="BF32 BC31 AW29 AP31 AJ27 AH34 AE31 AA32 BC34",
        ),
        _channel(
            1,
            rst_n="AU19",
            clk_p="AU14",
            clk_n="AV14",
            clk_en="BB16",
            cs_n="BF13",
            we_n="AL14",
            cas_n="AN14",
            ras_n="AP13",
            act_n="AV13",
            a="AM14 AV16 AT13 AP14 AU16 AU15 AT15 AR15 AL15 AP15 AM15 AR13 AR16 AN13",
            ba="AW16 AW15",
            bg="AU13",
            odt="BB12",
            dqs_p="BC19 AV21 AR17 AL17 BD13 BB15 BE11 BA7",
            dqs_n="BD19 AW21 AT17 AM17 BE13 BB14 BE10 BB7",
            dq=(
                "BF18 BE18 BF19 BC17 BC18 BB17 BD18 BB19 AY20 AW19 AW20 AV18 AW18 BA18 "
                "AV19 AY18 AP18 AR20 AT20 AT18 AP20 AR18 AU20 AU17 AM16 AP19 AN16 AN19 "
                "AM19 AL20 AL19 AM20 BF15 BC14 BD16 BD14 BE15 BD15 BC13 BE16 AY12 AY11 "
                "BA13 AY15 BA15 BA14 AY16 AY13 BE12 BF9 BD8 BD9 BF12 BF10 BE8 BF8 BA9 BB9 "
                "BC9 BB11 BC8 BC7 BB10 BA8"
            ),
            dm_n="BE17 AY17 AT19 AN18 BF14 BA12 BE7 BC12",
        ),
        _channel(
            2,
            rst_n="L29",
            clk_p="B36",
            clk_n="B37",
            clk_en="F38",
            cs_n="F34",
            we_n="D31",
            cas_n="D33",
            ras_n="A32",
            act_n="A38",
            a="C31 D35 B31 C34 E35 A35 B35 A34 C32 D34 B32 A33 B34 C33",
            ba="E36 D36",
            bg="A37",
            odt="D40",
            dqs_p="V32 M34 K30 J33 P29 K26 F28 A27 B39",
            dqs_n="V33 L34 J30 H33 N29 K27 F29 A28 A39",
            dq=(
                "R33 T32 T33 U31 T30 V31 U32 U30 N34 N33 P34 P31 N31 R32 N32 R31 K31 K33 "
                "L32 M30 L33 J31 K32 L30 H32 G31 G32 H31 E32 F33 F32 E33 R27 P26 T26 N28 "
                "T27 P28 N26 R26 L28 K28 J29 L27 H27 H28 M27 J28 F27 G29 D28 E28 E27 H29 "
                "G26 G27 B30 B29 A29 D29 E30 D30 C29 A30 C38 C39 E38 D38 B40 A40 E39 D39"
            ),
            dm_n="U34 R30 M31 G30 T28 M29 J26 C27 E40",
        ),
        _channel(
            3,
            rst_n="L24",
            clk_p="E18",
            clk_n="E17",
            clk_en="K21",
            cs_n="N21",
            we_n="B20",
            cas_n="C21",
            ras_n="D18",
            act_n="F19",
            a="A20 F17 A18 D20 F18 E20 E21 C19 B19 D21 A19 C18 D19 B21",
            ba="G20 G19",
            bg="F20",
            odt="K17",
            dqs_p="R16 H17 G17 B15 P24 K25 E23 A23 J21",
            dqs_n="P16 H16 G16 A15 N24 J25 E22 A22 H21",
            dq=(
                "N14 P15 P14 L14 M16 M14 R15 N16 H13 J15 J13 J14 H14 K15 J16 K16 E15 D16 "
                "G15 F13 E16 D15 F15 E13 A14 B14 A13 C14 B16 B17 C16 A17 M22 R25 P23 M24 "
                "N22 M25 P25 N23 L22 K22 H24 K23 J23 H23 L23 J24 D24 F22 D25 E25 D23 G22 "
                "F24 F23 B25 B24 A24 C24 C26 B26 C23 A25 J20 J19 K18 J18 L20 K20 L19 L18"
            ),
            dm_n="P13 L13 G14 D13 R21 L25 G25 C22 L17",
        ),
    ]
    connectors: ClassVar[list[Connector]] = []


if __name__ == "__main__":
    sys.exit(main(KCU1500Platform(), "kcu1500"))
