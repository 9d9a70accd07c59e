// Applies the stimuli of standard input to the design, a record a cycle, and writes what it sees.

#include <cstdio>
#include <cstring>

#include "Vtop.h"

int main() {
    Vtop top;
    while (std::fread(top.i_stimulus.data(), sizeof top.i_stimulus, 1, stdin) == 1) {
        top.clk = 0;
        top.eval();
        std::fwrite(top.o_observed.data(), sizeof top.o_observed, 1, stdout);
        top.clk = 1;
        top.eval();
    }
    top.final();
    return 0;
}
