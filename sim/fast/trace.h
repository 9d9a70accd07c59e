// A shadow of the tensor memory from the snooped writes; dumps of it when instructions retire.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "design.h"
#include "never.h"

struct Event {
    uint64_t cycle;
    uint32_t run;
    uint8_t engine;
    uint8_t retire;
    uint16_t tag;
};
static_assert(sizeof(Event) == 16, "the reader expects packed events");

constexpr unsigned ENGINES = 4;

struct Dump {
    std::array<uint64_t, ENGINES> retired;  // of each engine so many instructions
    uint64_t address;
    uint64_t pitch;
    uint64_t channels;
    uint64_t pixels;
};

class Trace {
   public:
    // A write is snooped up to this many cycles after its acceptance, hence after a retirement.
    static constexpr uint64_t SETTLE = 2;

    Trace() : shadow_(TENSOR_BYTES) {}

    void add(const Dump& dump) { dumps_.push_back(dump); }
    void clear() { dumps_.clear(); }

    void begin_run(uint32_t run) {
        run_ = run;
        retired_ = {};
        due_.assign(dumps_.size(), NEVER);
        settles_ = 0;
        taken_.assign(dumps_.size(), {});
        events_.clear();
    }

    void write(uint64_t address, unsigned low, unsigned high, const void* data) {
        const auto* bytes = static_cast<const uint8_t*>(data);
        for (unsigned i = low; i < high; ++i) shadow_[(address + i) % TENSOR_BYTES] = bytes[i];
    }

    void event(uint64_t cycle, unsigned engine, bool retire, uint16_t tag) {
        events_.push_back({cycle, run_, uint8_t(engine), uint8_t(retire), tag});
        if (!retire) return;
        ++retired_[engine];
        for (size_t i = 0; i < dumps_.size(); ++i)
            if (due_[i] == NEVER && complete(dumps_[i])) {
                due_[i] = cycle + SETTLE;
                settles_ = due_[i];
            }
    }

    void settle(uint64_t cycle) {
        if (cycle > settles_) return;
        for (size_t i = 0; i < dumps_.size(); ++i)
            if (due_[i] == cycle) take(i);
    }

    const std::vector<Event>& events() const { return events_; }
    // For each dump its bytes; none if the instruction did not retire.
    const std::vector<std::vector<uint8_t>>& taken() const { return taken_; }

   private:
    bool complete(const Dump& dump) const {
        for (unsigned e = 0; e < ENGINES; ++e)
            if (retired_[e] < dump.retired[e]) return false;
        return true;
    }

    void take(size_t index) {
        const Dump& dump = dumps_[index];
        std::vector<uint8_t>& bytes = taken_[index];
        bytes.reserve(dump.pixels * dump.channels);
        for (uint64_t p = 0; p < dump.pixels; ++p)
            for (uint64_t c = 0; c < dump.channels; ++c)
                bytes.push_back(shadow_[(dump.address + p * dump.pitch + c) % TENSOR_BYTES]);
    }

    std::vector<uint8_t> shadow_;
    std::vector<Dump> dumps_;
    std::vector<std::vector<uint8_t>> taken_;
    std::vector<uint64_t> due_;  // cycle in which each dump is taken
    uint64_t settles_ = 0;       // the last of them so far
    std::array<uint64_t, ENGINES> retired_{};
    std::vector<Event> events_;
    uint32_t run_ = 0;
};
