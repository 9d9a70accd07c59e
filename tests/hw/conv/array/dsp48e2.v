// Function of the DSP48E2 slice, from the description in UG579, for the attributes that the
// processing element uses. No SIMD, pattern detector, wide XOR, carry outputs or A and B cascades.
// Registers start at zero, as after configuration.

module dsp48e2_register #(
    parameter STAGES = 1,
    parameter WIDTH = 1
) (
    input CLK,
    input CE,
    input RST,
    input [WIDTH-1:0] D,
    output [WIDTH-1:0] Q
);
  reg [WIDTH-1:0] value = 0;
  always @(posedge CLK)
    if (RST) value <= 0;
    else if (CE) value <= D;
  assign Q = STAGES == 0 ? D : value;
endmodule

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
    parameter PREG = 1,
    parameter [47:0] RND = 0
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
  initial begin
    if (A_INPUT != "DIRECT" || B_INPUT != "DIRECT") $fatal(1, "A and B cascades are not modelled");
    if (USE_MULT != "MULTIPLY" || USE_SIMD != "ONE48") $fatal(1, "mode is not modelled");
    if (PREADDINSEL != "A" || BMULTSEL != "B") $fatal(1, "B at the pre-adder is not modelled");
    if (AREG > 2 || BREG > 2 || PREG != 1) $fatal(1, "number of registers is not legal here");
    if (ACASCREG != AREG && !(AREG == 2 && ACASCREG == 1)) $fatal(1, "ACASCREG is not legal");
    if (BCASCREG != BREG && !(BREG == 2 && BCASCREG == 1)) $fatal(1, "BCASCREG is not legal");
  end

  // Control inputs. One carry register serves CARRYIN; CARRYINSEL shares OPMODE's enable.
  wire [4:0] inmode;
  wire [3:0] alumode;
  wire [8:0] opmode;
  wire [2:0] carryinsel;
  wire carryin;
  dsp48e2_register #(INMODEREG, 5) r_inmode (CLK, CEINMODE, RSTINMODE, INMODE, inmode);
  dsp48e2_register #(ALUMODEREG, 4) r_alumode (CLK, CEALUMODE, RSTALUMODE, ALUMODE, alumode);
  dsp48e2_register #(OPMODEREG, 9) r_opmode (CLK, CECTRL, RSTCTRL, OPMODE, opmode);
  dsp48e2_register #(CARRYINSELREG, 3) r_select (CLK, CECTRL, RSTCTRL, CARRYINSEL, carryinsel);
  dsp48e2_register #(CARRYINREG, 1) r_carry (CLK, CECARRYIN, RSTALLCARRYIN, CARRYIN, carryin);

  // Operands. With one register it is the second, with the second's enable.
  wire [29:0] a1, a2;
  wire [17:0] b1, b2;
  wire [47:0] c;
  wire [26:0] d;
  dsp48e2_register #(AREG == 2, 30) r_a1 (CLK, CEA1, RSTA, A, a1);
  dsp48e2_register #(AREG >= 1, 30) r_a2 (CLK, CEA2, RSTA, a1, a2);
  dsp48e2_register #(BREG == 2, 18) r_b1 (CLK, CEB1, RSTB, B, b1);
  dsp48e2_register #(BREG >= 1, 18) r_b2 (CLK, CEB2, RSTB, b1, b2);
  dsp48e2_register #(CREG, 48) r_c (CLK, CEC, RSTC, C, c);
  dsp48e2_register #(DREG, 27) r_d (CLK, CED, RSTD, D, d);

  // Pre-adder: INMODE[0] first A register, [1] A is zero, [2] D enters, [3] D - A.
  wire [26:0] a_selected = inmode[1] ? 27'd0 : inmode[0] ? a1[26:0] : a2[26:0];
  wire [26:0] d_gated = inmode[2] ? d : 27'd0;
  wire [26:0] ad_sum = inmode[3] ? d_gated - a_selected : d_gated + a_selected;
  wire [26:0] ad;
  dsp48e2_register #(ADREG, 27) r_ad (CLK, CEAD, RSTD, ad_sum, ad);

  // Multiplier: 27 x 18 bits, signed; INMODE[4] first B register.
  wire signed [26:0] factor_a = AMULTSEL == "AD" ? ad : a_selected;
  wire signed [17:0] factor_b = inmode[4] ? b1 : b2;
  wire signed [44:0] product = factor_a * factor_b;
  wire signed [44:0] m;
  dsp48e2_register #(MREG, 45) r_m (CLK, CEM, RSTM, product, m);

  // The product counts once, through X and Y together.
  wire multiplies = opmode[3:0] == 4'b0101;
  reg [47:0] w, x, y, z, result;
  always @* begin
    case (opmode[8:7])
      2'b00: w = 0;
      2'b01: w = P;
      2'b10: w = RND;
      2'b11: w = c;
    endcase
    case (opmode[1:0])
      2'b00: x = 0;
      2'b01: x = {{3{m[44]}}, m};
      2'b10: x = P;
      2'b11: x = {a2, b2};
    endcase
    case (opmode[3:2])
      2'b00: y = 0;
      2'b01: y = 0;
      2'b10: y = ~48'd0;
      2'b11: y = c;
    endcase
    case (opmode[6:4])
      3'b000: z = 0;
      3'b001: z = PCIN;
      3'b010: z = P;
      3'b011: z = c;
      3'b100: z = P;
      3'b101: z = {{17{PCIN[47]}}, PCIN[47:17]};
      3'b110: z = {{17{P[47]}}, P[47:17]};
      3'b111: z = 0;
    endcase
    case (alumode)
      4'b0000: result = z + w + x + y + {47'd0, carryin};
      4'b0001: result = w + x + y + {47'd0, carryin} - z - 1;
      4'b0010: result = -(z + w + x + y + {47'd0, carryin}) - 1;
      4'b0011: result = z - (w + x + y + {47'd0, carryin});
      default: result = 0;
    endcase
  end
  always @(posedge CLK) begin
    if (!multiplies && (opmode[1:0] == 1 || opmode[3:2] == 1)) $fatal(1, "X and Y must both be M");
    if (opmode[6:4] == 3'b111) $fatal(1, "Z = 111 is not legal");
    if (alumode > 3) $fatal(1, "logic functions are not modelled");
    if (carryinsel != 0) $fatal(1, "only CARRYIN is modelled");
  end

  dsp48e2_register #(1, 48) r_p (CLK, CEP, RSTP, result, P);
  assign PCOUT = P;
endmodule
