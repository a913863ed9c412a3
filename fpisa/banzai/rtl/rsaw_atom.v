// The second proposed change: read, shift, add, write. The stored word passes an arithmetic right shift, whose
// distance is a byte of the header vector (a difference of exponents), before the operation; 32 or more leaves the
// sign only.
// Otherwise it is raw_atom.v.
// A predicate chooses one of two operations (the if-else read-add-write atom): it is the forced bit from the header
// vector, or the comparison  operand > state + offset  where the instruction enables it.
// Operations: 0 keep, 1 overwrite, 2 add, 3 add with saturation, 4 or, 5 and, 6 and-not, 7 subtract.
module rsaw_atom (
    input  wire [2:0]  op_true,
    input  wire [2:0]  op_false,
    input  wire        compare,
    input  wire        give_new,  // the unit's one output word: new or old state
    input  wire [31:0] offset,
    input  wire [31:0] state,
    input  wire [31:0] operand,
    input  wire [7:0]  distance,
    input  wire        force_true,
    output reg  [31:0] next,
    output wire [31:0] out
);
    wire [32:0] bound = {1'b0, state} + {1'b0, offset};
    wire        above = {1'b0, operand} > bound;
    wire        taken = force_true | (compare & above);
    wire [2:0]  op = taken ? op_true : op_false;
    wire        sign = state[31];
    wire [5:0]  far = {|distance[7:5], distance[4:0]};
    reg  [31:0] base;
    always @* begin
        base = state;
        if (far[0]) base = {sign, base[31:1]};
        if (far[1]) base = {{2{sign}}, base[31:2]};
        if (far[2]) base = {{4{sign}}, base[31:4]};
        if (far[3]) base = {{8{sign}}, base[31:8]};
        if (far[4]) base = {{16{sign}}, base[31:16]};
        if (far[5]) base = {32{sign}};
    end
    wire        subtract = op == 3'd7;
    wire [31:0] sum = base + (operand ^ {32{subtract}}) + {31'd0, subtract};
    wire        overflow = (base[31] == operand[31]) && (sum[31] != base[31]);
    always @* begin
        case (op)
            3'd0: next = base;
            3'd1: next = operand;
            3'd2, 3'd7: next = sum;
            3'd3: next = overflow ? {base[31], {31{~base[31]}}} : sum;
            3'd4: next = base | operand;
            3'd5: next = base & operand;
            default: next = base & ~operand;
        endcase
    end
    assign out = give_new ? next : state;
endmodule
