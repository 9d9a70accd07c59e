// Clocks a design with random inputs for some cycles; prints the cycles per second of processor time.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <random>

#include "Vtop.h"
#include "inputs.h"
#include "verilated.h"

int main(int count, char** arguments) {
    const uint64_t cycles = count > 1 ? std::strtoull(arguments[1], nullptr, 0) : 1000;
    VerilatedContext context;
    Vtop top(&context);
    std::mt19937_64 random(1);
    const auto randomise = [&random](void* port, unsigned bits) {
        auto* bytes = static_cast<uint8_t*>(port);
        for (unsigned at = 0; at < bits; at += 64) {
            const unsigned left = bits - at < 64 ? bits - at : 64;
            const uint64_t word = left < 64 ? random() & ((uint64_t{1} << left) - 1) : random();
            std::memcpy(bytes + at / 8, &word, (left + 7) / 8);
        }
    };
    const std::clock_t begin = std::clock();
    for (uint64_t cycle = 0; cycle < cycles; ++cycle) {
        RANDOMISE(top, randomise)
        top.RESET = cycle > 0;
        top.CLOCK = 0;
        top.eval();
        top.CLOCK = 1;
        top.eval();
    }
    std::cout << double(cycles) * CLOCKS_PER_SEC / double(std::clock() - begin) << '\n';
    top.final();
    return 0;
}
