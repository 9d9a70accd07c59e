// The design's serial line behind a terminal: bytes of standard input go onto i_line, those of
// o_line to standard output. Both are one end of a pseudo terminal; a host has the other.

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "Vtop.h"
#include "line.h"  // DIVISOR: cycles of a bit

namespace {

constexpr unsigned FRAME = 10;       // start, eight bits, stop
constexpr unsigned REST = 100'000;   // cycles without a byte after which time may pass unsimulated

struct Sender {
    unsigned timer = 0, left = 0;
    uint32_t bits = ~0u;

    bool step() {  // the line's level
        if (left == 0) return true;
        const bool level = bits & 1;
        if (++timer == DIVISOR) {
            timer = 0;
            bits >>= 1;
            --left;
        }
        return level;
    }
    void start(uint8_t byte) {
        bits = 1u << 9 | uint32_t(byte) << 1;
        left = FRAME;
    }
};

struct Receiver {
    unsigned timer = 0, left = 0;
    uint32_t bits = 0;

    bool step(bool level, uint8_t& byte) {  // whether a byte is complete
        if (left == 0) {
            if (!level) {
                left = FRAME;
                timer = DIVISOR / 2;
            }
            return false;
        }
        if (timer-- != 0) return false;
        timer = DIVISOR - 1;
        bits = bits >> 1 | uint32_t(level) << 9;
        if (--left != 0) return false;
        byte = bits >> 1 & 0xFF;
        return true;
    }
};

}  // namespace

int main() {
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    Vtop top;
    Sender sender;
    Receiver receiver;
    top.rst = 1;
    for (unsigned cycle = 0, quiet = 0;; ++cycle) {
        if (cycle == 8) top.rst = 0;
        if (sender.left == 0 && cycle % DIVISOR == 0 && cycle > 64) {
            uint8_t byte;
            const ssize_t count = read(STDIN_FILENO, &byte, 1);
            if (count == 1) {
                sender.start(byte);
                quiet = 0;
            } else if (count == 0 || errno != EAGAIN) {
                return 0;
            }
        }
        top.i_line = sender.step();
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        uint8_t byte;
        if (receiver.step(top.o_line, byte)) {
            if (write(STDOUT_FILENO, &byte, 1) != 1) return 1;
            quiet = 0;
        }
        if (++quiet > REST && quiet % 1024 == 0) {
            pollfd wait{STDIN_FILENO, POLLIN, 0};
            poll(&wait, 1, 1);
        }
    }
}
