// Function of the MULT18X18D of ECP5, from the description in FPGA-TN-02205, for the attributes that
// the processing element uses: signed factors, registers clocked by CLK0 or left out, no shift
// chains. Registers start at zero, as after configuration.

/* verilator lint_off UNUSEDPARAM */
module MULT18X18D #(
    parameter REG_INPUTA_CLK = "NONE",
    parameter REG_INPUTB_CLK = "NONE",
    parameter REG_PIPELINE_CLK = "NONE",
    parameter REG_OUTPUT_CLK = "NONE",
    parameter GSR = "ENABLED"
) (
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    input CLK3, CLK2, CLK1, CLK0,
    input CE3, CE2, CE1, CE0,
    input RST3, RST2, RST1, RST0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20,
        P19, P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1,
        P0
);
  initial begin
    if (REG_INPUTA_CLK != REG_INPUTB_CLK) $fatal(1, "factors with and without registers");
    if (REG_PIPELINE_CLK != "NONE") $fatal(1, "the pipeline register is not modelled");
  end

  wire signed [17:0] a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
  wire signed [17:0] b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  reg signed [17:0] a_kept = 0, b_kept = 0;
  wire signed [17:0] left = REG_INPUTA_CLK == "CLK0" ? a_kept : a;
  wire signed [17:0] right = REG_INPUTB_CLK == "CLK0" ? b_kept : b;
  wire signed [35:0] product = left * right;
  reg signed [35:0] kept = 0;

  always @(posedge CLK0)
    if (RST0) begin
      a_kept <= 0;
      b_kept <= 0;
      kept <= 0;
    end else if (CE0) begin
      a_kept <= a;
      b_kept <= b;
      kept <= product;
    end
  always @(posedge CLK0)
    if (!SIGNEDA || !SIGNEDB || SOURCEA || SOURCEB) $fatal(1, "mode is not modelled");

  assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = REG_OUTPUT_CLK == "CLK0" ? kept : product;
endmodule
/* verilator lint_on UNUSEDPARAM */
