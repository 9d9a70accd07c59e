// Runs a layer pipeline: a memory behind its masters, images into it, results out of it, and what
// its stages did.
//
// Arguments: the job, the results, the record. A job is lines of words:
//
//   rates INPUT OUTPUT SEED    how often of 256 cycles these are ready
//   timing KEY=VALUE ...       members of Timing
//   memory BASE BYTES SEED     place of the memory, filled with random bytes
//   stripe PORT ADDRESS FILE   what a master reads, and where it lies
//   input FILE                 beats of all images
//   maps COUNT ...             for each stage, the maps that it makes
//   run BEATS LIMIT            until so many beats have come, and all stages have made their maps;
//                              at most LIMIT cycles
//
// Images come once all stages have what they wait for. A beat fills whole bytes, the lowest first.
// The record is JSON: cycles, the cycle of the first beat that went in, for each stage the cycles in
// which it worked and in which maps ended, the cycle of every result's last beat, and of each master
// the beats that it has read.

#include <cstdint>
#include <cstring>
#include <deque>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../fast/memory.h"
#include "Vtop.h"
#include "design.h"
#include "verilated.h"

namespace {

constexpr uint64_t PROGRESS = 1 << 16;  // cycles

using Bytes = std::vector<char>;

Bytes read(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + name);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

// Ready in so many of 256 cycles, at random.
struct Chance {
    unsigned rate = 256;
    uint64_t state = 1;

    bool draw() {
        if (rate >= 256) return true;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return (state & 255) < rate;
    }
};

// A stream into the design: offers beat after beat.
struct Feed {
    void* payload;
    size_t beat;
    CData& valid;
    const CData& ready;
    Bytes data = {};
    size_t next = 0;
    Chance chance = {};
    bool taken = false;

    void drive() {
        if (valid || next == data.size() || !chance.draw()) return;
        std::memcpy(payload, &data[next], beat);
        valid = 1;
    }

    void step() {
        if (!taken) return;
        valid = 0;
        next += beat;
    }

    void sample() { taken = valid && ready; }
};

class Bench {
   public:
    explicit Bench(VerilatedContext& context)
        : top_(&context), feed_{&top_.i_payload, INPUT_BYTES, top_.i_valid, top_.i_ready} {
#define LAYERS_READER(k)                                                                         \
    reads_.emplace_back(k, POLYMAP_ADDRESS(top_, m_axi_gmem##k##_ar),                            \
                        POLYMAP_READ(top_, m_axi_gmem##k##_r), timing_);                         \
    bases_.push_back(&top_.i_base_##k);
        POLYMAP_READ_MASTERS(LAYERS_READER)
#undef LAYERS_READER
        busy_.resize(STAGES);
        ends_.resize(STAGES);
    }

    ~Bench() { top_.final(); }

    void job(const std::string& line) {
        std::istringstream words(line);
        std::string name, file;
        words >> name;
        if (name == "rates") {
            unsigned input = 0, output = 0;
            uint64_t seed = 0;
            words >> input >> output >> seed;
            feed_.chance = {input, seed * 64 + 1};
            taking_ = {output, seed * 64 + 63};
        } else if (name == "timing") {
            for (std::string word; words >> word;) timing_.set(word);
            words.clear();
        } else if (name == "memory") {
            uint64_t base = 0, bytes = 0, seed = 0;
            words >> base >> bytes >> seed;
            memory_.resize(base, bytes, seed);
        } else if (name == "stripe") {
            size_t port = 0;
            uint64_t address = 0;
            words >> port >> address >> file;
            const Bytes bytes = read(file);
            std::memcpy(memory_.at(address, bytes.size()), bytes.data(), bytes.size());
            *bases_.at(port) = address;
        } else if (name == "input") {
            words >> file;
            feed_.data = read(file);
            if (feed_.data.size() % INPUT_BYTES)
                throw std::runtime_error("a file holds no whole beats");
        } else if (name == "maps") {
            for (uint64_t count; words >> count;) maps_.push_back(count);
            words.clear();
        } else if (name == "run") {
            words >> wanted_ >> limit_;
        } else {
            throw std::runtime_error("bad job line: " + line);
        }
        if (!words) throw std::runtime_error("bad job line: " + line);
    }

    void run(std::ofstream& results) {
        if (maps_.size() != STAGES) throw std::runtime_error("maps are told for other stages");
        top_.rst = 1;
        for (int k = 0; k < 4; ++k) edge();
        top_.rst = 0;
        top_.i_start = 1;
        for (ReadSlave& read : reads_) read.begin_run(0);
        uint64_t beats = 0;
        bool there = false;
        for (cycle_ = 0; working(beats) && cycle_ < limit_; ++cycle_) {
            if (there) feed_.drive();
            for (ReadSlave& read : reads_) read.drive(cycle_, memory_);
            top_.o_ready = taking_.draw();
            top_.clk = 0;
            top_.eval();
            feed_.sample();
            if (feed_.taken && feed_.next == 0) began_ = cycle_;
            for (ReadSlave& read : reads_) read.sample(cycle_, memory_);
            if (top_.o_valid && top_.o_ready) {
                results.write(reinterpret_cast<const char*>(&top_.o_payload), OUTPUT_BYTES);
                ++beats;
                if (beats % RESULT_BEATS == 0) images_.push_back(cycle_);
            }
            observe();
            there = there || top_.o_there == (uint64_t{1} << STAGES) - 1;
            if (top_.o_failed) throw std::runtime_error("the memory answered with an error");
            top_.clk = 1;
            top_.eval();
            feed_.step();
            for (ReadSlave& read : reads_) read.after_edge();
            if (cycle_ % PROGRESS == 0) std::cout << beats << ' ' << cycle_ << std::endl;
        }
        ended_ = !working(beats);
    }

    void record(std::ofstream& file) const {
        std::vector<uint64_t> read;
        for (const ReadSlave& one : reads_) read.push_back(one.beats());
        file << "{\"ended\": " << (ended_ ? "true" : "false") << ", \"cycles\": " << cycle_
             << ", \"began\": " << began_ << ", \"images\": ";
        list(file, images_);
        file << ", \"read\": ";
        list(file, read);
        file << ", \"busy\": ";
        list(file, busy_);
        file << ", \"ends\": [";
        for (size_t k = 0; k < ends_.size(); ++k) {
            if (k) file << ", ";
            list(file, ends_[k]);
        }
        file << "]}\n";
    }

   private:
    void edge() {
        top_.clk = 0;
        top_.eval();
        top_.clk = 1;
        top_.eval();
    }

    // Results are to come, or a stage works on a map, if only on what the next does not read.
    bool working(uint64_t beats) const {
        for (size_t k = 0; k < STAGES; ++k)
            if (ends_[k].size() < maps_[k]) return true;
        return beats < wanted_;
    }

    void observe() {
        for (size_t k = 0; k < STAGES; ++k) {
            busy_[k] += top_.o_busy >> k & 1;
            if (top_.o_ends >> k & 1) ends_[k].push_back(cycle_);
        }
    }

    static void list(std::ofstream& file, const std::vector<uint64_t>& values) {
        file << '[';
        for (size_t k = 0; k < values.size(); ++k) file << (k ? ", " : "") << values[k];
        file << ']';
    }

    Vtop top_;
    Feed feed_;
    Chance taking_;
    Timing timing_;
    Memory memory_;
    std::deque<ReadSlave> reads_;  // they do not move
    std::vector<QData*> bases_;
    std::vector<uint64_t> busy_, images_, maps_;
    std::vector<std::vector<uint64_t>> ends_;
    uint64_t wanted_ = 0, limit_ = 0, cycle_ = 0, began_ = 0;
    bool ended_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 4) throw std::runtime_error("three files are needed");
        VerilatedContext context;
        context.randReset(0);
        Bench bench(context);
        std::ifstream job(argv[1]);
        for (std::string line; std::getline(job, line);) bench.job(line);
        std::ofstream results(argv[2], std::ios::binary), record(argv[3]);
        bench.run(results);
        bench.record(record);
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
