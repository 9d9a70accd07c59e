// Ports and attributes of the slice that hw/array/dsp48.py instantiates, for tools that check a
// design without the vendor's library.

/* verilator lint_off UNDRIVEN */
/* verilator lint_off UNUSEDPARAM */
(* blackbox *)
module DSP48E2 #(
    parameter A_INPUT = "DIRECT",
    parameter B_INPUT = "DIRECT",
    parameter AMULTSEL = "A",
    parameter BMULTSEL = "B",
    parameter PREADDINSEL = "A",
    parameter USE_MULT = "MULTIPLY",
    parameter USE_SIMD = "ONE48",
    parameter ACASCREG = 1,
    parameter ADREG = 1,
    parameter ALUMODEREG = 1,
    parameter AREG = 1,
    parameter BCASCREG = 1,
    parameter BREG = 1,
    parameter CARRYINREG = 1,
    parameter CARRYINSELREG = 1,
    parameter CREG = 1,
    parameter DREG = 1,
    parameter INMODEREG = 1,
    parameter MREG = 1,
    parameter OPMODEREG = 1,
    parameter PREG = 1
) (
    input CLK,
    input [29:0] A,
    input [17:0] B,
    input [47:0] C,
    input [26:0] D,
    input [47:0] PCIN,
    input [8:0] OPMODE,
    input [3:0] ALUMODE,
    input [4:0] INMODE,
    input CARRYIN,
    input [2:0] CARRYINSEL,
    input [29:0] ACIN,
    input [17:0] BCIN,
    input CARRYCASCIN,
    input MULTSIGNIN,
    input CEA1, CEA2, CEB1, CEB2, CEC, CED, CEAD, CEM, CEP,
    input CECTRL, CEALUMODE, CEINMODE, CECARRYIN,
    input RSTA, RSTB, RSTC, RSTD, RSTM, RSTP,
    input RSTCTRL, RSTALUMODE, RSTINMODE, RSTALLCARRYIN,
    output [47:0] P,
    output [47:0] PCOUT
);
endmodule
