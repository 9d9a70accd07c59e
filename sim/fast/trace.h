// A shadow of the tensor memory from the snooped writes; dumps of it when instructions retire.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "design.h"

struct Event {
    uint64_t cycle;
    uint32_t run;
    uint8_t engine;
    uint8_t retire;
    uint16_t tag;
};
static_assert(sizeof(Event) == 16, "the reader expects packed events");

struct Dump {
    unsigned engine;
    unsigned tag;
    unsigned occurrence;  // of this engine's retirements with this tag, from 1
    uint64_t address;
    uint64_t pitch;
    uint64_t channels;
    uint64_t pixels;
};

class Trace {
   public:
    static constexpr unsigned ENGINES = 4;
    // A write is snooped up to this many cycles after its acceptance, hence after a retirement.
    static constexpr uint64_t SETTLE = 2;

    Trace() : shadow_(TENSOR_BYTES) {}

    void add(const Dump& dump) { dumps_.push_back(dump); }
    void clear() { dumps_.clear(); }

    void begin_run(uint32_t run) {
        run_ = run;
        retired_.clear();
        waiting_.clear();
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
        const unsigned occurrence = ++retired_[{engine, tag}];
        for (size_t i = 0; i < dumps_.size(); ++i) {
            const Dump& dump = dumps_[i];
            if (dump.engine == engine && dump.tag == tag && dump.occurrence == occurrence)
                waiting_.push_back({cycle + SETTLE, i});
        }
    }

    void settle(uint64_t cycle) {
        for (size_t i = 0; i < waiting_.size();) {
            if (waiting_[i].first > cycle) {
                ++i;
                continue;
            }
            take(waiting_[i].second);
            waiting_.erase(waiting_.begin() + long(i));
        }
    }

    const std::vector<Event>& events() const { return events_; }
    // For each dump its bytes; none if the instruction did not retire.
    const std::vector<std::vector<uint8_t>>& taken() const { return taken_; }

   private:
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
    std::vector<std::pair<uint64_t, size_t>> waiting_;  // cycle, dump
    std::map<std::pair<unsigned, unsigned>, unsigned> retired_;
    std::vector<Event> events_;
    uint32_t run_ = 0;
};
