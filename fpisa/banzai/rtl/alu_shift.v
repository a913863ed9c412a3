// The stateless unit with the first proposed change: a shift takes its distance from the instruction or from
// a header-vector word. A distance of 32 or more gives 0, or the sign in every bit; everything else is alu.v.
// Opcodes are those of fpisa.banzai.units.Op.
module alu_shift (
    input  wire [3:0]  op,
    input  wire        use_imm,
    input  wire [31:0] imm,
    input  wire [31:0] a,
    input  wire [31:0] b,
    input  wire        c,       // predicate for select
    output reg  [31:0] y
);
    wire [31:0] second = use_imm ? imm : b;
    wire        subtract = op == 4'd2 || op == 4'd8 || op == 4'd9 || op == 4'd10;
    wire [32:0] sum = {1'b0, a} + {1'b0, second ^ {32{subtract}}} + {32'd0, subtract};
    wire        overflow = (a[31] == (second[31] ^ subtract)) && (sum[31] != a[31]);
    wire        below = ~sum[32];
    wire        less = sum[31] ^ overflow;

    // One barrel shifter serves all three shifts: a left shift is a right shift of the mirrored word.
    wire        left = op == 4'd11;
    wire        fill = op == 4'd13 && a[31];
    wire [4:0]  distance = second[4:0];
    wire        beyond = |second[31:5];
    reg  [31:0] mirrored, shifted, unmirrored;
    integer i;
    always @* begin
        for (i = 0; i < 32; i = i + 1) mirrored[i] = left ? a[31 - i] : a[i];
        shifted = mirrored;
        if (distance[0]) shifted = {fill, shifted[31:1]};
        if (distance[1]) shifted = {{2{fill}}, shifted[31:2]};
        if (distance[2]) shifted = {{4{fill}}, shifted[31:4]};
        if (distance[3]) shifted = {{8{fill}}, shifted[31:8]};
        if (distance[4]) shifted = {{16{fill}}, shifted[31:16]};
        for (i = 0; i < 32; i = i + 1) unmirrored[i] = left ? shifted[31 - i] : shifted[i];
    end

    always @* begin
        case (op)
            4'd0: y = second;
            4'd1, 4'd2: y = sum[31:0];
            4'd3: y = overflow ? {a[31], {31{~a[31]}}} : sum[31:0];
            4'd4: y = a & second;
            4'd5: y = a | second;
            4'd6: y = a ^ second;
            4'd7: y = c ? a : second;
            4'd8: y = {31'd0, a == second};
            4'd9: y = {31'd0, below};
            4'd10: y = {31'd0, less};
            4'd11, 4'd12, 4'd13: y = beyond ? {32{fill}} : unmirrored;
            default: y = a;
        endcase
    end
endmodule
