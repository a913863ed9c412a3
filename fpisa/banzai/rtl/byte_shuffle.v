// The third proposed change: the parser hands a word's bytes over in any order, so a little-endian float needs no
// instruction of its own. Two select bits an output byte.
module byte_shuffle (
    input  wire [7:0]  select,
    input  wire [31:0] word,
    output reg  [31:0] shuffled
);
    integer i;
    always @* begin
        for (i = 0; i < 4; i = i + 1) begin
            case (select[2 * i +: 2])
                2'd0: shuffled[8 * i +: 8] = word[7:0];
                2'd1: shuffled[8 * i +: 8] = word[15:8];
                2'd2: shuffled[8 * i +: 8] = word[23:16];
                default: shuffled[8 * i +: 8] = word[31:24];
            endcase
        end
    end
endmodule
