// The yardstick: an IEEE 754 binary32 adder, one result a clock, round to nearest even, with subnormals,
// infinities and NaN (every NaN result is 0x7fc00000). What a floating-point stateful unit would need at least.
module fp32_add (
    input  wire [31:0] a,
    input  wire [31:0] b,
    output reg  [31:0] y
);
    // The larger magnitude first, so that the difference is never negative.
    wire        swap = a[30:0] < b[30:0];
    wire [31:0] greater = swap ? b : a;
    wire [31:0] lesser = swap ? a : b;
    wire        subtract = greater[31] ^ lesser[31];
    wire        greater_normal = |greater[30:23];
    wire        lesser_normal = |lesser[30:23];
    wire [7:0]  greater_exponent = greater_normal ? greater[30:23] : 8'd1;
    wire [7:0]  lesser_exponent = lesser_normal ? lesser[30:23] : 8'd1;
    wire [7:0]  distance = greater_exponent - lesser_exponent;

    // 24 significant bits, then guard, round and sticky.
    wire [26:0] greater_significand = {greater_normal, greater[22:0], 3'b000};
    wire [26:0] lesser_significand = {lesser_normal, lesser[22:0], 3'b000};
    reg  [26:0] aligned;
    reg         sticky;
    integer i;
    always @* begin
        aligned = lesser_significand;
        sticky = 1'b0;
        if (distance[0]) begin sticky = sticky | aligned[0]; aligned = aligned >> 1; end
        if (distance[1]) begin sticky = sticky | (|aligned[1:0]); aligned = aligned >> 2; end
        if (distance[2]) begin sticky = sticky | (|aligned[3:0]); aligned = aligned >> 4; end
        if (distance[3]) begin sticky = sticky | (|aligned[7:0]); aligned = aligned >> 8; end
        if (distance[4]) begin sticky = sticky | (|aligned[15:0]); aligned = aligned >> 16; end
        if (|distance[7:5]) begin sticky = sticky | (|aligned); aligned = 27'd0; end
        aligned[0] = aligned[0] | sticky;
    end

    wire [27:0] sum = subtract ? {1'b0, greater_significand} - {1'b0, aligned}
                               : {1'b0, greater_significand} + {1'b0, aligned};

    // Normalise: one step right after a carry, else left by the leading zeros, but not below exponent 1.
    reg  [4:0]  zeros;
    reg         found;
    always @* begin
        zeros = 5'd27;
        found = 1'b0;
        for (i = 26; i >= 0; i = i - 1)
            if (!found && sum[i]) begin zeros = 5'd26 - i[4:0]; found = 1'b1; end
    end
    wire [7:0]  room = greater_exponent - 8'd1;
    wire [7:0]  left = ({3'd0, zeros} < room) ? {3'd0, zeros} : room;
    wire [26:0] normal = sum[27] ? {sum[27:2], sum[1] | sum[0]} : sum[26:0] << left[4:0];
    wire [8:0]  exponent = sum[27] ? {1'b0, greater_exponent} + 9'd1
                         : (normal[26] ? {1'b0, greater_exponent} - {1'b0, left} : 9'd0);
    wire        up = normal[2] & (normal[3] | normal[1] | normal[0]);
    wire [31:0] packed_result = {exponent, normal[25:3]} + {31'd0, up};

    wire a_nan = (&a[30:23]) & (|a[22:0]);
    wire b_nan = (&b[30:23]) & (|b[22:0]);
    wire a_inf = (&a[30:23]) & ~(|a[22:0]);
    wire b_inf = (&b[30:23]) & ~(|b[22:0]);
    wire zero = sum == 28'd0;
    wire sign = zero ? (a[31] & b[31]) : greater[31];
    always @* begin
        if (a_nan | b_nan | (a_inf & b_inf & subtract)) y = 32'h7fc00000;
        else if (a_inf | b_inf) y = {greater[31], 8'hff, 23'd0};
        else if (packed_result[31:23] >= 9'd255) y = {sign, 8'hff, 23'd0};
        else y = {sign, packed_result[30:0]};
    end
endmodule
