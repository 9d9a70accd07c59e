// DRAM and the AXI4 slaves in front of it: latency, bandwidth, random stalls and faults.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "design.h"
#include "never.h"

using Random = std::mt19937_64;

#define POLYMAP_ADDRESS(top, p)                                                             \
    AddressChannel {                                                                        \
        #p, top.p##addr, top.p##len, top.p##id, top.p##size, top.p##burst, top.p##valid,    \
            top.p##ready                                                                    \
    }
#define POLYMAP_READ(top, p) \
    ReadChannel { &top.p##data, top.p##id, top.p##resp, top.p##last, top.p##valid, top.p##ready }

enum Response : uint8_t { OKAY = 0, SLVERR = 2, DECERR = 3 };
constexpr uint64_t PAGE_BYTES = 4096;

struct Timing {
    uint64_t latency = 4;   // cycles from an address to its first beat, or from the last to B
    uint64_t rate = 1024;   // beats per 1024 cycles and channel
    uint64_t stall = 0;     // percent of cycles in which a channel does not move
    uint64_t outstanding = 32;
    uint64_t seed = 1;
    uint64_t hang_at = NEVER;  // cycles of a run: nothing moves from hang_at for hang_for cycles
    uint64_t hang_for = 0;
    uint64_t error_read0 = NEVER;  // number of the burst in a run that gets an error response
    uint64_t error_read1 = NEVER;
    uint64_t error_write = NEVER;
    uint64_t error_response = SLVERR;
    uint64_t error_beat = 0;      // of the burst, from which on it has the response; or the last
    uint64_t error_port = NEVER;  // of the weights; NEVER: all

    bool hangs(uint64_t cycle) const { return cycle >= hang_at && cycle - hang_at < hang_for; }

    // A word of a job: KEY=VALUE.
    void set(const std::string& word) {
        static const std::map<std::string, uint64_t Timing::*> members = {
            {"latency", &Timing::latency},         {"rate", &Timing::rate},
            {"stall", &Timing::stall},             {"outstanding", &Timing::outstanding},
            {"seed", &Timing::seed},               {"hang_at", &Timing::hang_at},
            {"hang_for", &Timing::hang_for},       {"error_read0", &Timing::error_read0},
            {"error_read1", &Timing::error_read1}, {"error_write", &Timing::error_write},
            {"error_beat", &Timing::error_beat},   {"error_port", &Timing::error_port},
            {"error_response", &Timing::error_response},
        };
        const size_t equals = word.find('=');
        if (equals == std::string::npos) throw std::runtime_error("bad timing: " + word);
        this->*members.at(word.substr(0, equals)) = std::stoull(word.substr(equals + 1), nullptr, 0);
    }
};

class Memory {
   public:
    void resize(uint64_t base, uint64_t bytes, uint64_t seed) {
        base_ = base;
        bytes_.resize(bytes);
        Random random(seed);  // memory that nobody wrote holds anything but zeros
        for (uint64_t at = 0; at + 8 <= bytes; at += 8) {
            const uint64_t word = random();
            std::memcpy(&bytes_[at], &word, 8);
        }
    }
    bool holds(uint64_t address, uint64_t count) const {
        const uint64_t offset = address - base_;  // wraps to a large one below the base
        return offset <= bytes_.size() && count <= bytes_.size() - offset;
    }
    uint8_t* at(uint64_t address, uint64_t count) {
        if (!holds(address, count)) throw std::runtime_error("address is outside the memory");
        return &bytes_[address - base_];
    }

    void allow(uint64_t address, uint64_t count) {
        writable_ = address;
        writable_bytes_ = count;
    }
    bool may_write(uint64_t address) const { return address - writable_ < writable_bytes_; }

   private:
    uint64_t base_ = 0;
    std::vector<uint8_t> bytes_;
    uint64_t writable_ = 0, writable_bytes_ = 0;
};

// Decides in which cycles a channel moves: bandwidth first, then random stalls.
class Pace {
   public:
    Pace(const Timing& timing, Random& random) : timing_(timing), random_(random) {}
    void advance() { credit_ = std::min<uint64_t>(credit_ + timing_.rate, 16 * 1024); }
    bool moves() { return credit_ >= 1024 && !stalls(); }
    void spend() { credit_ -= 1024; }
    bool stalls() { return timing_.stall && random_() % 100 < timing_.stall; }

   private:
    const Timing& timing_;
    Random& random_;
    uint64_t credit_ = 0;
};

struct AddressChannel {
    const char* name;
    uint64_t& address;
    uint8_t& length;
    uint8_t& id;
    uint8_t& size;
    uint8_t& burst;
    uint8_t& valid;
    uint8_t& ready;
};

struct Burst {
    uint64_t address;
    unsigned beats;
    uint8_t id;
    uint8_t response;
    unsigned from;  // first beat that has the response
    uint64_t due;   // earliest cycle of the first beat or of the response
    uint64_t order;
    unsigned done = 0;

    uint8_t response_now() const { return done < from ? uint8_t{OKAY} : response; }
};

// Takes addresses, and checks the rules that a master must keep.
class AddressSlave {
   public:
    AddressSlave(AddressChannel pins, const Timing& timing, Random& random)
        : pins_(pins), timing_(timing), random_(random) {}

    void drive(bool room, bool hang) {
        const bool stalled = timing_.stall && random_() % 100 < timing_.stall;
        pins_.ready = room && !hang && !stalled;
    }

    // True if an address was transferred into `burst`.
    bool sample(uint64_t cycle, uint64_t error, const Memory& memory, Burst& burst) {
        if (waiting_ && (!pins_.valid || pins_.address != address_ || pins_.length != length_))
            fail("address withdrawn or changed before it was taken");
        waiting_ = pins_.valid && !pins_.ready;
        address_ = pins_.address;
        length_ = pins_.length;
        if (!pins_.valid || !pins_.ready) return false;
        const unsigned beats = pins_.length + 1u;
        const uint64_t bytes = uint64_t{beats} * DATA_BYTES;
        if (pins_.burst != 1 || (1u << pins_.size) != DATA_BYTES)
            fail("burst is not incrementing or not of full width");
        if (address_ % DATA_BYTES) fail("address is not aligned to a beat");
        if (address_ / PAGE_BYTES != (address_ + bytes - 1) / PAGE_BYTES)
            fail("burst crosses a 4 KiB boundary");
        const bool failing = count_ == error;
        const uint64_t told = failing ? timing_.error_response : OKAY;
        const bool inside = memory.holds(address_, bytes);
        const uint8_t response = inside ? uint8_t(told) : uint8_t{DECERR};
        const uint64_t from = inside && failing ? timing_.error_beat : 0;
        burst = {address_, beats, pins_.id, response, unsigned(std::min<uint64_t>(from, beats - 1)),
                 cycle + timing_.latency, count_};
        ++count_;
        return true;
    }

    void reset() {
        pins_.ready = 0;
        waiting_ = false;
    }

    void begin_run() { count_ = 0; }
    uint64_t count() const { return count_; }

   private:
    [[noreturn]] void fail(const char* what) const {
        throw std::runtime_error(std::string("AXI ") + pins_.name + ": " + what);
    }

    AddressChannel pins_;
    const Timing& timing_;
    Random& random_;
    uint64_t count_ = 0;
    bool waiting_ = false;
    uint64_t address_ = 0;
    uint8_t length_ = 0;
};

struct ReadChannel {
    void* data;
    uint8_t& id;
    uint8_t& response;
    uint8_t& last;
    uint8_t& valid;
    uint8_t& ready;
};

// Answers reads; in order for one id, in any order between ids while stalls are random.
class ReadSlave {
   public:
    ReadSlave(unsigned number, AddressChannel address, ReadChannel pins, const Timing& timing)
        : number_(number),
          address_(address, timing, random_),
          pins_(pins),
          timing_(timing),
          pace_(timing, random_) {}

    void drive(uint64_t cycle, Memory& memory) {
        const bool hang = timing_.hangs(cycle);
        address_.drive(bursts_.size() < timing_.outstanding, hang);
        pace_.advance();
        if (pins_.valid) return;
        if (hang || !pace_.moves()) return;
        current_ = choose(cycle);
        if (current_ == bursts_.end()) return;
        const Burst& burst = *current_;
        const uint64_t at = burst.address + uint64_t{burst.done} * DATA_BYTES;
        const uint8_t response = burst.response_now();
        if (response == DECERR)
            std::memset(pins_.data, 0xEE, DATA_BYTES);
        else
            std::memcpy(pins_.data, memory.at(at, DATA_BYTES), DATA_BYTES);
        pins_.id = burst.id;
        pins_.response = response;
        pins_.last = burst.done + 1 == burst.beats;
        pins_.valid = 1;
        pace_.spend();
    }

    void sample(uint64_t cycle, const Memory& memory) {
        taken_ = pins_.valid && pins_.ready;
        if (taken_) {
            ++beats_;
            if (++current_->done == current_->beats) bursts_.erase(current_);
        }
        Burst burst;
        if (address_.sample(cycle, error(), memory, burst)) bursts_.push_back(burst);
    }

    // What was asked for is forgotten.
    void reset() {
        address_.reset();
        bursts_.clear();
        pins_.valid = 0;
    }

    void after_edge() {
        if (taken_) pins_.valid = 0;
    }

    void begin_run(uint32_t run) {
        address_.begin_run();
        random_.seed(timing_.seed * 1000 + 2 * run + (uint64_t{number_} << 32));
        beats_ = 0;
    }
    uint64_t beats() const { return beats_; }
    uint64_t bursts() const { return address_.count(); }
    size_t outstanding() const { return bursts_.size(); }

   private:
    using Position = std::list<Burst>::iterator;

    // Number of the burst of a run that gets an error.
    uint64_t error() const {
        if (number_ == 0) return timing_.error_read0;
        const bool mine = timing_.error_port == NEVER || timing_.error_port == number_ - 1;
        return mine ? timing_.error_read1 : NEVER;
    }

    // The oldest burst; while stalls are random, sometimes the oldest of another id.
    Position choose(uint64_t cycle) {
        auto found = bursts_.begin();
        if (timing_.stall && !bursts_.empty() && random_() % 2) {
            const uint8_t id = found->id;
            const auto other = std::find_if(bursts_.begin(), bursts_.end(),
                                            [id](const Burst& burst) { return burst.id != id; });
            if (other != bursts_.end()) found = other;
        }
        return found != bursts_.end() && found->due <= cycle ? found : bursts_.end();
    }

    const unsigned number_;  // of the master
    Random random_{1};
    AddressSlave address_;
    ReadChannel pins_;
    const Timing& timing_;
    Pace pace_;
    std::list<Burst> bursts_;
    Position current_;
    bool taken_ = false;
    uint64_t beats_ = 0;
};

struct WriteChannel {
    const void* data;
    const void* strobe;
    uint8_t& last;
    uint8_t& valid;
    uint8_t& ready;
    uint8_t& response_id;
    uint8_t& response;
    uint8_t& response_valid;
    uint8_t& response_ready;
};

class WriteSlave {
   public:
    WriteSlave(AddressChannel address, WriteChannel pins, const Timing& timing)
        : address_(address, timing, random_), pins_(pins), timing_(timing), pace_(timing, random_) {}

    void drive(uint64_t cycle) {
        const bool hang = timing_.hangs(cycle);
        address_.drive(bursts_.size() + responses_.size() < timing_.outstanding, hang);
        pace_.advance();
        pins_.ready = !hang && !bursts_.empty() && pace_.moves();
        if (pins_.response_valid || hang || responses_.empty()) return;
        if (responses_.front().due > cycle || pace_.stalls()) return;
        pins_.response_id = responses_.front().id;
        pins_.response = responses_.front().response;
        pins_.response_valid = 1;
    }

    void sample(uint64_t cycle, Memory& memory) {
        answered_ = pins_.response_valid && pins_.response_ready;
        if (answered_) responses_.pop_front();
        if (pins_.valid && pins_.ready) take_beat(cycle, memory);
        Burst burst;
        if (address_.sample(cycle, timing_.error_write, memory, burst)) bursts_.push_back(burst);
    }

    void after_edge() {
        if (answered_) pins_.response_valid = 0;
    }

    void reset() {
        address_.reset();
        bursts_.clear();
        responses_.clear();
        pins_.ready = pins_.response_valid = 0;
    }
    size_t outstanding() const { return bursts_.size() + responses_.size(); }

    void begin_run(uint32_t run) {
        address_.begin_run();
        random_.seed(timing_.seed * 1000 + 2 * run + 1);
        beats_ = stray_bytes_ = 0;
    }
    uint64_t beats() const { return beats_; }
    uint64_t bursts() const { return address_.count(); }
    uint64_t stray_bytes() const { return stray_bytes_; }

   private:
    void take_beat(uint64_t cycle, Memory& memory) {
        Burst& burst = bursts_.front();
        ++beats_;
        pace_.spend();
        const auto* data = static_cast<const uint8_t*>(pins_.data);
        const auto* strobe = static_cast<const uint8_t*>(pins_.strobe);
        const uint64_t at = burst.address + uint64_t{burst.done} * DATA_BYTES;
        for (unsigned i = 0; i < DATA_BYTES; ++i) {
            if (!(strobe[i / 8] >> i % 8 & 1)) continue;
            if (!memory.may_write(at + i)) ++stray_bytes_;
            if (burst.response == OKAY) *memory.at(at + i, 1) = data[i];
        }
        ++burst.done;
        if (bool(pins_.last) != (burst.done == burst.beats))
            throw std::runtime_error("AXI write: last is not at the end of the burst");
        if (!pins_.last) return;
        burst.due = cycle + timing_.latency;
        responses_.push_back(burst);
        bursts_.pop_front();
    }

    Random random_{2};
    AddressSlave address_;
    WriteChannel pins_;
    const Timing& timing_;
    Pace pace_;
    std::deque<Burst> bursts_;
    std::deque<Burst> responses_;
    bool answered_ = false;
    uint64_t beats_ = 0, stray_bytes_ = 0;
};
