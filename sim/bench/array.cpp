// Drives every input of the design with random bits and prints how long it took.
//
// Arguments: cycles.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <random>

#include "Vtop.h"
#include "ports.h"
#include "verilated.h"

namespace {

std::mt19937_64 source(1);

// Bits beyond a port's width have to stay zero.
template <typename Port>
void randomise(Port& port, unsigned width) {
    uint8_t bytes[sizeof(Port)] = {};
    for (unsigned at = 0; at < width; at += 64) {
        const uint64_t mask = width - at < 64 ? (uint64_t{1} << (width - at)) - 1 : ~uint64_t{0};
        const uint64_t word = source() & mask;
        std::memcpy(bytes + at / 8, &word, std::min<size_t>(8, sizeof(Port) - at / 8));
    }
    std::memcpy(&port, bytes, sizeof(Port));
}

template <typename Port>
uint64_t digest(uint64_t before, const Port& port) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&port);
    for (size_t i = 0; i < sizeof(Port); ++i) before = (before ^ bytes[i]) * 0x100000001B3;
    return before;
}

void cycle(Vtop& top) {
#define INPUT(name, width) randomise(top.name, width);
    INPUTS
#undef INPUT
    top.clk = 0;
    top.eval();
    top.clk = 1;
    top.eval();
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) return 2;
    const uint64_t cycles = std::strtoull(arguments[1], nullptr, 0);
    VerilatedContext context;
    Vtop top(&context);
    top.rst = 1;
    for (int i = 0; i < 16; ++i) cycle(top);
    top.rst = 0;
    uint64_t sum = 0xCBF29CE484222325;
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t started = std::clock();
    for (uint64_t i = 0; i < cycles; ++i) {
        cycle(top);
#define OUTPUT(name) sum = digest(sum, top.name);
        OUTPUTS
#undef OUTPUT
    }
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    const double processor = double(std::clock() - started) / CLOCKS_PER_SEC;
    std::cout << "{\"wall\": " << wall.count() << ", \"processor\": " << processor
              << ", \"digest\": " << sum << "}\n";
    top.final();
    return 0;
}
